package proxy

import (
	"bytes"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCopyPipe: where a socket cannot be spliced to, what is in the pipe arrives all the
// same.
func TestCopyPipe(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	h := &half{conn: &passing{server: &passServer{Pass: new(Pass)}}, dst: near}
	h.copier.half = h
	var pool pipePool
	defer pool.close()
	p, err := pool.get()
	require.NoError(t, err)
	data := bytes.Repeat([]byte("0123456789"), 5000)
	n, err := syscall.Write(p.w, data)
	require.NoError(t, err)
	require.Equal(t, len(data), n)
	h.pipe, h.n = p, n
	copied := make(chan error, 1)
	go func() { copied <- h.copyPipe() }()
	got := make([]byte, n)
	_, err = io.ReadFull(far, got)
	require.NoError(t, err)
	require.NoError(t, <-copied)
	assert.Equal(t, data, got)
	pool.put(p)
}

// TestPipesAreBounded: pipes that nobody uses are closed when there are many, and when the
// Pass has ended.
func TestPipesAreBounded(t *testing.T) {
	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(fds)
	}
	before := open()
	var pool pipePool
	var pipes []*pipe
	for range 2 * maxIdlePipes {
		p, err := pool.get()
		require.NoError(t, err)
		pipes = append(pipes, p)
	}
	late := pipes[0]
	for _, p := range pipes[1:] {
		pool.put(p)
	}
	assert.LessOrEqual(t, open()-before, 2*(maxIdlePipes+1))
	pool.close()
	pool.put(late)
	assert.Equal(t, before, open())
}

// TestSpliced: large amounts of bytes are not copied in this process.
func TestSpliced(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	pair := func() (a, b net.Conn) {
		a, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		b, err = ln.Accept()
		require.NoError(t, err)
		t.Cleanup(func() { a.Close(); b.Close() })
		return a, b
	}
	src, from := pair()
	to, dst := pair()
	h := new(half)
	h.init(&passing{server: &passServer{Pass: new(Pass)}}, from, to)
	defer h.conn.server.pipes.close()
	const size = 8 << 20
	go func() {
		src.Write(make([]byte, size))
		src.Close()
	}()
	received := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, dst)
		received <- n
	}()
	err, _ = h.carry()
	require.NoError(t, err)
	to.Close()
	assert.EqualValues(t, size, <-received)
	assert.EqualValues(t, size, h.bytes.Load())
	assert.NotEmpty(t, h.conn.server.pipes.idle)
	assert.False(t, h.noSplice)
}
