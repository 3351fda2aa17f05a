package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/sink"
)

// A gate is a Writer that stalls until it is open.
type gate struct {
	open chan struct{}

	mu    sync.Mutex
	sizes []int // of the Writes
	bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sizes = append(g.sizes, len(p))
	return g.Buffer.Write(p)
}

// A faulty Writer has room for a number of bytes. Then it fails.
type faulty struct {
	err error

	mu   sync.Mutex
	room int
	bytes.Buffer
}

func (f *faulty) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(f.room, len(p))
	f.room -= n
	f.Buffer.Write(p[:n])
	if n < len(p) {
		return n, f.err
	}
	return n, nil
}

func (f *faulty) grow(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room += n
}

// A logBuffer is a Writer for several goroutines.
type logBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *logBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

// fill writes lines 0 to n-1, of size bytes each, and returns those that were
// accepted.
func fill(q *sink.Queue, n, size int) string {
	var accepted strings.Builder
	for i := range n {
		line := fmt.Sprintf("%0*d\n", size-1, i)
		if _, err := q.Write([]byte(line)); err == nil {
			accepted.WriteString(line)
		}
	}
	return accepted.String()
}

// TestQueueKeepsTheOrder: lines of every length, some longer than what is
// written at once.
func TestQueueKeepsTheOrder(t *testing.T) {
	var out bytes.Buffer
	q := &sink.Queue{W: &out}
	go q.Run()
	r := rand.New(rand.NewPCG(1, 2))
	var want strings.Builder
	for i := range 2000 {
		line := fmt.Sprintf("%d%s\n", i, strings.Repeat("x", r.IntN(1<<r.IntN(18))))
		if _, err := q.Write([]byte(line)); err == nil {
			want.WriteString(line)
		}
	}
	require.NoError(t, q.Close(t.Context()))
	assert.True(t, want.String() == out.String())
	assert.EqualValues(t, strings.Count(want.String(), "\n"), q.Written())
	assert.EqualValues(t, 2000, q.Written()+q.Lost(sink.LostFull))
	assert.Zero(t, q.Waiting())

	_, err := q.Write([]byte("late\n"))
	assert.Error(t, err)
	assert.EqualValues(t, 1, q.Lost(sink.LostEnd))
}

// TestQueueIsBounded: while W stalls, what is accepted is within MaxBytes, and the
// newest lines are lost.
func TestQueueIsBounded(t *testing.T) {
	for _, size := range []int{10, 100, 1000, 5000, 40_000, 300_000} {
		out := &gate{open: make(chan struct{})}
		q := &sink.Queue{W: out, MaxBytes: 1 << 20}
		go q.Run()
		n := 3 << 20 / size
		accepted := fill(q, n, size)
		assert.LessOrEqual(t, len(accepted), 1<<20, size)
		assert.Greater(t, len(accepted), 1<<19, size)
		assert.Equal(t, len(accepted), q.Waiting())
		assert.EqualValues(t, n-len(accepted)/size, q.Lost(sink.LostFull))
		close(out.open)
		require.NoError(t, q.Close(t.Context()))
		assert.True(t, accepted == out.String(), size)
		assert.True(t, strings.HasPrefix(accepted, fmt.Sprintf("%0*d\n%0*d\n", size-1, 0, size-1, 1)), "the newest are lost")
	}
	q := &sink.Queue{MaxBytes: 100}
	_, err := q.Write(bytes.Repeat([]byte("x"), 101))
	assert.Error(t, err, "a line that is longer than the queue")
}

// TestQueueWritesManyLinesAtOnce: those that wait, in pieces of 64 KiB.
func TestQueueWritesManyLinesAtOnce(t *testing.T) {
	out := &gate{open: make(chan struct{})}
	q := &sink.Queue{W: out}
	accepted := fill(q, 10_000, 100)
	close(out.open)
	go q.Run()
	require.NoError(t, q.Close(t.Context()))
	assert.True(t, accepted == out.String())
	assert.Less(t, len(out.sizes), 20)
	for _, size := range out.sizes {
		assert.LessOrEqual(t, size, 64<<10)
	}
}

// TestQueueRecovers: the disk is full for a minute, and then there is room again.
// Nothing is lost, and the line that was cut is completed.
func TestQueueRecovers(t *testing.T) {
	for _, room := range []int{0, 5, 1000, 1234} {
		synctest.Test(t, func(t *testing.T) {
			var log logBuffer
			out := &faulty{err: syscall.ENOSPC, room: room}
			q := &sink.Queue{W: out, Of: "lines of the access log", Log: slog.New(slog.NewTextHandler(&log, nil))}
			go q.Run()
			accepted := fill(q, 200, 100)
			time.Sleep(time.Minute)
			assert.Equal(t, len(accepted)-room, q.Waiting())
			out.grow(1 << 20)
			time.Sleep(time.Minute)
			assert.Zero(t, q.Waiting())
			accepted += fill(q, 10, 50)
			require.NoError(t, q.Close(t.Context()))
			assert.Equal(t, accepted, out.String())
			assert.Equal(t, 1, strings.Count(log.text(), "no space left on device"), "%s", log.text())
			assert.Equal(t, 1, strings.Count(log.text(), `msg="writing lines of the access log fails"`), "%s", log.text())
			assert.Equal(t, 1, strings.Count(log.text(), `msg="writing lines of the access log again" lost=0`), "%s", log.text())
		})
	}
}

// TestQueueOnANonBlockingPipe: the pipe is full again and again, also after Close.
func TestQueueOnANonBlockingPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		out := &faulty{err: syscall.EAGAIN, room: 150}
		q := &sink.Queue{W: out, Log: slog.New(slog.NewTextHandler(&log, nil))}
		go q.Run()
		accepted := fill(q, 50, 100)
		var reader sync.WaitGroup
		reader.Go(func() {
			for range 60 {
				time.Sleep(time.Second)
				out.grow(150)
			}
		})
		require.NoError(t, q.Close(t.Context()))
		reader.Wait()
		assert.Equal(t, accepted, out.String())
		assert.Empty(t, log.text())
	})
}

// TestQueueReportsLosses: at once, and then every ten seconds what is lost in all.
func TestQueueReportsLosses(t *testing.T) {
	for name, err := range map[string]error{"error": syscall.EPIPE, "full": nil} {
		synctest.Test(t, func(t *testing.T) {
			var log logBuffer
			out := &faulty{err: err}
			stalled := &gate{open: make(chan struct{})}
			q := &sink.Queue{W: out, MaxBytes: 4000, Log: slog.New(slog.NewTextHandler(&log, nil))}
			if err == nil {
				q.W = stalled
			}
			go q.Run()
			accepted := fill(q, 1, 100)
			synctest.Wait() // the first Write has failed, or stalls
			for range 60 {  // a minute
				accepted += fill(q, 50, 100)
				time.Sleep(time.Second)
			}
			lost := int64(60*50+1) - int64(len(accepted)/100)
			assert.Equal(t, lost, q.Lost(sink.LossReason(name)), name)
			assert.LessOrEqual(t, strings.Count(log.text(), "\n"), 7)
			assert.GreaterOrEqual(t, strings.Count(log.text(), "\n"), 6)
			assert.Equal(t, err != nil, strings.Contains(log.text(), "broken pipe"), "%s", log.text())

			out.grow(1 << 20)
			close(stalled.open)
			time.Sleep(time.Minute)
			assert.Contains(t, log.text(), fmt.Sprintf(`msg="writing Events again" lost=%d`, lost))
			require.NoError(t, q.Close(t.Context()))
			assert.Equal(t, accepted, out.String()+stalled.String())
		})
	}
}

// TestQueueLogStalls: a log that does not return holds up neither Write nor Run.
func TestQueueLogStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &gate{open: make(chan struct{})}
		out := &faulty{err: syscall.ENOSPC}
		q := &sink.Queue{W: out, MaxBytes: 4000, Log: slog.New(slog.NewTextHandler(log, nil))}
		go q.Run()
		accepted := fill(q, 1, 100)
		for range 60 { // some are lost between any two messages
			time.Sleep(time.Second)
			accepted += fill(q, 50, 100)
		}
		out.grow(1 << 20)
		require.NoError(t, q.Close(t.Context()))
		assert.Equal(t, accepted, out.String())
		close(log.open)
		synctest.Wait()
		assert.Equal(t, 1, strings.Count(log.String(), "\n"), "messages do not pile up")
	})
}

// TestQueueCloses: when Close has to end, it says what is lost.
func TestQueueCloses(t *testing.T) {
	t.Run("stalled", func(t *testing.T) {
		out := &gate{open: make(chan struct{})}
		q := &sink.Queue{W: out}
		ran := make(chan struct{})
		go func() {
			q.Run()
			close(ran)
		}()
		fill(q, 300, 1000)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := q.Close(ctx)
		assert.EqualError(t, err, "300 lines were not written: context canceled")
		assert.EqualValues(t, 300, q.Lost(sink.LostEnd))
		close(out.open)
		<-ran
		assert.EqualValues(t, 300, q.Lost(sink.LostEnd), "none is counted twice")
		assert.Zero(t, q.Written())
	})
	t.Run("failing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := &sink.Queue{W: &faulty{err: syscall.ENOSPC, room: 2500}}
			go q.Run()
			fill(q, 300, 1000)
			err := q.Close(t.Context())
			assert.EqualError(t, err, "298 lines were not written: no space left on device")
			assert.EqualValues(t, 298, q.Lost(sink.LostError))
			assert.EqualValues(t, 2, q.Written())
		})
	})
	t.Run("empty", func(t *testing.T) {
		q := &sink.Queue{W: io.Discard}
		go q.Run()
		assert.NoError(t, q.Close(t.Context()))
		assert.NoError(t, q.Close(t.Context()))
	})
}

// TestQueueWithAnErrorOfSync: lines that were written are not written again.
func TestQueueWithAnErrorOfSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		out := &unsynced{}
		q := &sink.Queue{W: out, Log: slog.New(slog.NewTextHandler(&log, nil))}
		go q.Run()
		accepted := fill(q, 100, 100)
		synctest.Wait()
		assert.Contains(t, log.text(), "input/output error")
		require.NoError(t, q.Close(t.Context()))
		assert.Equal(t, accepted, out.String())
	})
}

// An unsynced Writer writes all, and returns an error.
type unsynced struct{ bytes.Buffer }

func (u *unsynced) Write(p []byte) (int, error) {
	n, _ := u.Buffer.Write(p)
	return n, errors.Join(syscall.EIO)
}

// TestQueueOfSeveralGoroutines counts each line once.
func TestQueueOfSeveralGoroutines(t *testing.T) {
	var out bytes.Buffer
	q := &sink.Queue{W: &out, MaxBytes: 100_000}
	go q.Run()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { fill(q, 5000, 100) })
	}
	all.Wait()
	require.NoError(t, q.Close(t.Context()))
	assert.EqualValues(t, bytes.Count(out.Bytes(), []byte("\n")), q.Written())
	assert.EqualValues(t, 40_000, q.Written()+q.Lost(sink.LostFull))
	for line := range bytes.Lines(out.Bytes()) {
		require.Len(t, line, 100)
	}
}

// BenchmarkQueue writes lines of 1,000 bytes to a file: at once, and through a Queue.
func BenchmarkQueue(b *testing.B) {
	line := []byte(strings.Repeat("x", 999) + "\n")
	b.Run("direct", func(b *testing.B) {
		f := &sink.RotatingFile{Path: b.TempDir() + "/events"}
		defer f.Close()
		b.ReportAllocs()
		for b.Loop() {
			f.Write(line)
		}
	})
	for name, again := range map[string]bool{"queue": false, "queue, nothing lost": true} {
		b.Run(name, func(b *testing.B) {
			f := &sink.RotatingFile{Path: b.TempDir() + "/events"}
			defer f.Close()
			q := &sink.Queue{W: f}
			go q.Run()
			b.ReportAllocs()
			for b.Loop() {
				for _, err := q.Write(line); err != nil && again; _, err = q.Write(line) {
					runtime.Gosched()
				}
			}
			b.StopTimer()
			require.NoError(b, q.Close(b.Context()))
			b.ReportMetric(1-float64(q.Written())/float64(b.N), "lost/op")
		})
	}
}
