package quichello

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A wire is a net.PacketConn that sends datagrams to a channel only.
type wire struct {
	sent   chan []byte
	closed chan struct{}
}

func (w *wire) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case w.sent <- append([]byte(nil), b...):
	case <-w.closed:
	}
	return len(b), nil
}

func (w *wire) ReadFrom([]byte) (int, net.Addr, error) {
	<-w.closed
	return 0, nil, net.ErrClosed
}

func (w *wire) Close() error                     { close(w.closed); return nil }
func (w *wire) LocalAddr() net.Addr              { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// quic-go sends CRYPTO frames out of order. Lists of protocols make hellos of
// 300 to 16,000 bytes. A client without an answer sends what its congestion
// window allows and then repeats it, so the first flight must have the whole
// hello.
func TestQUICGo(t *testing.T) {
	t.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	for _, version := range []quic.Version{quic.Version1, quic.Version2} {
		for _, size := range []int{0, 800, 1500, 4000, 8000, 15500} {
			t.Run(fmt.Sprintf("%s %d", version, size), func(t *testing.T) {
				w := &wire{make(chan []byte, 100), make(chan struct{})}
				defer w.Close()
				transport := &quic.Transport{Conn: w}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				config := &tls.Config{ServerName: "quic.test.example", NextProtos: []string{"h3"}}
				if size == 0 {
					config.CurvePreferences = []tls.CurveID{tls.X25519}
				}
				for n := 0; n < size; n += 250 {
					config.NextProtos = append(config.NextProtos, fmt.Sprintf("%0249d", n))
				}
				go transport.Dial(ctx, w.LocalAddr(), config, &quic.Config{Versions: []quic.Version{version}})

				var a Assembler
				var h *Hello
				timeout := time.After(10 * time.Second)
				for h == nil {
					select {
					case d := <-w.sent:
						var err error
						require.True(t, IsInitial(d))
						h, err = a.Next(d)
						require.NoError(t, err)
					case <-timeout:
						require.FailNow(t, "no hello")
					}
				}
				assert.Equal(t, Version(version), h.Version)
				assert.Greater(t, len(h.Message), size)
				hello := readByTLS(t, h.Message)
				assert.Equal(t, config.ServerName, hello.ServerName)
				assert.Equal(t, config.NextProtos, hello.SupportedProtos)
			})
		}
	}
}

// readByTLS passes a ClientHello to crypto/tls.
func readByTLS(t *testing.T, message []byte) (hello *tls.ClientHelloInfo) {
	server := tls.QUICServer(&tls.QUICConfig{TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			hello = h
			return nil, context.Canceled
		},
	}})
	defer server.Close()
	require.NoError(t, server.Start(t.Context()))
	require.Error(t, server.HandleData(tls.QUICEncryptionLevelInitial, message))
	require.NotNil(t, hello)
	return hello
}
