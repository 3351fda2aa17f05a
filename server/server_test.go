package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
)

// start has srv serve a new listener. If it has no handler, it gets an echo.Handler.
func start(t testing.TB, srv *server.Server, grace time.Duration) (addr string, stop func() error) {
	t.Helper()
	l := &server.Listener{Listener: servertest.Listen(t)}
	return l.Addr().String(), serve(t, srv, l, grace)
}

func serve(t testing.TB, srv *server.Server, l *server.Listener, grace time.Duration) (stop func() error) {
	t.Helper()
	if srv.Handler == nil {
		h := new(echo.Handler)
		srv.Handler, srv.Lines = h, h.ServeLines
	}
	return servertest.Serve(t, srv, l, grace)
}

// answer is what the tests read of an Event.
type answer struct {
	SNI     string   `json:"sni"`
	ALPN    []string `json:"alpn"`
	SrcPort int      `json:"src_port"`
	DstIP   string   `json:"dst_ip"`
	JA3     string   `json:"ja3"`
	JA4     string   `json:"ja4"`
	JA4RO   string   `json:"ja4_ro"`
	Raw     []byte   `json:"raw"`
	Error   string   `json:"error"`
}

func decode(t testing.TB, text []byte) (a answer) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &a), "%s", text)
	return a
}

// A kind of client asks for its Event over its own connection.
type kind struct {
	name string
	alpn []string
	ask  func(c *tls.Conn, r *bufio.Reader) ([]byte, error)
}

var kinds = []kind{
	{"http/1.1", []string{"http/1.1"}, get},
	{"http/1.1 without ALPN", nil, get},
	{"http/1.0", []string{"http/1.0"}, get},
	{"line", nil, line},
	{"h2", []string{"h2"}, nil},
}

func get(c *tls.Conn, r *bufio.Reader) ([]byte, error) {
	if _, err := io.WriteString(c, "GET /json HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(resp.Body)
}

func line(c *tls.Conn, r *bufio.Reader) ([]byte, error) {
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return nil, err
	}
	return r.ReadBytes('\n')
}

// TestEachClientGetsItsOwnHello: there are 200 clients of five kinds at once.
func TestEachClientGetsItsOwnHello(t *testing.T) {
	var log servertest.Buffer
	ln := &server.Listener{Listener: servertest.Listen(t), HandshakeTimeout: time.Minute}
	addr := ln.Addr().String()
	stop := serve(t, &server.Server{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, ln, time.Second)
	defer func() {
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			k := kinds[i%len(kinds)]
			name := fmt.Sprintf("client-%d.example", i)
			config := &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: k.alpn}
			if k.ask == nil {
				var local net.Addr
				client := &http.Client{Transport: &http.Transport{
					TLSClientConfig:   config,
					ForceAttemptHTTP2: true,
					DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						c, err := new(net.Dialer).DialContext(ctx, network, addr)
						if err == nil {
							local = c.LocalAddr()
						}
						return c, err
					},
				}}
				defer client.CloseIdleConnections()
				for range 3 {
					resp, err := client.Get("https://" + addr + "/")
					if !assert.NoError(t, err) {
						return
					}
					text, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					assert.NoError(t, err)
					assert.Equal(t, "HTTP/2.0", resp.Proto)
					assertOwn(t, text, name, local)
				}
				return
			}
			c, err := tls.Dial("tcp", addr, config)
			if !assert.NoError(t, err) {
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for range 3 {
				text, err := k.ask(c, r)
				if !assert.NoError(t, err, k.name) {
					return
				}
				assertOwn(t, text, name, c.LocalAddr())
			}
		})
	}
	wg.Wait()
	require.NoError(t, stop())
}

func assertOwn(t *testing.T, text []byte, name string, local net.Addr) {
	t.Helper()
	var a answer
	assert.NoError(t, json.Unmarshal(text, &a), "%s", text)
	assert.Equal(t, name, a.SNI)
	assert.Equal(t, local.(*net.TCPAddr).Port, a.SrcPort)
	assert.True(t, strings.HasPrefix(a.JA4, "t13d"), a.JA4)
}

// A readListener counts the connections from which something has been read.
type readListener struct {
	net.Listener
	conns atomic.Int64
}

func (l *readListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &readConn{Conn: c, read: sync.OnceFunc(func() { l.conns.Add(1) })}, nil
}

type readConn struct {
	net.Conn
	read func()
}

func (c *readConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.read()
	}
	return n, err
}

// TestSilentClientsDelayNobody: clients hang at every stage before an honest one.
func TestSilentClientsDelayNobody(t *testing.T) {
	var mu sync.Mutex
	hellos, failures := 0, 0
	inner := &readListener{Listener: servertest.Listen(t)}
	l := &server.Listener{Listener: inner, Observe: func(o *event.Observation) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case o.Hello != nil:
			hellos++
		case len(o.Received) > 0:
			assert.ErrorIs(t, o.Err, server.ErrNoHello)
			failures++
		}
	}}
	addr, stop := l.Addr().String(), serve(t, new(server.Server), l, time.Minute)
	for range 20 {
		for _, sent := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
			c, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			defer c.Close()
			_, err = io.WriteString(c, sent)
			require.NoError(t, err)
		}
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		defer c.Close()
	}
	client := servertest.HTTPClient(false)
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr + "/")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, 200, resp.StatusCode)
	require.Eventually(t, func() bool { return inner.conns.Load() == 3*20+1 }, time.Minute, time.Millisecond)
	require.NoError(t, stop(), "which does not wait for them")
	assert.Equal(t, 20+1, hellos)
	assert.Equal(t, 2*20, failures)
}

func TestPlainHTTPIsAnsweredAsNetHTTPDoes(t *testing.T) {
	addr, _ := start(t, new(server.Server), 0)
	resp, err := http.Get("http://" + addr + "/")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, 400, resp.StatusCode)
	assert.Equal(t, "Client sent an HTTP request to an HTTPS server.\n", string(body))
}

func TestStopEndsIdleConnections(t *testing.T) {
	addr, stop := start(t, new(server.Server), time.Minute)
	for _, k := range kinds {
		if k.ask == nil {
			client := servertest.HTTPClient(true)
			defer client.CloseIdleConnections()
			resp, err := client.Get("https://" + addr)
			require.NoError(t, err)
			resp.Body.Close()
			continue
		}
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: k.alpn})
		require.NoError(t, err)
		defer c.Close()
		_, err = k.ask(c, bufio.NewReader(c))
		require.NoError(t, err)
	}
	require.NoError(t, stop())
	_, err := net.Dial("tcp", addr)
	assert.Error(t, err)
}

func TestGraceEndsConnectionsThatDoNotRead(t *testing.T) {
	addr, stop := start(t, new(server.Server), 50*time.Millisecond)
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	// Ask until the answers fill every buffer on the way.
	require.NoError(t, c.SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
	_, err = io.Copy(c, newlines{})
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, stop())
}

type newlines struct{}

func (newlines) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}
