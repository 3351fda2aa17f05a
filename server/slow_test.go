package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/tlspeek/tlspeek/server"
)

// pipes is a listener of connections in memory, which may be in a bubble of
// testing/synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- near
	return far
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestSlowClientsAreEnded has clients of an Echo that have shaken hands, and
// then neither go on nor leave. The clock is the test's own.
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
			config := serverConfig(t)
			synctest.Test(t, func(t *testing.T) {
				ln := newPipes()
				stop := startListener(t, &server.Echo{TLSConfig: config}, &server.Listener{Listener: ln})
				conn := tls.Client(ln.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: c.alpn})
				require.NoError(t, conn.Handshake())
				ended := make(chan struct{})
				began := time.Now()
				go func() {
					c.act(t, conn)
					io.Copy(io.Discard, conn) // until the server has had enough
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
				time.Sleep(time.Second) // for which net/http may linger after it has answered
			})
		})
	}
}

// TestLiveEventsGoOn has watchers to whom nothing comes for an hour.
func TestLiveEventsGoOn(t *testing.T) {
	for _, proto := range []string{"http/1.1", "h2"} {
		config := serverConfig(t)
		synctest.Test(t, func(t *testing.T) {
			ln := newPipes()
			stop := startListener(t, &server.Echo{TLSConfig: config, Page: &server.Page{Live: new(server.Live)}}, &server.Listener{Listener: ln})
			conn := tls.Client(ln.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}})
			require.NoError(t, conn.Handshake())
			client := &http.Client{Transport: &http.Transport{
				ForceAttemptHTTP2: proto == "h2",
				DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			}}
			resp, err := client.Get("https://x/live/events")
			require.NoError(t, err)
			assert.Equal(t, proto == "h2", resp.ProtoMajor == 2)
			began := time.Now()
			for lines := bufio.NewScanner(resp.Body); time.Since(began) < time.Hour; {
				if !assert.True(t, lines.Scan(), "%s: after %v: %v", proto, time.Since(began), lines.Err()) {
					break
				}
				if strings.HasPrefix(lines.Text(), "data:") {
					t.Fatal("nothing has come")
				}
			}
			resp.Body.Close()
			client.CloseIdleConnections()
			conn.NetConn().Close()
			require.NoError(t, stop())
		})
	}
}
