package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

const (
	eventually = 20 * time.Second
	poll       = 10 * time.Millisecond
)

// newServer returns a server whose handlers wait until release is closed, and
// send to begun when they begin.
func newServer(t *testing.T) (srv *server.Server, begun chan string, release chan struct{}) {
	begun, release = make(chan string, 10), make(chan struct{})
	return &server.Server{
		TLSConfig: servertest.Config(t),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun <- "request"
			select {
			case <-release:
			case <-r.Context().Done():
			}
			io.WriteString(w, "done")
		}),
		Lines: func(_ context.Context, conn net.Conn) error {
			begun <- "line"
			select {
			case <-release:
			case <-closed(conn):
			}
			_, err := io.WriteString(conn, "done")
			return err
		},
	}, begun, release
}

// closed returns a channel that is closed when conn is. It reads on after the
// deadline that a shutdown sets.
func closed(conn net.Conn) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			_, err := io.Copy(io.Discard, conn)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			conn.SetReadDeadline(time.Time{})
		}
	}()
	return ended
}

func TestServeOnce(t *testing.T) {
	srv, _, _ := newServer(t)
	stop := servertest.Serve(t, srv, &server.Listener{Listener: servertest.Listen(t)}, 0)
	require.Eventually(t, srv.Ready, eventually, poll)
	second := servertest.Listen(t)
	assert.EqualError(t, srv.Serve(&server.Listener{Listener: second}), "server: Serve was called before")
	_, err := second.Accept()
	assert.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, stop())
	assert.False(t, srv.Ready())
}

func TestServeAfterShutdown(t *testing.T) {
	for _, end := range []func(*server.Server) error{
		func(s *server.Server) error { return s.Shutdown(t.Context()) },
		(*server.Server).Close,
	} {
		srv, _, _ := newServer(t)
		require.NoError(t, end(srv), "nothing was served")
		ln := servertest.Listen(t)
		assert.ErrorIs(t, srv.Serve(&server.Listener{Listener: ln}), http.ErrServerClosed)
		_, err := ln.Accept()
		assert.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, end(srv), "and again")
	}
	h3 := &server.HTTP3{TLSConfig: servertest.Config(t)}
	require.NoError(t, h3.Shutdown(t.Context()))
	assert.ErrorIs(t, h3.Serve(servertest.UDP(t)), http.ErrServerClosed)
}

func TestServeWithoutCertificate(t *testing.T) {
	ln := servertest.Listen(t)
	assert.EqualError(t, new(server.Server).Serve(&server.Listener{Listener: ln}), "server: a Server needs a TLSConfig")
	_, err := ln.Accept()
	assert.ErrorIs(t, err, net.ErrClosed)
}

// TestServeEndsWithHTTP3 has a UDP socket that fails.
func TestServeEndsWithHTTP3(t *testing.T) {
	srv, _, _ := newServer(t)
	udp := servertest.UDP(t)
	require.NoError(t, udp.Close())
	srv.UDP = []*net.UDPConn{udp}
	err := srv.Serve(&server.Listener{Listener: servertest.Listen(t)})
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.NotErrorIs(t, err, http.ErrServerClosed)
	require.NoError(t, srv.Close())
}

// ask sends what begins a request, or a line.
func ask(t *testing.T, addr string, alpn []string, text string) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: alpn})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = io.WriteString(c, text)
	require.NoError(t, err)
	return c
}

// TestShutdownWaits has a request and a line that are answered when Shutdown has
// begun.
func TestShutdownWaits(t *testing.T) {
	srv, begun, release := newServer(t)
	l := &server.Listener{Listener: servertest.Listen(t)}
	addr := l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	request := ask(t, addr, []string{"http/1.1"}, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	line := ask(t, addr, nil, "hello\n")
	<-begun
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- srv.Shutdown(t.Context()) }()
	assert.ErrorIs(t, <-served, http.ErrServerClosed, "at once")
	_, err := net.Dial("tcp", addr)
	assert.Error(t, err)
	close(release)
	for _, c := range []*tls.Conn{request, line} {
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.Contains(t, string(answer), "done")
	}
	require.NoError(t, <-ended)
}

// TestShutdownEnds has the same, and a context that is done before.
func TestShutdownEnds(t *testing.T) {
	for name, end := range map[string]func(*server.Server) error{
		"Shutdown": func(s *server.Server) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := s.Shutdown(ctx)
			assert.ErrorIs(t, err, context.Canceled)
			return nil
		},
		"Close": (*server.Server).Close,
	} {
		srv, begun, _ := newServer(t)
		l := &server.Listener{Listener: servertest.Listen(t)}
		addr := l.Addr().String()
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		request := ask(t, addr, []string{"http/1.1"}, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		line := ask(t, addr, nil, "hello\n")
		<-begun
		<-begun
		require.NoError(t, end(srv), name)
		assert.ErrorIs(t, <-served, http.ErrServerClosed, name)
		for _, c := range []*tls.Conn{request, line} {
			answer, _ := io.ReadAll(c)
			assert.NotContains(t, string(answer), "done", name)
		}
	}
}

// TestWithoutLineHandler has a client that speaks no HTTP, and one that speaks
// it without ALPN.
func TestWithoutLineHandler(t *testing.T) {
	srv, begun, release := newServer(t)
	srv.Lines = nil
	close(release)
	l := &server.Listener{Listener: servertest.Listen(t)}
	addr := l.Addr().String()
	stop := servertest.Serve(t, srv, l, 0)
	answer, err := io.ReadAll(ask(t, addr, nil, "hello\n"))
	require.NoError(t, err)
	assert.Empty(t, answer)
	answer, err = io.ReadAll(ask(t, addr, nil, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
	require.NoError(t, err)
	assert.Contains(t, string(answer), "done")
	assert.Equal(t, "request", <-begun)
	require.NoError(t, stop())
}

// TestServerTimeouts has limits of its own, and none.
func TestServerTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		configure func(*server.Server)
		sent      string
		alpn      []string
	}{
		"header": {func(s *server.Server) { s.ReadHeaderTimeout = poll }, "GET / HTTP/1.1\r\n", []string{"http/1.1"}},
		"idle":   {func(s *server.Server) { s.IdleTimeout = poll }, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", []string{"http/1.1"}},
		"line":   {func(s *server.Server) { s.IdleTimeout = poll; s.Lines = nil }, "no end", nil},
		"body":   {func(s *server.Server) { s.BodyTimeout = poll }, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", []string{"http/1.1"}},
	} {
		srv, _, release := newServer(t)
		close(release)
		c.configure(srv)
		l := &server.Listener{Listener: servertest.Listen(t)}
		stop := servertest.Serve(t, srv, l, 0)
		_, err := io.ReadAll(ask(t, l.Addr().String(), c.alpn, c.sent))
		require.NoError(t, err, "%s: the server closes", name)
		require.NoError(t, stop())
	}
}
