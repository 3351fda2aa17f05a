package server_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
)

// drip sends one byte at a time until the server closes the connection.
func drip(c net.Conn, stream []byte) {
	for i := range stream {
		if _, err := c.Write(stream[i : i+1]); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// attacks returns what hostile clients do with a connection. Each returns when it
// is done, or the server has closed the connection.
func attacks(t testing.TB) map[string]func(c *net.TCPConn) {
	hello := hellotest.Real(t)["chromium-156"].Raw
	whole := record(22, 0x0301, hello)
	wait := func(c *net.TCPConn) { io.Copy(io.Discard, c) }
	all := map[string]func(c *net.TCPConn){
		"silent":         wait,
		"silent and off": func(c *net.TCPConn) { c.CloseWrite(); wait(c) },
		"reset":          func(c *net.TCPConn) { c.Write(whole[:100]); c.SetLinger(0) },
		"flood":          func(*net.TCPConn) {},
		"drip":           func(c *net.TCPConn) { drip(c, whole) },
		"drip of records": func(c *net.TCPConn) {
			drip(c, records(hello, 1, 0x0301)[:3000])
		},
		"half a hello, then the end": func(c *net.TCPConn) { c.Write(whole[:len(whole)/2]); c.CloseWrite(); wait(c) },
		"a hello and no more":        func(c *net.TCPConn) { c.Write(whole); wait(c) },
		"a hello, then the end":      func(c *net.TCPConn) { c.Write(whole); c.CloseWrite(); wait(c) },
		"a hello, then nonsense":     func(c *net.TCPConn) { c.Write(append(bytes.Clone(whole), make([]byte, 50000)...)); wait(c) },
		"does not read":              func(c *net.TCPConn) { c.SetReadBuffer(1); c.Write(whole); time.Sleep(50 * time.Millisecond) },
	}
	for name, stream := range streams(t) {
		all["sends "+name] = func(c *net.TCPConn) { c.Write(stream); wait(c) }
	}
	return all
}

// TestHostileClients runs all attacks at once, three times, and honest clients
// among them.
func TestHostileClients(t *testing.T) {
	t.Parallel() // it waits for timeouts
	// Long enough for the honest clients on a busy machine.
	ln := &server.Listener{Listener: servertest.Listen(t), HandshakeTimeout: 10 * time.Second}
	var hellos atomic.Int64
	ln.Observe = func(o *event.Observation) {
		if e := new(event.Observer).Event(o, event.Full); o.Hello != nil && strings.HasPrefix(e.JA4(), "t13d") {
			hellos.Add(1)
		}
	}
	stop := serve(t, new(server.Server), ln, time.Minute)
	addr := ln.Addr().String()
	var wg sync.WaitGroup
	for range 3 {
		for name, attack := range attacks(t) {
			wg.Go(func() {
				c, err := net.Dial("tcp", addr)
				if !assert.NoError(t, err, name) {
					return
				}
				defer c.Close()
				assert.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
				attack(c.(*net.TCPConn))
			})
		}
		client := servertest.HTTPClient(false)
		for range 20 {
			resp, err := client.Get("https://" + addr)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			resp.Body.Close()
			client.CloseIdleConnections()
			assert.Equal(t, http.StatusOK, resp.StatusCode)
		}
	}
	wg.Wait() // the server has closed every connection
	assert.Eventually(t, func() bool { open, _ := ln.Conns(); return open == 0 }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, stop())
	assert.NotZero(t, hellos.Load())
}

// TestStopDoesNotWaitForHalfOpenConnections: there are a hundred of them.
func TestStopDoesNotWaitForHalfOpenConnections(t *testing.T) {
	addr, stop := start(t, new(server.Server), time.Hour)
	for range 100 {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte{22, 3, 1})
		require.NoError(t, err)
	}
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, stop())
}

// TestAListenerThatFailsEndsServe: an idle client and a silent one remain.
func TestAListenerThatFailsEndsServe(t *testing.T) {
	inner := servertest.Listen(t)
	srv := &server.Server{TLSConfig: servertest.Config(t), Handler: new(echo.Handler)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(&server.Listener{Listener: inner, HandshakeTimeout: -1}) }()
	silent, err := net.Dial("tcp", inner.Addr().String())
	require.NoError(t, err)
	defer silent.Close()
	c, err := tls.Dial("tcp", inner.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, inner.Close())
	assert.ErrorIs(t, <-served, net.ErrClosed)
	assert.False(t, srv.Ready())
	require.NoError(t, srv.Shutdown(t.Context()), "which does not wait for idle clients")
}
