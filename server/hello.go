package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// A hello is what a connection keeps of one. It is parsed when somebody asks.
type hello struct {
	raw     []byte
	time    time.Time
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

// ErrNoHello says that a connection ended before its hello did.
var ErrNoHello = errors.New("no ClientHello")

// came is told what reading from below returned.
func (c *Conn) came(b []byte, err error) {
	c.look(b)
	if err == io.EOF || err != nil && c.deadline.passed(err) {
		c.fail(err)
	}
}

// look reads b, the next bytes of the client.
func (c *Conn) look(b []byte) {
	if c.over || len(b) == 0 {
		return
	}
	ended := c.flight.ended(b)
	for len(b) > 0 {
		inPlace := !c.following && c.records.Buffered() == 0
		msg, n, err := c.records.Next(b)
		if err != nil {
			c.fail(err)
			// Crypto/tls has no use for this, either, and answers at once.
			ended = ended || errors.Is(err, parser.ErrNotTLS) && len(c.hello.raw) == 0
			break
		}
		if msg != nil {
			c.found(msg, inPlace && c.records.Records() == 1)
		}
		b = b[n:]
	}
	if ended {
		c.over = true
		c.deadline.lift(c.Conn)
	}
}

// found takes msg for the hello, or for the second one, which comes after a
// HelloRetryRequest.
func (c *Conn) found(msg []byte, within bool) {
	h := hello{raw: msg, time: time.Now(), records: c.records.Records(), within: within}
	if !within {
		h.raw = slices.Clone(msg)
	}
	c.mu.Lock()
	index, which := 1, &c.hello
	if c.known.Load() {
		index, which = 2, &c.second
	}
	if index == 2 && len(c.second.raw) > 0 {
		c.mu.Unlock()
		return
	}
	*which = h
	c.known.Store(true)
	c.mu.Unlock()
	c.observe(index)
}

// fail settles that there is no hello, if there is none.
func (c *Conn) fail(err error) {
	if c.known.Load() {
		return
	}
	c.mu.Lock()
	var parse *parser.Error
	if !errors.As(err, &parse) {
		err = fmt.Errorf("%w: %w", ErrNoHello, err)
	}
	c.err = err
	c.seen = slices.Clone(c.held[:min(len(c.held), maxSeen)])
	c.known.Store(true)
	c.mu.Unlock()
	c.observe(1)
}

func (c *Conn) observe(index int) {
	if c.listener == nil || c.listener.Observe == nil {
		return
	}
	c.mu.Lock()
	o := c.observation(index)
	c.mu.Unlock()
	c.listener.Observe(&o)
}

// observation is called with mu held.
func (c *Conn) observation(index int) event.Observation {
	o := event.Observation{
		Time:  c.accepted,
		Src:   addrPort(c.RemoteAddr()),
		Dst:   addrPort(c.LocalAddr()),
		Index: index,
		Err:   c.err,
		Seen:  c.seen,
	}
	if c.err != nil {
		return o
	}
	h := &c.hello
	if index == 2 {
		h = &c.second
	}
	o.Time = h.time
	o.Carrier = event.Carrier{Records: h.records, Bytes: len(h.raw)}
	if o.Hello, o.Err = h.parse(); o.Err != nil {
		o.Seen = h.raw[:min(len(h.raw), maxSeen)]
	}
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
// where something else came, [ErrNoHello] where the connection ended before,
// or that of a reader whose deadline passed. The hello must not be changed.
func (c *Conn) ClientHello() (*parser.ClientHello, error) {
	if !c.known.Load() {
		if err := c.wait(); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	return c.hello.parse()
}

// SecondClientHello returns the hello that came after a HelloRetryRequest, or
// nil if none has come.
func (c *Conn) SecondClientHello() *parser.ClientHello {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.second.raw) == 0 {
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
		c.readAhead()
	}
	return nil
}

// Event returns what is known of the connection's hello, and false as long as
// nothing is.
func (c *Conn) Event(size event.Size) (event.Event, bool) {
	if !c.known.Load() {
		return event.Event{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.observation(1)
	return new(event.Observer).Event(&o, size), true
}
