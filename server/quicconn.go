package server

import (
	"net/netip"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/observe"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A quicHello is a hello and how it came.
type quicHello struct {
	*quichello.Hello
	time     time.Time
	src, dst netip.AddrPort
}

// observation parses the hello into parsed.
func (h *quicHello) observation(parsed *parser.ClientHello) event.Observation {
	o := event.Observation{Time: h.time, Src: h.src, Dst: h.dst}
	observe.QUIC(&o, parsed, h.Hello)
	return o
}

// A quicConn is a connection of quic-go, and a client.
type quicConn struct {
	addr     netip.AddrPort  // of the client
	verified bool            // the client has proved its address
	own      *known.Database // user-supplied clients
	id       string          // guarded by the tap
	entry    connEntry       // guarded by the Limits

	mu       sync.Mutex
	hello    *quicHello
	halfOpen bool
	finished time.Time // the handshake

	cache eventCache
}

func (c *quicConn) setHello(h *quicHello) {
	c.mu.Lock()
	c.hello = h
	c.mu.Unlock()
}

func (c *quicConn) Event(size event.Size) (event.Event, bool) {
	return c.cache.get(size, c.own, c.Observation)
}

func (c *quicConn) Observation() (event.Observation, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hello == nil {
		return event.Observation{}, false
	}
	return c.hello.observation(new(parser.ClientHello)), true
}

func (c *quicConn) Times() Times {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Times{Finished: c.finished}
	if c.hello != nil {
		t.Hello = c.hello.time
	}
	return t
}

func (c *quicConn) fingerprints() fingerprints {
	o, ok := c.Observation()
	if !ok {
		return fingerprintsOf(nil, ErrNoHello)
	}
	return fingerprintsOf(o.Hello, o.Err)
}

func (c *quicConn) clients() *known.Database { return c.own }

func (c *quicConn) headerOrder() string { return "" } // not recorded over HTTP/3
