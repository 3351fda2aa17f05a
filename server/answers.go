package server

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Bounds on the answers about a hello that are being made, or read by their
// clients. One of a large hello takes megabytes until it is read.
const (
	maxAnswers        = 64 // at once
	maxAnswersPerConn = 16
	maxAnswersWaiting = 1024

	answerWait  = 15 * time.Second // for the others
	answerStall = 10 * time.Second // for a client to take the next answerStep bytes
	answerStep  = 32 << 10
	retryAfter  = "10" // seconds

	busy = "too many answers at once: try again in a moment"
)

// Answers counts those that are under way. The zero value is ready.
type answers struct {
	mu      sync.Mutex
	all     int
	conns   map[source]int // of the connections that have any
	waiting []*waiter      // in the order in which they came
}

// A waiter waits for an answer to be made on its connection.
type waiter struct {
	conn  source
	ready chan struct{}
}

// enter waits until there may be one more answer on a connection, or on one that
// is not known if that is nil. The answer is over when leave is called. It
// returns false if that takes too long.
func (a *answers) enter(ctx context.Context, conn source) (leave func(), ok bool) {
	leave = func() { a.leave(conn) }
	a.mu.Lock()
	if a.free(conn) {
		a.begin(conn)
		a.mu.Unlock()
		return leave, true
	}
	if len(a.waiting) == maxAnswersWaiting {
		a.mu.Unlock()
		return nil, false
	}
	w := &waiter{conn, make(chan struct{})}
	a.waiting = append(a.waiting, w)
	a.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	select {
	case <-w.ready:
		return leave, true
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.waiting, w); i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
		return nil, false
	}
	return leave, true // it was its turn by then
}

func (a *answers) free(conn source) bool {
	return a.all < maxAnswers && (conn == nil || a.conns[conn] < maxAnswersPerConn)
}

func (a *answers) begin(conn source) {
	a.all++
	if conn == nil {
		return
	}
	if a.conns == nil {
		a.conns = make(map[source]int)
	}
	a.conns[conn]++
}

func (a *answers) leave(conn source) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all--
	if conn != nil {
		if a.conns[conn]--; a.conns[conn] == 0 {
			delete(a.conns, conn)
		}
	}
	if i := a.next(); i >= 0 {
		w := a.waiting[i]
		a.waiting = slices.Delete(a.waiting, i, i+1)
		a.begin(w.conn)
		close(w.ready)
	}
}

// next returns whose turn it is, or -1: who has fewest answers under way, so
// that clients with many do not shut out those with none.
func (a *answers) next() int {
	best := -1
	for i, w := range a.waiting {
		if a.free(w.conn) && (best < 0 || a.conns[w.conn] < a.conns[a.waiting[best].conn]) {
			best = i
		}
	}
	return best
}

// limit returns a handler that has next answer when there may be one more, and
// says 503 if that takes too long.
func (a *answers) limit(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, ok := a.enter(r.Context(), sourceOf(r.Context()))
		if !ok {
			w.Header().Set("Retry-After", retryAfter)
			http.Error(w, busy, http.StatusServiceUnavailable)
			return
		}
		defer leave()
		next(w, r)
	}
}

// writeAll writes an answer, as long as the client takes it.
func writeAll(w io.Writer, setDeadline func(time.Time) error, body []byte) error {
	end := time.Now().Add(defaultWriteTimeout)
	for step := range slices.Chunk(body, answerStep) {
		deadline := time.Now().Add(answerStall)
		if deadline.After(end) {
			deadline = end
		}
		// A writer without deadlines is bounded by its transport.
		_ = setDeadline(deadline)
		if _, err := w.Write(step); err != nil {
			return err
		}
	}
	return nil
}

// writeBody writes the body of a response. Where that fails the client has gone.
func writeBody(w http.ResponseWriter, body []byte) {
	_ = writeAll(w, http.NewResponseController(w).SetWriteDeadline, body)
}
