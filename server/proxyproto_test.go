package server_test

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/server"
)

// TestDeadlineWithinAProxyHeader: deadlines pass at each byte of the header and of
// the hello after it.
func TestDeadlineWithinAProxyHeader(t *testing.T) {
	hello := hellotest.Real(t)["curl-openssl-3.0"].Raw
	for _, header := range []string{
		"PROXY TCP4 198.51.100.7 203.0.113.9 12345 443\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xcb\x00\x71\x09\x30\x39\x01\xbb",
	} {
		stream := append([]byte(header), record(22, 0x0301, hello)...)
		for cut := range len(header) + 10 {
			for _, more := range []int{1, 20, 60} {
				synctest.Test(t, func(t *testing.T) {
					near, far := net.Pipe()
					go func() {
						far.Write(stream[:cut])
						time.Sleep(2 * time.Second)
						far.Write(stream[cut : cut+more])
						time.Sleep(2 * time.Second)
						far.Write(stream[cut+more:])
					}()
					l := &server.Listener{Listener: single{fromProxy{near}}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
					accepted, err := l.Accept()
					require.NoError(t, err)
					conn := accepted.(*server.Conn)
					for range 2 {
						require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
						_, err = conn.ClientHello()
						require.ErrorIs(t, err, os.ErrDeadlineExceeded, "%d, %d", cut, more)
						time.Sleep(time.Second)
					}
					require.NoError(t, conn.SetReadDeadline(time.Time{}))
					h, err := conn.ClientHello()
					require.NoError(t, err, "%d, %d", cut, more)
					assert.Equal(t, hello, h.Raw)
					assert.Equal(t, "198.51.100.7:12345", conn.RemoteAddr().String())
					require.NoError(t, conn.Close())
				})
			}
		}
	}
}

// TestProxyHeaderInPieces: headers come in two pieces, cut at each byte, and one
// byte at a time.
func TestProxyHeaderInPieces(t *testing.T) {
	hello := record(22, 0x0301, hellotest.Real(t)["curl-openssl-3.0"].Raw)
	unknown := "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"
	for header, want := range map[string]string{
		"PROXY TCP4 198.51.100.7 203.0.113.9 12345 443\r\n": "198.51.100.7:12345",
		"PROXY TCP6 2001:db8::7 2001:db8::9 12345 443\r\n":  "[2001:db8::7]:12345",
		unknown: "192.0.2.1:1",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xcb\x00\x71\x09\x30\x39\x01\xbb": "198.51.100.7:12345",
		"": "192.0.2.1:1",
	} {
		stream := append([]byte(header), hello...)
		for cut := range len(header) + 2 {
			pieces := [][]byte{stream[:cut], stream[cut:]}
			if cut == 0 { // one byte at a time
				pieces = slices.Collect(slices.Chunk(stream, 1))
			}
			assert.Equal(t, want, readThroughProxy(t, pieces, hello), "%q, cut at %d", header, cut)
		}
	}
}

// readThroughProxy has a trusted proxy send pieces, checks that the hello follows
// the header, and returns the client's address.
func readThroughProxy(t *testing.T, pieces [][]byte, hello []byte) (addr string) {
	t.Helper()
	near, far := net.Pipe() // whose reads do not join writes
	sent := make(chan error, 1)
	go func() {
		for _, p := range pieces {
			if _, err := far.Write(p); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	l := &server.Listener{Listener: single{fromProxy{near}}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
	conn, err := l.Accept()
	require.NoError(t, err)
	defer conn.Close()
	got := make([]byte, len(hello))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.NoError(t, <-sent)
	assert.True(t, bytes.Equal(hello, got))
	return conn.RemoteAddr().String()
}

// TestProxyHeaderIsBounded: lines do not end, end too late, or are wrong.
func TestProxyHeaderIsBounded(t *testing.T) {
	for _, sent := range []string{
		"PROXY TCP4 198.51.100.7",
		"PROXY TCP4 " + strings.Repeat("1", 200),
		"PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n",
		"PROXY nonsense\r\n",
	} {
		near, far := net.Pipe()
		go func() {
			io.WriteString(far, sent)
			far.Close()
		}()
		l := &server.Listener{Listener: single{fromProxy{near}}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
		conn, err := l.Accept()
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 100))
		assert.ErrorContains(t, err, "proxyproto: ", sent)
		conn.Close()
	}
}

// A fromProxy connection comes from the address of a proxy.
type fromProxy struct{ net.Conn }

func (fromProxy) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
