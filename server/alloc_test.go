//go:build !race

package server_test

import (
	"crypto/tls"
	"net"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// handshakes does n handshakes over ln, one after the other. It returns the
// allocations and bytes of one, for client and server together.
func handshakes(t testing.TB, ln net.Listener, n int) (allocs, bytes float64) {
	config := servertest.Config(t)
	config.SessionTicketsDisabled = true
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}
	one := func() {
		done := make(chan error, 1)
		go func() {
			c, err := tls.Dial("tcp", ln.Addr().String(), client)
			if err == nil {
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			done <- err
		}()
		conn, err := ln.Accept()
		require.NoError(t, err)
		c := tls.Server(conn, config)
		_, err = c.Write([]byte{1})
		require.NoError(t, err)
		require.NoError(t, <-done)
		c.Close()
	}
	for range 10 {
		one()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		one()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n), float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
}

// TestHandshakeAllocations bounds what a Conn costs beyond plain crypto/tls.
func TestHandshakeAllocations(t *testing.T) {
	const n = 200
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
	plainAllocs, plainBytes := handshakes(t, servertest.Listen(t), n)
	allocs, bytes := handshakes(t, &server.Listener{Listener: servertest.Listen(t)}, n)
	t.Logf("plain %.1f allocations, %.0f bytes; with a Conn %.1f and %.0f more", plainAllocs, plainBytes, allocs-plainAllocs, bytes-plainBytes)
	assert.LessOrEqual(t, allocs-plainAllocs, 5.0)
	assert.LessOrEqual(t, bytes-plainBytes, 1024.0)
}
