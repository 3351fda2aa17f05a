package server

import (
	"context"
	"net/http"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
)

type decisionKey struct{}

// A judgement is the Decision about a request.
type judgement struct {
	client client
	Decision
}

// judgementOf returns that of the request with ctx on the connection c, or nil.
func judgementOf(ctx context.Context, c client) *judgement {
	if j, _ := ctx.Value(decisionKey{}).(*judgement); j != nil && j.client == c {
		return j
	}
	return nil
}

// Judge returns the Decision about r, and a request to go on with in its place, for which
// [EventOf] has that Decision. [Wrap] has asked DecideRequest of the [Listener]; otherwise
// decide is asked. The first request settles the Event of its connection with its Decision,
// unless it is settled: a server that settles it before any handler runs, as [Server] and
// [ConfigureHTTP2] do, only waits for the Decision if its Listener has DecideRequest. The
// Decision is zero where [ClientOf] returns nil, and nobody is asked.
func Judge(r *http.Request, decide func(c Client, r *http.Request) Decision) (*http.Request, Decision) {
	c := clientOf(r.Context())
	if c == nil {
		return r, Decision{}
	}
	if j := judgementOf(r.Context(), c); j != nil {
		return r, j.Decision
	}
	l := c.theLife()
	if l == nil {
		return r, Decision{}
	}
	d := l.judge(r, func() Decision { return decide(c, r) })
	return r.WithContext(context.WithValue(r.Context(), decisionKey{}, &judgement{c, d})), d
}

// Wrap returns a handler that calls h, once the Event of the connection is settled
// by its first request: [Listener.Settled] is called, and [FromContext] has the
// claim. If the Listener has DecideRequest, it is asked before. A [Server] wraps its
// Handler.
func Wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := clientOf(r.Context()); c != nil {
			if l := c.theLife(); l != nil {
				if decide := l.settling.decideRequest; decide != nil {
					r, _ = Judge(r, decide)
				} else {
					l.requestCame(r)
				}
			}
		}
		h.ServeHTTP(w, r)
	})
}

// A pendingRequest is the first request of a connection, which has come and was not
// judged yet.
type pendingRequest struct {
	method, host, uri string // empty where it is not known
	says              claimFields
	awaited           bool // the connection has ended
}

// is reports whether r is the request, as far as that can be told: others may be under
// way at once that ask for the same.
func (p *pendingRequest) is(r *http.Request, says claimFields) bool {
	same := func(known, got string) bool {
		return known == "" || known == got[:min(len(got), fingerprint.MaxHTTP2Field)]
	}
	return p.says == says && same(p.method, r.Method) && same(p.host, r.Host) && same(p.uri, r.RequestURI)
}

// pendingOf returns r as a request that is judged later.
func pendingOf(r *http.Request, says claimFields) pendingRequest {
	return pendingRequest{method: headerText(r.Method), host: headerText(r.Host), uri: headerText(r.RequestURI), says: says}
}

// firstCame settles l with its first request, or remembers it until it is judged.
func (l *life) firstCame(p pendingRequest, handshake *event.Handshake) {
	request := p.says.request(l.settling.osOf)
	if l.settling.decideRequest == nil {
		l.settleNow(event.SettledRequest, p.says, request, handshake)
		return
	}
	l.mu.Lock()
	if l.settled != event.NotSettled || l.pending != nil {
		l.remember(p.says)
		l.mu.Unlock()
		return
	}
	pending := p // on the heap, unlike p where there is no hook
	l.pending = &pending
	l.begunBy(p.says, request, handshake)
	l.changedAndUnlock()
}

// begunBy keeps what the first request says. It is called with mu held.
func (l *life) begunBy(says claimFields, request known.Request, handshake *event.Handshake) {
	l.remember(says)
	l.request = request
	if l.handshake == nil {
		l.handshake = handshake
	}
}

// remember keeps what the first request says, from which later ones may differ. It is
// called with mu held.
func (l *life) remember(says claimFields) {
	if len(l.judged) == 0 {
		l.judged = append(l.judged, judged{says: says})
	}
}

// judgeTime is how long the first request of a connection that has ended may take to be
// judged. It has come, so that its handler runs at once.
const judgeTime = time.Second

// end settles l, whose connection has ended. If its first request is about to be judged,
// that settles it, unless it takes too long.
func (l *life) end() {
	l.mu.Lock()
	await := l.pending != nil && !l.pending.awaited
	if await {
		l.pending.awaited = true
	}
	l.mu.Unlock()
	if await {
		time.AfterFunc(judgeTime, func() { l.settle(event.SettledEnd) })
		return
	}
	l.settle(event.SettledEnd)
}

// judge asks decide about r, and settles l with its answer if r is the first request.
func (l *life) judge(r *http.Request, decide func() Decision) Decision {
	says := claimFieldsOf(r)
	l.mu.Lock()
	first := l.mayBeFirst(r, says)
	l.mu.Unlock()
	if !first {
		return decide()
	}
	handshake, front := l.conn.timed(handshakeOf(r.TLS)), frontOf(r)
	l.mu.Lock()
	if !l.mayBeFirst(r, says) { // any more
		l.mu.Unlock()
		return decide()
	}
	if l.pending == nil {
		l.front = front
		l.begunBy(says, says.request(l.settling.osOf), handshake)
	}
	return l.settleBy(event.SettledRequest, decide)
}

// mayBeFirst reports whether l is to be settled by r. It is called with mu held.
func (l *life) mayBeFirst(r *http.Request, says claimFields) bool {
	return l.settled == event.NotSettled && (l.pending == nil || l.pending.is(r, says))
}

// judgeLine is judge for a client of the line protocol: for its first line, or for what
// it has sent before it ended.
func (l *life) judgeLine(why event.Settled, handshake *event.Handshake, decide func() Decision) Decision {
	l.mu.Lock()
	if l.settled != event.NotSettled {
		l.mu.Unlock()
		return decide()
	}
	if l.handshake == nil {
		l.handshake = handshake
	}
	return l.settleBy(why, decide)
}

// settleBy settles l, which is not settled, with the answer of decide, and hands it on.
// The Event that decide asks for is the one that is handed on. It is called with mu held,
// which it unlocks.
func (l *life) settleBy(why event.Settled, decide func() Decision) Decision {
	s := l.settling
	l.settled, l.deciding, l.pending = why, true, nil
	counted := l.dropSeen()
	l.mu.Unlock()
	s.enter()
	defer s.leave()
	s.mu.Lock()
	s.remove(l)
	s.mu.Unlock()
	if counted {
		s.countKept(l)
	}
	d := decide()
	l.keepDecision(&d)
	if s.hook != nil {
		l.handOn()
	}
	return d
}

// keepDecision keeps what was decided about the first request, and has the Event say so
// that was made for it.
func (l *life) keepDecision(d *Decision) {
	l.mu.Lock()
	said := d.outcome()
	l.deciding, l.atRequest = false, &said
	made := l.seen
	counted := l.dropSeen()
	if made != nil {
		e := *made
		all := l.atHello.then(said)
		all.in(&e)
		l.setFinal(&e, eventSize(&e))
	}
	counted = counted || l.keptBytes > 0
	l.mu.Unlock()
	if counted {
		l.settling.countKept(l)
	}
}

// decidedEvent returns the Event that was made for the Decision about the first request, or
// about the hello of a connection that is passed on, or nil.
func (l *life) decidedEvent() *event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.atRequest == nil && l.settled != event.SettledPassed {
		return nil
	}
	return l.final
}

// withDecision returns e with what was decided about r. Where requests are not decided
// about, that is e.
func (l *life) withDecision(e *event.Event, r *http.Request) *event.Event {
	j, _ := r.Context().Value(decisionKey{}).(*judgement)
	l.mu.Lock()
	if j == nil && l.atRequest == nil {
		l.mu.Unlock()
		return e
	}
	want, differs := l.atHello, !e.Shared && l.agentDiffers(claimFieldsOf(r))
	l.mu.Unlock()
	if j != nil {
		want = want.then(j.outcome())
	}
	if differs {
		want = want.then(outcome{tags: []string{tagAgentsDiffer}})
	}
	if want.of(e) {
		return e
	}
	changed := *e
	want.in(&changed)
	return &changed
}
