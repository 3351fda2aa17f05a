package sink

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"
)

// DefaultQueueBytes is the MaxBytes of a [Queue] that sets none: some 15,000 compact
// Events.
const DefaultQueueBytes = 16 << 20

// chunkBytes is how much a Queue writes at once, unless a line is longer.
const chunkBytes = 64 << 10

// A Queue tries again after an error: soon, and then less and less often.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second

	// pipeRetry is for a pipe that is full, and that somebody who shares it has made
	// non-blocking. That is no error.
	pipeRetry = 10 * time.Millisecond
)

// reportInterval is the time between two messages about lost lines.
const reportInterval = 10 * time.Second

// A LossReason says why a line was lost.
type LossReason string

const (
	LostFull  LossReason = "full"  // the queue was full: W is slow, or does not return
	LostError LossReason = "error" // the queue was full, or had to end, and writing failed
	LostEnd   LossReason = "end"   // the line came after Close, or Close could not wait for it
)

var errLost = errors.New("sink: the queue has no room for the line")

// A Queue is a Writer in front of another one that may stall or fail. Write copies
// lines to memory and returns at once. Run writes them to W, in their order. If
// there is no room for a line, that line is lost, and counted.
//
// After an error, Run keeps what was not written and tries again: lines are lost
// only once the Queue is full.
//
// The fields must not be changed once it is used.
type Queue struct {
	// W gets whole lines, many in one Write if many wait. After an error the next Write
	// begins with the byte at which the last one failed.
	W io.Writer

	// MaxBytes bounds the memory of the lines that wait. 0 is DefaultQueueBytes.
	MaxBytes int

	// Of says in messages what the lines are, in the plural: "lines of the access log".
	// Empty is for "Events".
	Of string

	// Log gets a message when writing fails or the first line is lost, then at most
	// one every 10 seconds while more are lost, and one when that is over. Nil discards them.
	Log *slog.Logger

	setup   sync.Once
	wake    chan struct{} // has an element when there may be lines
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when Run returns

	mu      sync.Mutex
	chunks  [][]byte // of whole lines, oldest first
	writing []byte   // what Run has not written yet of the chunk that it has taken
	spare   []byte   // memory for a chunk
	held    int      // capacity of all chunks, and of the one that Run has taken
	closed  bool
	gaveUp  bool // what waited is lost
	failing bool // the last Write failed
	written int64
	lost    map[LossReason]int64

	lastErr   error // of the last Write that failed
	reporting bool  // report is to be called
	timer     *time.Timer
	reported  int64 // lines lost before the last report
	earlier   int64 // lines lost before the first of these reports
	reports   int   // since writing was in order
}

func (q *Queue) init() {
	q.setup.Do(func() {
		q.wake, q.closing, q.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	})
}

// Write adds a copy of line, which must be one line or more. It does not wait for
// W. An error says that the line is lost.
func (q *Queue) Write(line []byte) (int, error) {
	q.init()
	q.mu.Lock()
	idle := len(q.chunks) == 0
	why := q.add(line)
	if why != "" {
		q.lose(why, lines(line))
	}
	q.mu.Unlock()
	if why != "" {
		return 0, errLost
	}
	if idle {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// add adds line, or returns why it cannot. It is called with mu held.
func (q *Queue) add(line []byte) (why LossReason) {
	if q.closed {
		return LostEnd
	}
	if last := len(q.chunks) - 1; last >= 0 && cap(q.chunks[last])-len(q.chunks[last]) >= len(line) {
		q.chunks[last] = append(q.chunks[last], line...)
		return ""
	}
	limit := cmp.Or(q.MaxBytes, DefaultQueueBytes)
	size := max(len(line), min(chunkBytes, limit/4))
	if q.held+size > limit {
		if q.failing {
			return LostError
		}
		return LostFull
	}
	chunk := q.spare
	if cap(chunk) < size {
		chunk = make([]byte, 0, size)
	} else {
		q.spare = nil
	}
	q.held += cap(chunk)
	q.chunks = append(q.chunks, append(chunk, line...))
	return ""
}

func lines(p []byte) int64 { return int64(bytes.Count(p, []byte{'\n'})) }

// lose counts n lines as lost. It is called with mu held.
func (q *Queue) lose(why LossReason, n int64) {
	if n == 0 {
		return
	}
	if q.lost == nil {
		q.lost = make(map[LossReason]int64)
	}
	q.lost[why] += n
	q.reportSoon()
}

// Run writes the lines to W until Close is called. It returns when all is written,
// or cannot be. It must be called once.
func (q *Queue) Run() {
	q.init()
	defer close(q.done)
	for {
		chunk, ok := q.take()
		if !ok || !q.drain(chunk) {
			return
		}
	}
}

// take returns the oldest chunk once there is one, and false after Close if there
// is none.
func (q *Queue) take() (chunk []byte, ok bool) {
	for {
		q.mu.Lock()
		if len(q.chunks) > 0 {
			chunk = q.chunks[0]
			q.chunks = slices.Delete(q.chunks, 0, 1)
			q.writing = chunk
			q.mu.Unlock()
			return chunk, true
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return nil, false
		}
		select {
		case <-q.wake:
		case <-q.closing:
		}
	}
}

// drain writes chunk. It returns false if Run must return.
func (q *Queue) drain(chunk []byte) bool {
	pause := firstRetry
	for left := chunk; len(left) > 0; {
		ending := q.ending()
		n, err := q.W.Write(left)
		if n < len(left) && err == nil {
			err = io.ErrShortWrite
		}
		full := errors.Is(err, syscall.EAGAIN)
		if full {
			err = nil
		}
		if !q.wrote(n, err) {
			return false
		}
		left = left[n:]
		if full {
			time.Sleep(pipeRetry)
		}
		if err == nil || len(left) == 0 {
			continue
		}
		if ending && n == 0 {
			q.giveUp(LostError)
			return false
		}
		if n > 0 {
			pause = firstRetry
		}
		select {
		case <-time.After(pause):
		case <-q.closing:
		}
		pause = min(2*pause, lastRetry)
	}
	q.release(chunk)
	return true
}

func (q *Queue) ending() bool {
	select {
	case <-q.closing:
		return true
	default:
		return false
	}
}

// wrote records the result of a Write. It returns false if the Queue has given up
// meanwhile.
func (q *Queue) wrote(n int, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gaveUp {
		return false
	}
	q.written += lines(q.writing[:n])
	q.writing = q.writing[n:]
	q.failing = err != nil
	if err != nil {
		q.lastErr = err
		q.reportSoon()
	}
	return true
}

// release gives back the memory of a chunk that was written.
func (q *Queue) release(chunk []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= cap(chunk)
	q.writing = nil
	if cap(chunk) <= chunkBytes {
		q.spare = chunk[:0]
	}
}

// giveUp counts all that waits as lost, and returns its number of lines.
func (q *Queue) giveUp(why LossReason) (n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = lines(q.writing)
	for _, chunk := range q.chunks {
		n += lines(chunk)
	}
	q.chunks, q.writing, q.held, q.gaveUp = nil, nil, 0, true
	q.lose(why, n)
	return n
}

// Close has Run write what waits, and waits for that until ctx is done. An error says
// how many lines were lost meanwhile, and why. Lines that come later are lost, too. If
// ctx was done, a Write to W may still be under way.
func (q *Queue) Close(ctx context.Context) error {
	q.init()
	q.mu.Lock()
	before := q.lost[LostError]
	if !q.closed {
		q.closed = true
		close(q.closing)
		if q.reports > 0 { // the first message is not held back
			q.timer.Stop()
		}
	}
	q.mu.Unlock()
	select {
	case <-q.done:
	case <-ctx.Done():
		if n := q.giveUp(LostEnd); n > 0 {
			return fmt.Errorf("%d lines were not written: %w", n, ctx.Err())
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := q.lost[LostError] - before; n > 0 {
		return fmt.Errorf("%d lines were not written: %w", n, q.lastErr)
	}
	return nil
}

// Waiting returns the length of the lines that wait, in bytes.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting()
}

func (q *Queue) waiting() int {
	n := len(q.writing)
	for _, chunk := range q.chunks {
		n += len(chunk)
	}
	return n
}

// Written returns the number of lines that were written.
func (q *Queue) Written() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.written
}

// Lost returns the number of lines that were lost for this reason.
func (q *Queue) Lost(why LossReason) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost[why]
}

// reportSoon has report called in a goroutine of its own, since logging may block,
// unless that is to happen anyway. It is called with mu held.
func (q *Queue) reportSoon() {
	if q.Log == nil || q.reporting || q.closed {
		return
	}
	q.reporting, q.reports = true, 0
	q.timer = time.AfterFunc(0, q.report)
}

// report logs what was lost since the last time, and looks again later until
// nothing more is. While logging blocks, nothing more is reported.
func (q *Queue) report() {
	q.mu.Lock()
	total := q.lostInAll()
	fresh, first := total-q.reported, q.reports == 0
	over := !first && fresh == 0 && !q.failing
	outage := total - q.earlier
	err, waiting := q.lastErr, q.waiting()
	q.reported = total
	q.reports++
	if over {
		q.earlier, q.lastErr = total, nil
	}
	q.mu.Unlock()

	of := cmp.Or(q.Of, "Events")
	switch {
	case over:
		q.Log.Info("writing "+of+" again", "lost", outage)
	case !first && fresh == 0:
	case err != nil:
		q.Log.Error("writing "+of+" fails", "error", err, "lost", outage, "waiting_bytes", waiting)
	default:
		q.Log.Error(of+" are lost: writing them takes too long", "lost", outage, "waiting_bytes", waiting)
	}

	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
	case !over:
		q.timer.Reset(reportInterval)
	default:
		q.reporting = false
		if q.failing || q.lostInAll() > total {
			q.reportSoon()
		}
	}
}

// lostInAll is called with mu held.
func (q *Queue) lostInAll() (total int64) {
	for _, n := range q.lost {
		total += n
	}
	return total
}
