package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// What connections wait for until they are settled, unless configured otherwise.
const (
	defaultSettleTimeout = time.Minute
	defaultMaxUnsettled  = 64 << 20

	lifeSize        = 1 << 10 // bytes of a life besides its messages
	unverifiedShare = 4       // clients that have not proved their address have one part in so many of the room
	maxHandOns      = 8       // goroutines that hand on the Events of connections that have ended
	maxAgents       = 256     // User-Agents that were parsed
)

// A settling hands on the Events of connections once no more will be known of
// them. Those over TCP and over QUIC of a [Server] share one. The zero value is
// ready, and hands on nothing.
type settling struct {
	hook     func(*event.Observation, *event.Event) // may be nil
	timeout  time.Duration                          // 0 for none
	maxBytes int
	clients  *known.Database

	decideRequest func(Client, *http.Request) Decision // may be nil

	trackers  known.Trackers // of the clients, over QUIC once they have proved their address
	memo      event.Memo
	observers sync.Pool        // of *event.Observer
	onFill    func(event.Size) // for tests; may be nil
	observed  sync.Pool        // of *observed

	mu         sync.Mutex
	open       lru.List[life] // not settled, by the time of the hello
	unverified lru.List[life] // the same, of clients over QUIC that have not proved their address
	kept       lru.List[life] // with an Event that can be made again, by when it was
	waiting    lru.List[life] // of these, whose handshake is done, by when it was
	ended      lru.List[life] // settled, to be handed on
	timer      *time.Timer    // for the oldest that waits
	workers    int            // goroutines that hand on what is in ended
	busy       int            // others that settle, ask for the outcome of a handshake, or hand on
	lost       int64          // that were not handed on for want of room
	idle       sync.Cond      // on mu; no worker and nobody busy

	agentsMu sync.Mutex
	agents   map[string]string // operating systems by User-Agent
}

// configure sets what the user of a Listener or an HTTP3 has chosen.
func (s *settling) configure(hook func(*event.Observation, *event.Event), timeout time.Duration, maxBytes int, clients *known.Database) {
	s.hook, s.timeout, s.maxBytes, s.clients = hook, timeout, maxBytes, clients
	if s.timeout == 0 {
		s.timeout = defaultSettleTimeout
	}
	if s.maxBytes <= 0 {
		s.maxBytes = defaultMaxUnsettled
	}
}

// fill makes the Event of o.
func (s *settling) fill(e *event.Event, o *event.Observation, size event.Size) {
	ob, ok := s.observers.Get().(*event.Observer)
	if !ok {
		ob = &event.Observer{Clients: s.clients, Memo: &s.memo}
	}
	ob.Fill(e, o, size)
	s.observers.Put(ob)
	if s.onFill != nil {
		s.onFill(size)
	}
}

// An observed is memory for what is known of the hellos of a connection, which are
// parsed into it.
type observed struct {
	hellos [2]parser.ClientHello
	all    [2]event.Observation
}

// getObserved returns memory that is to be given to putObserved.
func (s *settling) getObserved() *observed {
	if o, ok := s.observed.Get().(*observed); ok {
		return o
	}
	return new(observed)
}

// putObserved takes memory back that nobody refers to.
func (s *settling) putObserved(o *observed) {
	clear(o.all[:])
	s.observed.Put(o)
}

// begin has l wait until it is settled.
func (s *settling) begin(l *life, bytes int) {
	s.mu.Lock()
	s.open.Add(&l.node, l, lifeSize+bytes)
	s.makeRoom()
}

// enter counts the caller as busy until leave. From a list to the next, or to the
// hook, a life is in none: who is busy with it is what all waits for.
func (s *settling) enter() {
	s.mu.Lock()
	s.busy++
	s.mu.Unlock()
}

func (s *settling) leave() {
	s.mu.Lock()
	s.busy--
	s.signal()
	s.mu.Unlock()
}

// beginUnverified is begin for a client that has not proved its address yet: verify
// says that it has.
func (s *settling) beginUnverified(l *life, bytes int) {
	s.mu.Lock()
	l.unverified = true
	s.unverified.Add(&l.node, l, lifeSize+bytes)
	s.makeRoom()
}

// verify records that the client of l has proved its address.
func (s *settling) verify(l *life) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.unverified = false
	size := l.node.Size()
	if s.unverified.Remove(&l.node) {
		s.open.Add(&l.node, l, size)
	}
}

// isOpen reports whether l is one of those that are not settled. It is called with mu
// held.
func (s *settling) isOpen(l *life) bool {
	return l.node.List() == &s.open || l.node.List() == &s.unverified
}

// grow records that l has a message more.
func (s *settling) grow(l *life, bytes int) {
	s.mu.Lock()
	if s.isOpen(l) {
		l.node.List().Resize(&l.node, l.node.Size()+bytes)
	}
	s.makeRoom()
}

// makeRoom settles the oldest lives if there is not enough room for all, and unlocks
// mu, with which it is called.
func (s *settling) makeRoom() {
	full := s.evict()
	s.busy++
	s.mu.Unlock()
	defer s.leave()
	for _, old := range full {
		old.settle(event.SettledFull)
	}
}

// evict drops Events that can be made again, if there is not enough room for all, and
// then returns the oldest lives. Any number of hellos can be sent over QUIC in the name
// of others: they have a part of the room and settle each other. It is called with mu
// held.
func (s *settling) evict() (full []*life) {
	s.evictKept()
	for {
		var l *life
		switch {
		case s.unverified.Size() > s.room()/unverifiedShare:
			l = s.unverified.Oldest()
		case s.waitingSize() <= s.room():
			return full
		case s.open.Len() > 0:
			l = s.open.Oldest()
		default:
			l = s.unverified.Oldest()
		}
		s.remove(l)
		full = append(full, l)
	}
}

// waitingSize returns what the lives that are not settled take. It is called with mu
// held.
func (s *settling) waitingSize() int { return s.open.Size() + s.unverified.Size() }

// room returns how many bytes there are in all.
func (s *settling) room() int {
	if s.maxBytes == 0 {
		return defaultMaxUnsettled
	}
	return s.maxBytes
}

// remove takes l out of the lists of those that are not settled. It is called
// with mu held.
func (s *settling) remove(l *life) {
	s.open.Remove(&l.node)
	s.unverified.Remove(&l.node)
	s.waiting.Remove(&l.timed)
	if l.kept.List() != nil {
		s.syncKept(l)
	}
}

// handshakeDone has l wait for the timeout from now on.
func (s *settling) handshakeDone(l *life) {
	if s.hook == nil || s.timeout < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isOpen(l) || l.timed.List() != nil {
		return
	}
	l.since = time.Now()
	s.waiting.Add(&l.timed, l, 0)
	if s.waiting.Len() == 1 {
		s.arm(s.timeout)
	}
}

// arm sets the timer. It is called with mu held.
func (s *settling) arm(d time.Duration) {
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.expire)
	} else {
		s.timer.Reset(d)
	}
}

// expire settles what has waited for long enough.
func (s *settling) expire() {
	var expired []*life
	s.mu.Lock()
	for l := s.waiting.Oldest(); l != nil; l = s.waiting.Oldest() {
		if left := s.timeout - time.Since(l.since); left > 0 {
			s.arm(left)
			break
		}
		s.remove(l)
		expired = append(expired, l)
	}
	s.busy++
	s.mu.Unlock()
	defer s.leave()
	for _, l := range expired {
		l.settle(event.SettledTime)
	}
}

// enqueue has l, which is settled, handed on by another goroutine: all its hellos, or a
// second one that came later. If there is no room for it, it is lost.
func (s *settling) enqueue(l *life) {
	size := lifeSize + l.conn.messageSize()
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.node.List() == &s.ended {
		return
	}
	room := s.maxBytes
	if l.unverified {
		room /= unverifiedShare
	}
	if s.ended.Len() > 0 && s.ended.Size()+size > room {
		s.lost++
		return
	}
	s.ended.Add(&l.node, l, size)
	if s.workers < maxHandOns {
		s.workers++
		go s.work()
	}
}

// work hands on what has ended until there is nothing left.
func (s *settling) work() {
	for {
		s.mu.Lock()
		l := s.ended.Oldest()
		if l == nil {
			s.workers--
			s.signal()
			s.mu.Unlock()
			return
		}
		s.ended.Remove(&l.node)
		s.mu.Unlock()
		l.handOn()
	}
}

// ask calls f in a goroutine of its own, and then enqueues l.
func (s *settling) ask(l *life, f func()) {
	s.enter()
	go func() {
		defer s.leave()
		f()
		s.enqueue(l)
	}()
}

// signal wakes all if there is nothing under way. It is called with mu held.
func (s *settling) signal() {
	if s.workers == 0 && s.busy == 0 && s.idle.L != nil {
		s.idle.Broadcast()
	}
}

// all settles what is not settled, and waits until all is handed on.
func (s *settling) all(ctx context.Context) error {
	s.mu.Lock()
	s.idle.L = &s.mu
	var left []*life
	for _, list := range [...]*lru.List[life]{&s.open, &s.unverified} {
		for l := range list.All() {
			s.remove(l)
			left = append(left, l)
		}
	}
	s.busy++
	s.mu.Unlock()
	for _, l := range left {
		l.settle(event.SettledEnd)
	}
	s.leave()
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle.Broadcast()
	})()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.workers > 0 || s.busy > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.idle.Wait()
	}
	return nil
}

// lostEvents returns the number of connections whose Events were lost.
func (s *settling) lostEvents() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// osOf returns the operating system that a User-Agent names. It remembers those
// of the latest User-Agents: reading one takes nine tenths of judging it.
func (s *settling) osOf(userAgent string) string {
	s.agentsMu.Lock()
	os, ok := s.agents[userAgent]
	s.agentsMu.Unlock()
	if ok {
		return os
	}
	os = osOf(userAgent)
	s.agentsMu.Lock()
	defer s.agentsMu.Unlock()
	if s.agents == nil || len(s.agents) >= maxAgents {
		s.agents = make(map[string]string)
	}
	s.agents[userAgent] = os
	return os
}
