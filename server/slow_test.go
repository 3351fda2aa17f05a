package server_test

import (
	"crypto/tls"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestSlowClientsAreEnded: clients of a Server finish the handshake, and then
// neither go on nor close. It has a fake clock.
func TestSlowClientsAreEnded(t *testing.T) {
	const post = "POST /api/all HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
	for name, c := range map[string]struct {
		alpn []string
		act  func(t *testing.T, c *tls.Conn)
	}{
		"nothing":       {[]string{"http/1.1"}, func(*testing.T, *tls.Conn) {}},
		"no line":       {nil, func(*testing.T, *tls.Conn) {}},
		"half a line":   {nil, func(_ *testing.T, c *tls.Conn) { io.WriteString(c, "hel") }},
		"a line":        {nil, func(_ *testing.T, c *tls.Conn) { io.WriteString(c, "hello\n") }},
		"half a header": {[]string{"http/1.1"}, func(_ *testing.T, c *tls.Conn) { io.WriteString(c, "GET / HTTP/1.1\r\nHost") }},
		"half a body":   {[]string{"http/1.1"}, func(_ *testing.T, c *tls.Conn) { io.WriteString(c, post+"12345") }},
		"half a header, no ALPN": {nil, func(_ *testing.T, c *tls.Conn) {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost")
		}},
		"does not read": {[]string{"http/1.1"}, func(t *testing.T, c *tls.Conn) {
			for {
				if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					return
				}
			}
		}},
		"no HTTP/2": {[]string{"h2"}, func(*testing.T, *tls.Conn) {}},
		"HTTP/2, and no request": {[]string{"h2"}, func(t *testing.T, c *tls.Conn) {
			io.WriteString(c, http2.ClientPreface)
			require.NoError(t, http2.NewFramer(c, nil).WriteSettings())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			config := servertest.Config(t)
			synctest.Test(t, func(t *testing.T) {
				ln := servertest.NewPipes()
				stop := serve(t, &server.Server{TLSConfig: config}, &server.Listener{Listener: ln}, 0)
				conn := tls.Client(ln.Dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: c.alpn})
				require.NoError(t, conn.Handshake())
				ended := make(chan struct{})
				began := time.Now()
				go func() {
					c.act(t, conn)
					io.Copy(io.Discard, conn) // until the server closes
					close(ended)
				}()
				select {
				case <-ended:
				case <-time.After(time.Hour):
					t.Error("it is served for ever")
				}
				assert.LessOrEqual(t, time.Since(began), 5*time.Minute)
				conn.NetConn().Close()
				require.NoError(t, stop())
				time.Sleep(time.Second) // net/http may linger that long after a response
			})
		})
	}
}
