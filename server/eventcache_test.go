package server_test

import (
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/server"
)

// helloConn returns a connection that has read a message in a record or more.
func helloConn(t *testing.T, l *server.Listener, message []byte) *server.Conn {
	t.Helper()
	l.Listener = one{&script{stream: records(message, 1<<14, 0x0301), chunk: 1 << 16}}
	conn, err := l.Accept()
	require.NoError(t, err)
	_, err = io.ReadAll(conn)
	require.NoError(t, err)
	return conn.(*server.Conn)
}

// TestEventOfALargeHelloIsNotKept counts what connections hold whose Event was
// asked for.
func TestEventOfALargeHelloIsNotKept(t *testing.T) {
	for name, h := range hellotest.Huge() {
		const n = 20
		var conns []*server.Conn
		l := new(server.Listener)
		for range n {
			conns = append(conns, helloConn(t, l, h.Raw))
		}
		heap := func() uint64 {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		for _, c := range conns {
			e, ok := c.Event(event.Full)
			require.True(t, ok)
			require.NotEmpty(t, e.JA4())
		}
		grown := int64(heap()-before) / n
		assert.Less(t, grown, int64(16<<10), name)
		t.Logf("%s: %d bytes a connection", name, grown)
		runtime.KeepAlive(conns)
	}
}

// TestEventOfABrowserIsKept has the second call allocate nothing.
func TestEventOfABrowserIsKept(t *testing.T) {
	c := helloConn(t, new(server.Listener), hellotest.Real(t)["chromium-156"].Raw)
	first, ok := c.Event(event.Full)
	require.True(t, ok)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		e, _ := c.Event(event.Full)
		if e.JA4() != first.JA4() {
			t.Error(e.JA4())
		}
	}))
}
