package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/observe"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// ErrNoHello says that a connection ended, or its time was up, before its hello
// was complete.
var ErrNoHello = errors.New("no ClientHello")

// A message is what a connection keeps of a hello. It is parsed when a caller
// asks.
type message struct {
	id      event.ID
	raw     []byte
	time    time.Time
	records int
	version parser.Version // of the first record
	inBlock bool           // raw aliases what was read ahead
	parsed  *parser.ClientHello
	err     error // of parsing
}

func (m *message) parse() (*parser.ClientHello, error) {
	if m.parsed == nil {
		m.parsed = new(parser.ClientHello)
		m.err = m.parsed.Unmarshal(m.raw)
	}
	if m.err != nil {
		return nil, m.err
	}
	return m.parsed, nil
}

// afterRead scans or inspects what reading from below returned.
func (c *Conn) afterRead(b []byte, err error) {
	if c.addrPending && len(b) > 0 {
		c.addrPending = false
		if err := c.listener.limits().addAddr(c, addrPort(c.RemoteAddr()).Addr()); err != nil {
			c.refused = err
		}
	}
	// Close says itself that the connection is closed, and the user may move a
	// deadline that has passed.
	failed := err != nil && !errors.Is(err, net.ErrClosed) && (!isTimeout(err) || c.deadline.handshakeExpired(err))
	if !c.inState(stateBuffering) {
		c.inspect(b)
	} else if failed || c.scanAhead() != scanPending {
		c.endHolding()
	}
	if failed {
		c.fail(err)
	}
}

// scanAhead scans what is held back.
func (c *Conn) scanAhead() scanResult {
	maxMessage, maxRecords := 0, 0
	if c.listener != nil {
		maxMessage, maxRecords = c.listener.MaxHello, c.listener.MaxRecords
	}
	return c.scan.next(c.ahead.bytes, maxMessage, maxRecords)
}

// inspect reads b, the next bytes of the client.
func (c *Conn) inspect(b []byte) {
	if c.inState(stateDraining) || c.inState(statePassthrough) {
		return
	}
	ended := false
	for len(b) > 0 {
		var msg []byte
		var err error
		n, held := len(b), c.inState(stateBuffering)
		if !c.parseDone {
			msg, n, err = c.records.Next(b)
			if err == nil {
				err = c.overLimit(len(msg))
			}
		}
		ended = c.tracker.ended(b[:n], sent(c.sent.Load())) || ended
		switch {
		case err != nil:
			c.tracker.helloRead = c.tracker.helloRead || !errors.Is(err, parser.ErrNotTLS)
			c.parseDone, c.records = true, parser.RecordAssembler{}
			c.fail(err)
		case msg != nil:
			c.tracker.helloRead = true
			c.setHello(msg, held)
		}
		b = b[n:]
	}
	if ended {
		c.handshakeEnded()
	}
	// A hello may still follow what crypto/tls has rejected.
	if ended && !c.tracker.rejected || c.tracker.rejected && c.outcome.Load() {
		c.advance(stateDraining)
	}
}

// handshakeEnded lifts the deadline of the handshake, and its bound.
func (c *Conn) handshakeEnded() {
	c.mu.Lock()
	c.finished = time.Now()
	c.mu.Unlock()
	c.deadline.lift(c.Conn)
	if c.listener != nil {
		c.listener.limits().handshakeDone(c)
		if l := c.currentLife(); l != nil {
			l.settling.handshakeDone(l)
		}
	}
}

// overLimit returns an error if a message is too long. It is called with the
// message's length when it is complete, and with 0 before.
func (c *Conn) overLimit(n int) error {
	l := c.listener
	if l == nil {
		return nil
	}
	if n = max(n, c.records.Buffered()); l.MaxHello > 0 && n > l.MaxHello {
		return fmt.Errorf("%w of %d bytes", ErrOverLimit, l.MaxHello)
	}
	if l.MaxRecords > 0 && c.records.Records() > l.MaxRecords {
		return fmt.Errorf("%w of %d records", ErrOverLimit, l.MaxRecords)
	}
	return nil
}

// setHello takes msg for the hello, or for the second one, which follows a
// HelloRetryRequest. Held says that what msg may alias is held back, and not the
// memory of a reader.
func (c *Conn) setHello(msg []byte, held bool) {
	m := message{id: newID(), raw: msg, time: time.Now(), version: c.records.RecordVersion(), records: c.records.Records()}
	switch {
	case c.records.Detach(): // it is ours
	case held:
		m.inBlock = true
	default:
		m.raw = slices.Clone(msg)
	}
	index := 1
	c.mu.Lock()
	if !c.outcome.Load() {
		c.first = m
		c.outcome.Store(true)
	} else {
		index = 2
		c.second = &m
		c.parseDone = true
	}
	c.mu.Unlock()
	c.begin(index, len(msg))
	c.notify(index)
}

// begin has the Events of the connection handed on once they are settled.
func (c *Conn) begin(index, bytes int) {
	if c.listener == nil || c.listener.Settled == nil {
		return
	}
	l := c.theLife()
	if index == 1 {
		l.settling.begin(l, bytes)
	} else {
		l.settling.grow(l, bytes)
		if !l.changed() {
			l.settling.enqueue(l)
		}
	}
}

// newID returns the ID of a hello.
func newID() (id event.ID) {
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

// fail says that there is no hello, unless there is one.
func (c *Conn) fail(err error) {
	if c.outcome.Load() {
		return
	}
	var malformed *parser.Error
	if !errors.As(err, &malformed) && !errors.Is(err, ErrOverLimit) {
		err = fmt.Errorf("%w: %w", ErrNoHello, err)
	}
	c.mu.Lock()
	c.err = err
	c.first.id = newID()
	if c.received == nil {
		c.received = c.firstBytes()
	}
	c.outcome.Store(true)
	c.mu.Unlock()
	c.begin(1, 0)
	c.notify(1)
}

// firstBytes returns a copy of what is reported of bytes that are not a hello.
func (c *Conn) firstBytes() []byte {
	return slices.Clone(c.ahead.bytes[:min(len(c.ahead.bytes), observe.MaxSeen)])
}

// notify calls the Listener's hooks: with a hello, or to say that there is none. If
// the Event is handed on later, the hello is tracked now, so that the connections of
// a client come in the order of their hellos.
func (c *Conn) notify(index int) {
	l := c.listener
	if l == nil || l.Observe == nil && l.Decide == nil && (l.Settled == nil || index > 1) {
		return
	}
	s := l.settling()
	observed := s.getObserved()
	defer s.putObserved(observed)
	o := &observed.all[0]
	if l.Observe != nil {
		o = new(event.Observation) // the hook may keep it, without what it refers to
	}
	c.mu.Lock()
	c.observation(o, index, &observed.hellos[0])
	c.mu.Unlock()
	if l.Observe != nil {
		l.Observe(o)
	}
	if l.Decide == nil || c.decidedOnce || errors.Is(o.Err, net.ErrClosed) {
		return
	}
	d := l.Decide(c)
	c.decidedOnce = d.Once
	if errors.Is(o.Err, ErrNoHello) { // there is nothing left to close
		d.waitOver()
		d.Close, d.Wait, d.WaitOver, d.Config = false, 0, nil, nil
	}
	c.obey(d)
}

// obey does what a Decision says.
func (c *Conn) obey(d Decision) {
	if d.outcome().isSet() {
		c.theLife().decided(d)
	}
	if d.Wait > 0 {
		c.endHold()
		c.hold = &hold{time.Now().Add(d.Wait), d.WaitOver}
	} else {
		d.waitOver()
	}
	if d.Close && c.refused == nil {
		c.refused = ErrRefused
	}
	if d.Config != nil {
		c.config = d.Config
	}
}

// observation sets o, which is zero, to what is known of a hello, which it parses into
// h. It is called with mu held.
func (c *Conn) observation(o *event.Observation, index int, h *parser.ClientHello) {
	*o = event.Observation{
		ID:       c.first.id,
		Conn:     event.ConnID(c.first.id[8:]),
		Shared:   c.isShared(),
		Time:     c.accepted,
		Src:      addrPort(c.RemoteAddr()),
		Dst:      addrPort(c.LocalAddr()),
		Index:    index,
		Err:      c.err,
		Received: c.received,
	}
	if s := c.http2; s != nil {
		o.HTTP2, o.HTTP2Wire, o.Request.Headers = s.fingerprint, s.wire, s.headers
	}
	if c.err != nil {
		return
	}
	m := &c.first
	if index == 2 {
		m = c.second
	}
	o.ID = m.id
	o.Time, o.RecordVersion, o.Carrier.Records = m.time, m.version, m.records
	h.Transport = parser.TLS // its memory may have had a hello over QUIC
	if observe.Message(o, h, m.raw); h.SSLv2 {
		o.Carrier.Records = 0 // it came in none of TLS
	}
	if index == 1 {
		o.Tells = c.track(o)
	}
}

// track returns the tells that the first hello shows together with other connections
// of its client. It compares them once: the tells stay what they were. A trusted proxy
// has several clients, and its connections are not compared. It is called with mu held.
func (c *Conn) track(o *event.Observation) []known.Tell {
	if !c.tracked && c.listener != nil && !o.Shared && o.Err == nil {
		c.tracked = true
		c.tells = c.listener.settling().trackers.AppendTells(nil, o.Src.Addr(), &known.Observation{Hello: o.Hello, Index: o.Index})
	}
	return c.tells
}

// isShared reports whether the connection is that of a trusted proxy, and not of one
// client for which the proxy has sent a PROXY header.
func (c *Conn) isShared() bool {
	return c.listener != nil && c.listener.trusts(addrPort(c.RemoteAddr()).Addr())
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort()
	case *net.UDPAddr:
		return a.AddrPort()
	}
	return netip.AddrPort{}
}
