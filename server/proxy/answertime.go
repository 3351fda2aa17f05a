package proxy

import (
	"context"
	"sync/atomic"
	"time"
)

// maxDials is how many connections to its backend one request may open. A Transport sends
// a request without a body again, without end, as long as a backend over HTTP/2 refuses it
// with a GOAWAY.
const maxDials = 5

// dials are the connections that a Transport opens for an exchange.
type dials struct {
	count, open atomic.Int32
}

// beginDial counts a connection for the exchange whose context ctx is. It returns what must
// be called when it is there, or an error if it is one too many. A Transport may open it
// for longer than the exchange lasts.
func beginDial(ctx context.Context) (end func(), err error) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return func() {}, nil
	}
	if x.dials.count.Add(1) > maxDials {
		return nil, errManyDials
	}
	x.dials.open.Add(1)
	return func() {
		x.moved()
		x.dials.open.Add(-1)
	}, nil
}

// limit returns how long nothing may be moved in a state. It is not positive if there is no
// limit.
func (p *Reverse) limit(state int32) time.Duration {
	if state == waiting {
		return p.answer
	}
	return p.stall
}

// watchPeriod returns how often exchanges are looked at.
func (p *Reverse) watchPeriod() time.Duration {
	shortest := p.stall
	if p.answer > 0 && (p.answer < shortest || shortest <= 0) {
		shortest = p.answer
	}
	return max(shortest/4, 10*time.Millisecond)
}

// isOver reports whether nothing was moved for too long. The Transport bounds the wait for
// the header of an answer once it has sent the request, each time that it sends it; this
// also bounds the times between, and the wait for a stream. Opening a connection has a
// limit of its own.
func (x *exchange) isOver(state int32) bool {
	limit := x.p.limit(state)
	if limit <= 0 || state == waiting && x.dials.open.Load() > 0 {
		return false
	}
	if state == waiting && x.body.ReadCloser != nil { // the end of it may not have been sent yet
		limit += max(0, x.p.stall)
	}
	if state == waiting && x.to.Backend.scheme == "https" {
		limit += max(0, x.p.connect) // for the handshake
	}
	return time.Since(x.p.began)-time.Duration(x.progress.Load()) >= limit
}
