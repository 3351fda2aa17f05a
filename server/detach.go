package server

import (
	"errors"
	"io"
	"net"
	"slices"

	"github.com/tlspeek/tlspeek/event"
)

// Detach is for a server that passes the connection on to another one, which ends TLS. It
// waits for the hello, and for what is decided about it, and ends what c does for the
// handshake: its time is no longer limited, but by the deadlines of the user, it is no
// longer half-open, and its Event settles at once, since nothing more will be known.
//
// It returns the bytes that were read and not handed on, which begin with the hello
// unless somebody has called Read before, and the connection to go on with: that below c,
// a [*net.TCPConn] where it is one. The bytes must not be changed, since the hello is
// among them. What came in place of a hello is returned, too, and so is one over a limit:
// [Conn.ClientHello] says which.
//
// The error is [ErrRefused] where a [Decision] closes the connection, an [ErrNoHello]
// where it ended or the time for the handshake was up before, and otherwise that of
// reading.
//
// The Conn counts for its [Limits] until it is closed, and only Close of the Conn ends
// that. Its Event and its hello remain. It does not see what is read from below: a hello
// that follows a HelloRetryRequest has no Event, and nothing is known of the handshake.
func (c *Conn) Detach() (read []byte, below net.Conn, err error) {
	if read, below, err = c.detach(); err != nil {
		return nil, nil, err
	}
	if c.listener != nil {
		c.listener.limits().handshakeDone(c)
	}
	c.mu.Lock()
	c.detached = true
	l := c.life
	c.mu.Unlock()
	if l != nil {
		l.settlePassed()
	}
	return read, below, nil
}

// settlePassed settles l, whose connection is passed on, and hands it on. Nothing of the
// Event changes but what was decided: one that was made for the Decision stays.
func (l *life) settlePassed() {
	s := l.settling
	s.enter()
	defer s.leave()
	l.mu.Lock()
	if l.settled != event.NotSettled {
		l.mu.Unlock()
		return
	}
	made := l.seen
	l.settled = event.SettledPassed
	counted := l.dropSeen()
	if made != nil {
		e := *made
		e.Settled = event.SettledPassed
		l.atHello.in(&e)
		l.setFinal(&e, eventSize(&e))
	}
	counted = counted || l.keptBytes > 0
	l.mu.Unlock()
	s.mu.Lock()
	s.remove(l)
	s.mu.Unlock()
	if counted {
		s.countKept(l)
	}
	if s.hook != nil {
		l.handOn()
	}
}

// passedEvent returns the compact Event of a connection that was passed on, of which no
// full one was made, nor is needed. It returns nil for any other.
func (l *life) passedEvent() *event.Event {
	l.mu.Lock()
	e, ok := l.compact, l.settled == event.SettledPassed && l.settling.hook == nil && l.final == nil
	l.mu.Unlock()
	if e != nil || !ok {
		return e
	}
	e = new(event.Event)
	if !l.fillExactly(e, event.Compact, nil) {
		return nil
	}
	if eventSize(e) <= maxOwnEvent {
		l.mu.Lock()
		l.compact = e
		l.mu.Unlock()
	}
	return e
}

// detach does what Detach does with reading held.
func (c *Conn) detach() (read []byte, below net.Conn, err error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.closed.Load() {
		return nil, nil, c.closedError()
	}
	if err := c.waitReading(); err != nil {
		return nil, nil, err
	}
	if c.hold != nil {
		c.holdBack()
		if !c.closed.Load() && c.refused == nil && c.deadline.expired() {
			return nil, nil, c.timeoutError()
		}
	}
	c.mu.Lock()
	none := c.err
	c.mu.Unlock()
	switch {
	case c.closed.Load():
		return nil, nil, c.closedError()
	case c.refused != nil:
		return nil, nil, c.refused
	case errors.Is(none, ErrNoHello):
		return nil, nil, none
	case c.ahead.err != nil && c.ahead.err != io.EOF: // the connection says itself that it has ended
		return nil, nil, c.ahead.err
	}
	read = c.ahead.bytes[c.ahead.next:]
	if p, ok := c.Conn.(*proxied); ok {
		if rest := p.rest(); len(rest) > 0 {
			read = append(slices.Clip(read), rest...)
		}
	}
	c.mu.Lock()
	c.first.inBlock = false // nor anybody else's: the block is given away
	c.mu.Unlock()
	c.ahead = readAhead{}
	c.parseDone = true
	c.advance(statePassthrough)
	c.deadline.lift(c.Conn)
	return read, c.socket(), nil
}

// errDrained ends reading what was read ahead.
var errDrained = errors.New("all is handed on that was read ahead")

// rest returns what was read of the connection of a proxy, and not handed on.
func (c *proxied) rest() (rest []byte) {
	if !c.done {
		return nil
	}
	c.draining = true
	defer func() { c.draining = false }()
	for p := c.parser.Load(); ; {
		rest = slices.Grow(rest, 256)
		n, err := p.Read(rest[len(rest):cap(rest)])
		rest = rest[:len(rest)+n]
		if err != nil {
			return rest
		}
	}
}
