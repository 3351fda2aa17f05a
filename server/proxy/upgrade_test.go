package proxy_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	askWebSocket = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	isWebSocket  = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// webSocket returns a connection to f, once its upgrade was accepted, and its reader.
func webSocket(t *testing.T, f *front, ahead string) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	conn := f.dial(t)
	_, err := io.WriteString(conn, askWebSocket+ahead)
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, 101, resp.StatusCode)
	assert.Equal(t, "websocket", resp.Header.Get("Upgrade"))
	assert.Equal(t, "Upgrade", resp.Header.Get("Connection"))
	assert.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", resp.Header.Get("Sec-WebSocket-Accept"))
	return conn, r
}

// accepts returns a handler of connections that accepts the upgrade, and calls next.
func accepts(next func(net.Conn, *bufio.Reader)) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, r *bufio.Reader) {
		if answer(conn, r, isWebSocket) {
			next(conn, r)
		}
	}
}

func TestWebSocket(t *testing.T) {
	b := startRaw(t, accepts(func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(conn, r) }))
	f := start(t, to(t, b.url))
	conn, r := webSocket(t, f, "early ")
	_, err := io.WriteString(conn, "hello")
	require.NoError(t, err)
	echoed := make([]byte, len("early hello"))
	_, err = io.ReadFull(r, echoed)
	require.NoError(t, err)
	assert.Equal(t, "early hello", string(echoed), "what was sent before the answer, too")
	require.NoError(t, conn.CloseWrite())
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Empty(t, rest)
	raw, _ := b.received()
	header, body, _ := strings.Cut(raw, "\r\n\r\n")
	req := requestsOf(t, header+"\r\n\r\n", 1)[0]
	assert.Equal(t, []string{"Upgrade"}, req.Header["Connection"])
	assert.Equal(t, []string{"websocket"}, req.Header["Upgrade"])
	assert.Equal(t, "13", req.Header.Get("Sec-WebSocket-Version"))
	assert.Equal(t, "127.0.0.1", req.Header.Get("X-Forwarded-For"))
	assert.Equal(t, "early hello", body)
}

// TestWebSocketEnds: whoever ends first, the other side sees it, and may send until then.
func TestWebSocketEnds(t *testing.T) {
	t.Run("client ends first", func(t *testing.T) {
		b := startRaw(t, accepts(func(conn net.Conn, r *bufio.Reader) {
			got, _ := io.ReadAll(r)
			_, _ = conn.Write(append(got, " bye"...))
		}))
		conn, r := webSocket(t, start(t, to(t, b.url)), "")
		_, err := io.WriteString(conn, "hello")
		require.NoError(t, err)
		require.NoError(t, conn.CloseWrite())
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, "hello bye", string(got))
	})
	t.Run("backend ends first", func(t *testing.T) {
		got := make(chan string, 1)
		b := startRaw(t, accepts(func(conn net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(conn, "bye")
			_ = conn.(*net.TCPConn).CloseWrite()
			text, _ := io.ReadAll(r)
			got <- string(text)
		}))
		conn, r := webSocket(t, start(t, to(t, b.url)), "")
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, "bye", string(text))
		_, err = io.WriteString(conn, "late")
		require.NoError(t, err)
		conn.Close()
		assert.Equal(t, "late", <-got)
	})
	t.Run("backend resets", func(t *testing.T) {
		b := startRaw(t, accepts(func(conn net.Conn, r *bufio.Reader) { _ = conn.(*net.TCPConn).SetLinger(0) }))
		_, r := webSocket(t, start(t, to(t, b.url)), "")
		_, _ = io.ReadAll(r) // returns
	})
	t.Run("client resets", func(t *testing.T) {
		ended := make(chan bool, 1)
		b := startRaw(t, accepts(func(_ net.Conn, r *bufio.Reader) {
			_, _ = io.ReadAll(r)
			ended <- true
		}))
		conn, _ := webSocket(t, start(t, to(t, b.url)), "")
		require.NoError(t, conn.NetConn().(*net.TCPConn).SetLinger(0))
		conn.NetConn().Close()
		<-ended
	})
	t.Run("both are silent", func(t *testing.T) {
		ended := make(chan bool, 1)
		b := startRaw(t, accepts(func(_ net.Conn, r *bufio.Reader) {
			_, _ = io.ReadAll(r)
			ended <- true
		}))
		p := to(t, b.url)
		p.StallTimeout = testStall
		_, r := webSocket(t, start(t, p), "")
		_, _ = io.ReadAll(r)
		<-ended
	})
	t.Run("one of them speaks", func(t *testing.T) {
		b := startRaw(t, accepts(func(conn net.Conn, _ *bufio.Reader) {
			for range 8 {
				_, _ = io.WriteString(conn, "x")
				time.Sleep(slowly)
			}
		}))
		p := to(t, b.url)
		p.StallTimeout = 7 * slowly
		_, r := webSocket(t, start(t, p), "")
		got, _ := io.ReadAll(r)
		assert.Equal(t, "xxxxxxxx", string(got))
	})
	t.Run("the client reads nothing", func(t *testing.T) {
		ended := make(chan bool, 1)
		b := startRaw(t, accepts(func(conn net.Conn, _ *bufio.Reader) {
			_, _ = io.Copy(conn, endless{})
			ended <- true
		}))
		p := to(t, b.url)
		p.StallTimeout = testStall
		webSocket(t, start(t, p), "")
		<-ended
	})
	t.Run("the server shuts down", func(t *testing.T) {
		ended := make(chan bool, 1)
		b := startRaw(t, accepts(func(_ net.Conn, r *bufio.Reader) {
			_, _ = io.ReadAll(r)
			ended <- true
		}))
		f := start(t, to(t, b.url))
		_, r := webSocket(t, f, "")
		require.NoError(t, f.stop())
		_, _ = io.ReadAll(r)
		<-ended
	})
}

// TestWebSocketToOtherBackends: it is HTTP/1.1, whatever they speak otherwise.
func TestWebSocketToOtherBackends(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 1, r.ProtoMajor)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, isWebSocket)
		_, _ = io.Copy(conn, rw)
	})
	for _, scheme := range []string{"https", "unix"} {
		f := through(t, scheme, handler)
		for range 2 {
			conn, r := webSocket(t, f, "")
			_, err := io.WriteString(conn, "hello")
			require.NoError(t, err)
			require.NoError(t, conn.CloseWrite())
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			assert.Equal(t, "hello", string(got), scheme)
		}
	}
	b := startRaw(t, accepts(func(net.Conn, *bufio.Reader) {}))
	webSocket(t, start(t, to(t, "h2c"+strings.TrimPrefix(b.url, "http"))), "")
}

// TestRefusedWebSocket: the connection goes on as HTTP, and nothing is a tunnel.
func TestRefusedWebSocket(t *testing.T) {
	b := startRaw(t, always("HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno"))
	f := start(t, to(t, b.url))
	conn := f.dial(t)
	_, err := io.WriteString(conn, askWebSocket+"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	for range 2 {
		resp, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, 426, resp.StatusCode)
		assert.Equal(t, "no", string(text))
	}
	raw, _ := b.received()
	reqs := requestsOf(t, raw, 2)
	assert.Equal(t, "127.0.0.1", reqs[1].Header.Get("X-Forwarded-For"), "the second one is no part of a tunnel")
}

// TestOtherUpgrades reach no backend: it gets an ordinary request.
func TestOtherUpgrades(t *testing.T) {
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket/13\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: connect-ip\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h\xc32c\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
	} {
		t.Run(text, func(t *testing.T) {
			b := startRaw(t, always(okAnswer))
			f := start(t, to(t, b.url))
			conn := f.dial(t)
			_, err := io.WriteString(conn, text)
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			assert.Equal(t, 200, resp.StatusCode)
			raw, _ := b.received()
			for _, name := range []string{"Upgrade", "Connection", "Http2-Settings"} {
				assert.Empty(t, requestsOf(t, raw, 1)[0].Header[name])
			}
		})
	}
}
