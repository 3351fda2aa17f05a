package server

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// maxJudged is the number of User-Agents of a connection whose claims are kept.
const maxJudged = 4

// A life is what is known of a connection besides its hellos, from the first on
// until all of it is settled, and after that what was settled.
type life struct {
	settling *settling
	conn     lifeConn
	node     lru.Node[life] // guarded by the settling
	timed    lru.Node[life] // likewise
	kept     lru.Node[life] // likewise; of keptBytes
	since    time.Time      // likewise: when the handshake was done

	unverified bool // likewise: over QUIC, the client has not proved its address

	handing sync.Mutex // guards handed; held while the hook is called
	handed  int        // number of hellos that were handed on

	mu        sync.Mutex // guards what follows; no other is locked under it
	settled   event.Settled
	request   known.Request // the first
	handshake *event.Handshake
	front     *event.FrontJA4 // of the first request
	atHello   outcome         // of the Decisions about hellos
	atRequest *outcome        // of that about the first request; nil if there is none
	pending   *pendingRequest // the first, which waits for that; nil if there is none
	deciding  bool            // somebody decides about it
	seen      *event.Event    // the full Event of the first hello before it was settled
	version   int             // number of changes since, which seen may lack
	final     *event.Event    // and once it was settled
	compact   *event.Event    // in its place, if the connection was passed on
	keptBytes int             // what seen or final takes, if the settling bounds that
	judged    []judged        // the first is that of the first request
	derived   [maxDerived]*derived
}

// A judged is what a request says of its client, and the claim that follows once
// that is known.
type judged struct {
	says  claimFields
	claim *known.Claim
	known bool
}

// A lifeConn is a connection that a life is of.
type lifeConn interface {
	// observe returns what is known of each hello, or of what came in place of
	// one, in memory of into, and calls complete for each.
	observe(into *observed, complete func(*event.Observation)) []event.Observation

	// messageSize returns the length of all hellos in bytes.
	messageSize() int

	// timed adds to h how long the handshake took, if that is known. h may be nil.
	timed(h *event.Handshake) *event.Handshake

	// askHandshake returns a function that asks crypto/tls for the outcome of the
	// handshake. That may take long. It returns nil if there is nobody to ask, or the
	// handshake still waits for the client.
	askHandshake() func() *event.Handshake
}

// complete adds what l knows to o.
func (l *life) complete(o *event.Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	headers := o.Request.Headers
	o.Request = l.request
	o.Request.Headers = headers
	o.Settled, o.Handshake, o.FrontJA4 = l.settled, l.handshake, l.front
	all := l.atHello
	if l.atRequest != nil {
		all = all.then(*l.atRequest)
	}
	o.Rule, o.Action, o.Tags = all.rule, all.action, all.tags
}

// claimToSettle reports whether the caller is to settle l, and no other.
func (l *life) claimToSettle(why event.Settled) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled != event.NotSettled {
		return false
	}
	if l.settled = why; l.pending != nil { // and nobody has judged it
		l.settled, l.pending = event.SettledRequest, nil
	}
	l.dropSeen()
	return true
}

// settle settles l, unless it is, and has another goroutine hand it on.
func (l *life) settle(why event.Settled) {
	s := l.settling
	s.enter()
	defer s.leave()
	if !l.claimToSettle(why) {
		if why == event.SettledEnd {
			l.dropLarge()
		}
		return
	}
	s.mu.Lock()
	s.remove(l)
	s.mu.Unlock()
	if s.hook == nil {
		return
	}
	if ask := l.conn.askHandshake(); why == event.SettledEnd && ask != nil && !l.hasHandshake() {
		s.ask(l, func() { l.setHandshake(ask()) })
		return
	}
	s.enqueue(l)
}

// settleNow settles l, unless it is, with what the first request says, and hands
// it on.
func (l *life) settleNow(why event.Settled, says claimFields, request known.Request, handshake *event.Handshake) {
	s := l.settling
	if s.hook != nil {
		s.enter()
		defer s.leave()
	}
	l.mu.Lock()
	if why == event.SettledRequest { // also where the Event came before
		l.remember(says)
	}
	if l.settled != event.NotSettled {
		l.mu.Unlock()
		return
	}
	l.settled = why
	counted := l.dropSeen()
	l.request = request
	if l.handshake == nil {
		l.handshake = handshake
	}
	l.mu.Unlock()
	if s.hook == nil {
		if counted {
			s.countKept(l)
		}
		return
	}
	s.mu.Lock()
	s.remove(l)
	s.mu.Unlock()
	l.handOn()
}

// handOn makes the Events and calls the hook.
//
// It may be called again for a second hello that came later.
func (l *life) handOn() {
	l.handing.Lock()
	defer l.handing.Unlock()
	observed := l.settling.getObserved()
	all := l.conn.observe(observed, l.complete)
	for ; l.handed < len(all); l.handed++ {
		o, e := &all[l.handed], l.decidedEvent()
		if l.handed > 0 || e == nil {
			e = new(event.Event)
			l.settling.fill(e, o, event.Full)
			if l.handed == 0 {
				l.keepFinal(e)
			}
		}
		l.settling.hook(o, e)
	}
	l.settling.putObserved(observed)
}

// event returns the Event of the first hello in size or a larger one, or nil if there
// is none yet. Others have it, too.
//
// Events are passed by their address. They have more than a kilobyte, and the stack
// of a connection would have to grow for a few of them.
func (l *life) event(size event.Size) *event.Event {
	l.mu.Lock()
	known, version := l.final, l.version
	if known == nil {
		known = l.seen
	}
	l.mu.Unlock()
	if known != nil && size != event.Detail {
		return known
	}
	if size == event.Compact {
		if e := l.passedEvent(); e != nil {
			return e
		}
	}
	e := new(event.Event)
	if !l.fillFirst(e, size, nil) {
		return nil
	}
	if size <= event.Full {
		l.keep(e, version)
	}
	return e
}

// fillFirst makes the Event of the first hello, in full size or, if that is asked
// for, in detail. It returns false if there is none yet.
func (l *life) fillFirst(e *event.Event, size event.Size, change func(*event.Observation)) (ok bool) {
	return l.fillExactly(e, max(size, event.Full), change)
}

// fillExactly is fillFirst for any size.
func (l *life) fillExactly(e *event.Event, size event.Size, change func(*event.Observation)) (ok bool) {
	s := l.settling
	observed := s.getObserved()
	if size <= event.Full { // the other one refers to it
		defer s.putObserved(observed)
	}
	all := l.conn.observe(observed, l.complete)
	if len(all) == 0 {
		return false
	}
	if change != nil {
		change(&all[0])
	}
	s.fill(e, &all[0], size)
	return true
}

// copyIn sets dst to e in size, and reports whether there is an e. It is not inlined,
// because the copies would stand in the frame of a caller under which the Event is
// made.
//
//go:noinline
func copyIn(dst, e *event.Event, size event.Size) bool {
	switch {
	case e == nil:
	case size == event.Compact:
		*dst = e.Compact()
	default:
		*dst = *e
	}
	return e != nil
}

// first returns the observation of the first hello, and false if there is none
// yet.
func (l *life) first() (event.Observation, bool) {
	all := l.conn.observe(new(observed), l.complete)
	if len(all) == 0 {
		return event.Observation{}, false
	}
	return all[0], true
}

// requestCame settles l with r, if that is the first request.
func (l *life) requestCame(r *http.Request) claimFields {
	says := claimFieldsOf(r)
	l.mu.Lock()
	settled := l.settled
	l.mu.Unlock()
	if settled == event.NotSettled {
		l.setFront(frontOf(r))
		l.firstCame(pendingOf(r, says), l.conn.timed(handshakeOf(r.TLS)))
	}
	return says
}

// setFront keeps what a server in front says in the first request.
func (l *life) setFront(f *event.FrontJA4) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled == event.NotSettled && l.pending == nil {
		l.front = f
	}
}

// eventOf returns the Event with what r says of its client, and what a server in
// front says in r, as event does.
func (l *life) eventOf(r *http.Request, size event.Size) *event.Event {
	want := derivedFor(r)
	if size != event.Detail {
		if e := l.derivedOf(&want); e != nil {
			return e
		}
	}
	e := l.eventOfAgent(r, size)
	if e == nil {
		return nil
	}
	e = l.withDecision(e, r)
	if want.front != nil || e.FrontJA4 != nil {
		changed := *e
		changed.FrontJA4 = want.front
		e = &changed
	}
	if size != event.Detail {
		l.keepDerived(&want, e)
	}
	return e
}

// eventOfAgent returns the Event with what r says of its client, as event does.
func (l *life) eventOfAgent(r *http.Request, size event.Size) *event.Event {
	says := l.requestCame(r)
	l.mu.Lock()
	final, claim, ok := l.final, (*known.Claim)(nil), false
	first := (l.settled == event.SettledRequest || l.pending != nil) && l.judged[0].says == says
	differs := l.agentDiffers(says)
	if j := l.judgedOf(says); j != nil && j.known {
		claim, ok = j.claim, true
	}
	l.mu.Unlock()
	switch {
	case first:
		return l.event(size)
	case final != nil && ok && size != event.Detail:
		return withAgent(final, says.userAgent, claim, differs)
	}
	e := new(event.Event)
	observed := l.fillFirst(e, size, func(o *event.Observation) {
		headers := o.Request.Headers
		o.Request = says.request(l.settling.osOf)
		o.Request.Headers = headers
		if differs && !o.Shared {
			o.Tags = append(slices.Clip(o.Tags), tagAgentsDiffer)
		}
	})
	if !observed {
		return nil
	}
	l.mu.Lock()
	if j := l.judgedOf(says); j != nil { // others may have asked at the same time
		j.claim, j.known = e.Claim, true
	} else if len(l.judged) < maxJudged {
		l.judged = append(l.judged, judged{says, e.Claim, true})
	}
	l.mu.Unlock()
	return e
}

// withAgent returns a copy of e with another User-Agent and its claim.
func withAgent(e *event.Event, userAgent string, claim *known.Claim, differs bool) *event.Event {
	changed := *e
	changed.UserAgent, changed.Claim = parser.Text([]byte(userAgent)), claim
	if differs && !changed.Shared {
		changed.Tags = append(slices.Clip(changed.Tags), tagAgentsDiffer)
	}
	return &changed
}

// agentDiffers reports whether a request has another User-Agent than the first. It is
// called with mu held.
func (l *life) agentDiffers(says claimFields) bool {
	return says.userAgent != "" && len(l.judged) > 0 && l.judged[0].says.userAgent != "" && l.judged[0].says.userAgent != says.userAgent
}

// judgedOf returns what is remembered of requests that say this, or nil. It is
// called with mu held.
func (l *life) judgedOf(says claimFields) *judged {
	for i := range l.judged {
		if l.judged[i].says == says {
			return &l.judged[i]
		}
	}
	return nil
}

// tagAgentsDiffer marks a request whose User-Agent is not that of the first request
// of its connection, if both have one. Browsers send one, and what carries requests
// of several clients is a proxy.
const tagAgentsDiffer = "agents-differ"

func (l *life) hasHandshake() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handshake != nil
}

func (l *life) setHandshake(h *event.Handshake) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handshake == nil {
		l.handshake = h
	}
}

// outcomeCame keeps the outcome of a handshake, unless it comes too late or is nil.
func (l *life) outcomeCame(h *event.Handshake) {
	l.mu.Lock()
	if h == nil || l.handshake != nil || l.settled != event.NotSettled {
		l.mu.Unlock()
		return
	}
	l.handshake = h
	l.changedAndUnlock()
}

// decided records a Decision.
func (l *life) decided(d Decision) {
	l.mu.Lock()
	defer l.changedAndUnlock()
	l.atHello = l.atHello.then(d.outcome())
}

// changed says that more is known of the connection than before. It returns false if
// that comes too late.
func (l *life) changed() bool {
	l.mu.Lock()
	return l.changedAndUnlock()
}

// handshakeOf returns the outcome of a handshake that is finished, or nil.
func handshakeOf(s *tls.ConnectionState) *event.Handshake {
	if s == nil || !s.HandshakeComplete {
		return nil
	}
	h := &event.Handshake{
		Version:     strings.TrimPrefix(parser.Version(s.Version).String(), "TLS "),
		CipherSuite: parser.CipherSuite(s.CipherSuite).String(),
		ALPN:        parser.Text([]byte(s.NegotiatedProtocol)),
		Resumed:     s.DidResume,
	}
	if s.CurveID != 0 {
		h.Group = parser.NamedGroup(s.CurveID).String()
	}
	return h
}

// timedBy adds to h, which may be nil, how long the handshake took.
func timedBy(h *event.Handshake, t Times) *event.Handshake {
	if h != nil && !t.Hello.IsZero() && t.Finished.After(t.Hello) {
		h.Milliseconds = t.Finished.Sub(t.Hello).Milliseconds()
	}
	return h
}

// failedHandshake returns the outcome of a handshake that has failed with err. The
// text has no addresses, which the Event has anyway.
func failedHandshake(err error) *event.Handshake {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		bare := *op
		bare.Net, bare.Source, bare.Addr = "", nil, nil
		err = &bare
	}
	return &event.Handshake{Error: parser.Text([]byte(err.Error()))}
}

// setRetried says in the handshake of o that the server asked for a second hello.
func setRetried(o *event.Observation, retried bool) {
	if o.Handshake == nil || !retried {
		return
	}
	h := *o.Handshake
	h.HelloRetryRequest = true
	o.Handshake = &h
}
