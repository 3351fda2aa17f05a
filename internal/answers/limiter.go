// Package answers bounds what an answer about a hello costs: how many are under
// way at once, how long a client may take to read one, and how much of a message
// is taken apart. One about a hello of 60 KB takes megabytes until it is read.
package answers

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/server"
)

const (
	maxOpen      = 64 // answers at once
	maxPerClient = 16
	maxWaiting   = 1024
	waitTimeout  = 15 * time.Second

	// RetryAfter is the value of that field where there are too many answers,
	// in seconds, and Busy says so in words.
	RetryAfter = "10"
	Busy       = "too many answers at once: try again in a moment"
)

// A Limiter bounds the answers under way, of all clients and of each. The zero
// value is ready. It is safe for use by several goroutines.
type Limiter struct {
	mu      sync.Mutex
	open    int
	clients map[server.Client]int // those with open answers
	waiting []*waiter             // in the order in which they came
}

// A waiter waits until an answer may be made for its client.
type waiter struct {
	client server.Client // nil if it is not known
	ready  chan struct{}
}

// Enter waits until there may be one more answer for the client that
// [server.ClientOf] finds in ctx. The answer counts until leave is called. Enter
// returns false if it has waited for 15 seconds, if ctx is done, or if too many
// wait already.
func (l *Limiter) Enter(ctx context.Context) (leave func(), ok bool) {
	c := server.ClientOf(ctx)
	leave = func() { l.leave(c) }
	l.mu.Lock()
	if l.free(c) {
		l.begin(c)
		l.mu.Unlock()
		return leave, true
	}
	if len(l.waiting) == maxWaiting {
		l.mu.Unlock()
		return nil, false
	}
	w := &waiter{c, make(chan struct{})}
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	select {
	case <-w.ready:
		return leave, true
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, w); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		return nil, false
	}
	return leave, true // its turn came just now
}

func (l *Limiter) free(c server.Client) bool {
	return l.open < maxOpen && (c == nil || l.clients[c] < maxPerClient)
}

func (l *Limiter) begin(c server.Client) {
	l.open++
	if c == nil {
		return
	}
	if l.clients == nil {
		l.clients = make(map[server.Client]int)
	}
	l.clients[c]++
}

func (l *Limiter) leave(c server.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if c != nil {
		if l.clients[c]--; l.clients[c] == 0 {
			delete(l.clients, c)
		}
	}
	if i := l.next(); i >= 0 {
		w := l.waiting[i]
		l.waiting = slices.Delete(l.waiting, i, i+1)
		l.begin(w.client)
		close(w.ready)
	}
}

// next returns the index of the waiter whose turn it is, or -1: of the client
// with the fewest open answers, so that clients with many do not shut out those
// with none.
func (l *Limiter) next() int {
	best := -1
	for i, w := range l.waiting {
		if l.free(w.client) && (best < 0 || l.clients[w.client] < l.clients[l.waiting[best].client]) {
			best = i
		}
	}
	return best
}

// Limit returns a handler that calls next when there may be one more answer,
// and answers 503 if that takes too long.
func (l *Limiter) Limit(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, ok := l.Enter(r.Context())
		if !ok {
			w.Header().Set("Retry-After", RetryAfter)
			http.Error(w, Busy, http.StatusServiceUnavailable)
			return
		}
		defer leave()
		next(w, r)
	}
}
