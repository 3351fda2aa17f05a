package server

import (
	"crypto/tls"
	"fmt"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// maxAhead is how much [Conn.ClientHello] reads ahead: the longest hello in
// records of one byte, and some more.
const maxAhead = 400 << 10

// ClientHello returns the client's hello, and waits for it if it must. It keeps
// the bytes that it reads for Read. The hello must not be changed.
//
// An error is a [*parser.Error] where something else came, an [ErrOverLimit], or
// an [ErrNoHello] where the connection ended before or the time for the
// handshake was up. These are final. The timeout of a deadline that the user has
// set is not: once it is moved, ClientHello and Read go on, as reading from any
// net.Conn does.
func (c *Conn) ClientHello() (*parser.ClientHello, error) {
	if !c.outcome.Load() {
		if err := c.wait(); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retain = true
	if c.err != nil {
		return nil, c.err
	}
	c.aliased = c.aliased || c.first.inBlock
	return c.first.parse()
}

// SecondClientHello returns the hello that came after a HelloRetryRequest, or
// nil if none has come. The hello must not be changed.
func (c *Conn) SecondClientHello() *parser.ClientHello {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retain = true
	if c.second == nil {
		return nil
	}
	h, _ := c.second.parse() // crypto/tls answers one that is malformed
	return h
}

// wait reads ahead until there is a hello, or none can come.
func (c *Conn) wait() error {
	c.reading.Lock()
	defer c.reading.Unlock()
	return c.waitReading()
}

// waitReading is wait, called with reading held.
func (c *Conn) waitReading() error {
	for !c.outcome.Load() {
		if c.ahead.err != nil {
			return c.ahead.err
		}
		if len(c.ahead.bytes) > maxAhead {
			c.parseDone = true
			c.fail(fmt.Errorf("%w of %d bytes with all that is around it", ErrOverLimit, maxAhead))
			return nil
		}
		if err := c.fill(nil); isTimeout(err) && !c.outcome.Load() {
			return err
		}
	}
	return nil
}

// keepHello keeps the hello for longer than the connection. Where the handshake has ended,
// as with a [Server], nothing else is in the block any more.
func (c *Conn) keepHello() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retain = true
	if c.inState(statePassthrough) {
		c.freeBlock()
	}
}

// Event returns what is known of the first hello, or of what came instead of
// one, and false until either has come. What event.Detail adds must not be
// changed.
//
// The first call computes every fingerprint. Later ones return what it has found; if
// that takes more than 16 KiB, as long as there is room, see [Listener.MaxUnsettled].
func (c *Conn) Event(size event.Size) (e event.Event, ok bool) {
	if !c.outcome.Load() {
		return e, false
	}
	ok = copyIn(&e, c.theLife().event(size), size)
	return e, ok
}

// currentLife returns the life of c, or nil.
func (c *Conn) currentLife() *life {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life
}

// theLife returns the life of c, which it makes if there is none.
func (c *Conn) theLife() *life {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.makeLife()
}

// makeLife is theLife, called with mu held.
func (c *Conn) makeLife() *life {
	if c.life == nil {
		s := new(settling)
		if c.listener != nil {
			s = c.listener.settling()
		}
		c.life = &life{settling: s, conn: c}
		if c.detached {
			c.life.settled = event.SettledPassed
		}
	}
	c.retain = true
	return c.life
}

// observe implements lifeConn.
func (c *Conn) observe(into *observed, complete func(*event.Observation)) []event.Observation {
	if !c.outcome.Load() {
		return nil
	}
	c.mu.Lock()
	c.retain = true
	c.aliased = c.aliased || c.first.inBlock
	all := into.all[:1]
	c.observation(&all[0], 1, &into.hellos[0])
	if c.second != nil {
		all = into.all[:2]
		c.observation(&all[1], 2, &into.hellos[1])
	}
	c.mu.Unlock()
	for i := range all {
		complete(&all[i])
		setRetried(&all[i], len(all) > 1)
	}
	return all
}

// messageSize implements lifeConn.
func (c *Conn) messageSize() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.first.raw)
	if c.second != nil {
		n += len(c.second.raw)
	}
	return n
}

// askHandshake implements lifeConn.
func (c *Conn) askHandshake() func() *event.Handshake {
	c.mu.Lock()
	above, finished := c.tls, !c.finished.IsZero()
	c.mu.Unlock()
	if above == nil || !c.closed.Load() && !finished {
		return nil // it would wait for the client, or do the handshake
	}
	return func() *event.Handshake {
		// This returns what the handshake has returned.
		if err := above.Handshake(); err != nil {
			return failedHandshake(err)
		}
		state := above.ConnectionState()
		return c.timed(handshakeOf(&state))
	}
}

// timed adds to h how long the handshake took.
func (c *Conn) timed(h *event.Handshake) *event.Handshake {
	return timedBy(h, c.Times())
}

// above records the TLS connection above c.
func (c *Conn) above(t *tls.Conn) {
	c.mu.Lock()
	c.tls = t
	c.mu.Unlock()
}

// Observation returns what is known of the first hello, from which Event makes an
// Event, and false until it has come. Each call parses the hello; its bytes must not
// be changed.
func (c *Conn) Observation() (event.Observation, bool) {
	if !c.outcome.Load() {
		return event.Observation{}, false
	}
	h := new(parser.ClientHello)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retain = true
	c.aliased = c.aliased || c.first.inBlock
	var o event.Observation
	c.observation(&o, 1, h)
	if c.life != nil {
		c.life.complete(&o)
	}
	return o, true
}

// Times returns when the parts of the handshake came.
func (c *Conn) Times() Times {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Times{Accepted: c.accepted, Hello: c.first.time, Finished: c.finished}
	if c.second != nil {
		t.SecondHello = c.second.time
	}
	return t
}
