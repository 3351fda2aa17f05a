package server_test

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/server"
)

// TestDeadlineWithinAProxyHeader has deadlines pass at each byte of the header
// and of the hello after it.
func TestDeadlineWithinAProxyHeader(t *testing.T) {
	hello := hellotest.Real(t)["curl-openssl-3.0"].Raw
	for _, header := range []string{
		"PROXY TCP4 198.51.100.7 203.0.113.9 12345 443\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xcb\x00\x71\x09\x30\x39\x01\xbb",
	} {
		stream := append([]byte(header), record(22, 0x0301, hello)...)
		for cut := range len(header) + 10 {
			for _, more := range []int{1, 20, 60} {
				if first := max(cut, more); header[0] == 'P' && (cut > 0 && cut < len(header) || first < len(header)) {
					continue // version 1 has to come at once
				}
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

// A fromProxy connection has the address of a proxy.
type fromProxy struct{ net.Conn }

func (fromProxy) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
