package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A hello is what a connection keeps of one. It is parsed when somebody asks.
type hello struct {
	raw     []byte
	time    time.Time
	version parser.Version // of its first record
	records int
	within  bool // raw aliases the connection's held bytes
	parsed  *parser.ClientHello
	err     error // of parsing
}

func (h *hello) parse() (*parser.ClientHello, error) {
	if h.parsed == nil {
		h.parsed = new(parser.ClientHello)
		h.err = h.parsed.Unmarshal(h.raw)
	}
	if h.err != nil {
		return nil, h.err
	}
	return h.parsed, nil
}

// maxSeen is how many bytes of something that is not a hello are reported.
const maxSeen = 256

// maxHeld is how much [Conn.ClientHello] reads before Read does: the longest
// hello in records of one byte, and some more.
const maxHeld = 400 << 10

// ErrNoHello says that a connection ended before its hello did.
var ErrNoHello = errors.New("no ClientHello")

// came is told what reading from below returned.
func (c *Conn) came(b []byte, err error) {
	if c.addrLater && len(b) > 0 {
		c.addrLater = false
		if !c.listener.admitAddr(c, addrPort(c.RemoteAddr()).Addr()) {
			c.refused = errTooMany
		}
	}
	c.look(b)
	// What Close does it says itself, and the user may move a deadline.
	if err != nil && !errors.Is(err, net.ErrClosed) && (!isTimeout(err) || c.deadline.passed(err)) {
		c.fail(err)
	}
}

// look reads b, the next bytes of the client.
func (c *Conn) look(b []byte) {
	if c.over {
		return
	}
	ended := false
	for len(b) > 0 {
		var msg []byte
		var err error
		n, inPlace := len(b), false
		if !c.deaf {
			inPlace = !c.following && c.records.Buffered() == 0
			msg, n, err = c.records.Next(b)
			if err == nil {
				err = c.overLimit(len(msg))
			}
		}
		ended = c.flight.ended(b[:n], written(c.written.Load())) || ended
		switch {
		case err != nil:
			c.flight.begun = c.flight.begun || !errors.Is(err, parser.ErrNotTLS)
			c.deaf, c.records = true, parser.RecordAssembler{}
			c.fail(err)
		case msg != nil:
			c.flight.begun = true
			c.found(msg, inPlace && c.records.Records() == 1)
		}
		b = b[n:]
	}
	if ended {
		c.mu.Lock()
		c.ended = time.Now()
		c.mu.Unlock()
		c.deadline.lift(c.Conn)
		if c.listener != nil {
			c.listener.shaken(c)
		}
	}
	// Where crypto/tls has given up, a hello may still follow.
	c.over = ended && !c.flight.rejected || c.flight.rejected && c.known.Load()
}

// overLimit is asked when a message of n bytes is whole, and with 0 before.
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

// found takes msg for the hello, or for the second one, which comes after a
// HelloRetryRequest.
func (c *Conn) found(msg []byte, within bool) {
	h := hello{raw: msg, time: time.Now(), version: c.records.RecordVersion(), records: c.records.Records(), within: within}
	if !within {
		h.raw = slices.Clone(msg)
	}
	index := 1
	c.mu.Lock()
	if !c.known.Load() {
		c.hello = h
		c.known.Store(true)
	} else {
		index = 2
		c.second = &h
		c.deaf = true
	}
	c.mu.Unlock()
	c.tell(index)
}

// fail settles that there is no hello, if there is none.
func (c *Conn) fail(err error) {
	if c.known.Load() {
		return
	}
	var parse *parser.Error
	if !errors.As(err, &parse) && !errors.Is(err, ErrOverLimit) {
		err = fmt.Errorf("%w: %w", ErrNoHello, err)
	}
	c.mu.Lock()
	c.err = err
	if c.seen == nil {
		c.seen = slices.Clone(c.held[:min(len(c.held), maxSeen)])
	}
	c.known.Store(true)
	c.mu.Unlock()
	c.tell(1)
}

// tell tells the Listener's observer of a hello, or that there is none, and
// asks what becomes of the connection.
func (c *Conn) tell(index int) {
	l := c.listener
	if l == nil || l.Observe == nil && l.Decide == nil {
		return
	}
	h := l.hello()
	defer l.hellos.Put(h)
	c.mu.Lock()
	o := c.observation(index, h)
	c.mu.Unlock()
	if l.Observe != nil {
		l.Observe(&o)
	}
	if l.Decide == nil || index > 1 || errors.Is(o.Err, ErrNoHello) {
		return
	}
	d := l.Decide(o.Hello, c.RemoteAddr())
	if d.Close && c.refused == nil {
		c.refused = ErrRefused
	}
	c.config = d.Config
}

// observation says what is known of a hello, which it parses into h. It is
// called with mu held.
func (c *Conn) observation(index int, h *parser.ClientHello) event.Observation {
	o := event.Observation{
		Time:  c.accepted,
		Src:   addrPort(c.RemoteAddr()),
		Dst:   addrPort(c.LocalAddr()),
		Index: index,
		HTTP2: c.http2,
		Agent: known.Request{Headers: c.headers},
		Err:   c.err,
		Seen:  c.seen,
	}
	if c.err != nil {
		return o
	}
	from := &c.hello
	if index == 2 {
		from = c.second
	}
	o.Time, o.RecordVersion = from.time, from.version
	o.Carrier = event.Carrier{Records: from.records, Bytes: len(from.raw)}
	if o.Err = h.Unmarshal(from.raw); o.Err != nil {
		o.Seen = from.raw[:min(len(from.raw), maxSeen)]
		return o
	}
	o.Hello = h
	return o
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

// ClientHello returns the client's hello, which it waits for if it must: the
// bytes that it reads by that are kept for Read. An error is a [*parser.Error]
// where something else came, or [ErrNoHello] where the connection ended before,
// or the time for the handshake. These are final. That of a deadline of the
// user's is not: once it is moved, ClientHello and Read go on, as reading from
// any net.Conn does. The hello must not be changed.
func (c *Conn) ClientHello() (*parser.ClientHello, error) {
	if !c.known.Load() {
		if err := c.wait(); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = true
	if c.err != nil {
		return nil, c.err
	}
	c.lent = c.lent || c.hello.within
	return c.hello.parse()
}

// SecondClientHello returns the hello that came after a HelloRetryRequest, or
// nil if none has come.
func (c *Conn) SecondClientHello() *parser.ClientHello {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = true
	if c.second == nil {
		return nil
	}
	h, _ := c.second.parse() // crypto/tls says what is wrong with it
	return h
}

func (c *Conn) wait() error {
	c.reading.Lock()
	defer c.reading.Unlock()
	for !c.known.Load() {
		if c.heldErr != nil {
			return c.heldErr
		}
		if len(c.held) > maxHeld {
			c.deaf = true
			c.fail(fmt.Errorf("%w of %d bytes with all that is around it", ErrOverLimit, maxHeld))
			return nil
		}
		if err := c.readAhead(); isTimeout(err) && !c.known.Load() {
			return err
		}
	}
	return nil
}

// want keeps what is known of the hello for longer than the connection.
func (c *Conn) want() {
	c.mu.Lock()
	c.wanted = true
	c.mu.Unlock()
}

// Event returns what is known of the connection's hello, and false as long as
// nothing is. What Detail adds is not to be changed.
func (c *Conn) Event(size event.Size) (event.Event, bool) {
	c.mu.Lock()
	full := c.full
	c.mu.Unlock()
	if size == event.Full && full != nil {
		return *full, true
	}
	o, ok := c.observed(new(parser.ClientHello))
	if !ok {
		return event.Event{}, false
	}
	e := (&event.Observer{Users: c.clients()}).Event(&o, size)
	if size == event.Full {
		full := e
		c.mu.Lock()
		if c.http2 == o.HTTP2 {
			c.full = &full
		}
		c.mu.Unlock()
	}
	return e, true
}

// Observation returns what is known of the connection's hello, and false as
// long as nothing is. The hello must not be changed.
func (c *Conn) Observation() (event.Observation, bool) {
	return c.observed(new(parser.ClientHello))
}

func (c *Conn) headerOrder() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.headers
}

func (c *Conn) observed(h *parser.ClientHello) (event.Observation, bool) {
	if !c.known.Load() {
		return event.Observation{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = true
	c.lent = c.lent || c.hello.within
	return c.observation(1, h), true
}

func (c *Conn) clients() *known.Database {
	if c.listener == nil {
		return nil
	}
	return c.listener.Clients
}

// Times returns when the parts of the handshake came.
func (c *Conn) Times() Times {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Times{Accepted: c.accepted, Hello: c.hello.time, Finished: c.ended}
	if c.second != nil {
		t.SecondHello = c.second.time
	}
	return t
}
