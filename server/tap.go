package server

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// Bounds of what a tap keeps of clients that it knows nothing of yet. An
// Initial has 1200 bytes or more: that makes 14,000 flows.
const (
	flowTime  = 10 * time.Second // a handshake is over or lost by then
	flowBytes = 16 << 20         // of datagrams, over all flows
)

// A tap is a UDP socket that finds the hellos in what is read from it. It is
// made for quic-go, which reads with ReadBatch from a connection that has it.
type tap struct {
	*net.UDPConn
	batch   *ipv4.PacketConn
	observe func(*event.Observation) // may be nil

	mu     sync.Mutex
	opener quichello.Opener
	flows  map[netip.AddrPort]*flow // of UDP: what a datagram belongs to
	oldest *flow
	newest *flow
	bytes  int
	limit  int
	hellos map[string]*quicHello // by the connection id that the client chose
	conns  map[string]*quicConn  // by the same, until their hello is whole
}

// A flow is what a client sends from one port.
type flow struct {
	client    netip.AddrPort
	begun     time.Time
	bytes     int
	assembler quichello.Assembler
	ids       []string  // of its hellos
	waiting   *quicConn // that has shown this address to be its own
	newer     *flow
}

// quicHello is a hello and how it came.
type quicHello struct {
	*quichello.Hello
	time     time.Time
	src, dst netip.AddrPort
}

func newTap(conn *net.UDPConn, observe func(*event.Observation)) *tap {
	return &tap{
		UDPConn: conn,
		batch:   ipv4.NewPacketConn(conn), // reads IPv6 just as well
		observe: observe,
		limit:   flowBytes,
		flows:   make(map[netip.AddrPort]*flow),
		hellos:  make(map[string]*quicHello),
		conns:   make(map[string]*quicConn),
	}
}

// ReadBatch reads datagrams, and looks at them before anybody else does.
func (t *tap) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	n, err := t.batch.ReadBatch(ms, flags)
	for i := range max(n, 0) {
		if len(ms[i].Buffers) == 1 && ms[i].N <= len(ms[i].Buffers[0]) {
			t.look(ms[i].Buffers[0][:ms[i].N], addrPort(ms[i].Addr))
		}
	}
	return n, err
}

func (t *tap) look(datagram []byte, client netip.AddrPort) {
	if !quichello.IsInitial(datagram) {
		return
	}
	for _, h := range t.take(datagram, client) {
		if t.observe == nil {
			return
		}
		o := h.observation(new(parser.ClientHello))
		t.observe(&o)
	}
}

// take returns the hellos that are whole with the datagram.
func (t *tap) take(datagram []byte, client netip.AddrPort) (hellos []*quicHello) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	f := t.flow(client, now)
	f.bytes += len(datagram)
	t.bytes += len(datagram)
	// What is wrong with a datagram quic-go sees, too; and another may follow.
	for h, _ := f.assembler.Next(datagram); h != nil; h, _ = f.assembler.Next(nil) {
		hello := &quicHello{Hello: h, time: now, src: client, dst: addrPort(t.LocalAddr())}
		hellos = append(hellos, hello)
		id := string(h.DCID.Bytes())
		switch c := t.conns[id]; {
		case h.Index > 1:
		case c != nil:
			c.set(hello)
			delete(t.conns, id)
		case f.waiting != nil && h.TokenLen > 0:
			f.waiting.set(hello)
			delete(t.conns, f.waiting.id)
			f.waiting = nil
		default:
			t.hellos[id] = hello
			f.ids = append(f.ids, id)
		}
	}
	return hellos
}

// flow returns the flow of a client, for which it gives up old ones.
func (t *tap) flow(client netip.AddrPort, now time.Time) *flow {
	f := t.flows[client]
	if f != nil && now.Sub(f.begun) <= flowTime {
		return f
	}
	for o := t.oldest; o != nil && (now.Sub(o.begun) > flowTime || t.bytes > t.limit); o = t.oldest {
		t.giveUp(o)
	}
	f = &flow{client: client, begun: now}
	f.assembler.Opener = &t.opener
	t.flows[client] = f
	if t.newest != nil {
		t.newest.newer = f
	} else {
		t.oldest = f
	}
	t.newest = f
	return f
}

// giveUp forgets the oldest flow.
func (t *tap) giveUp(f *flow) {
	t.oldest = f.newer
	if t.newest == f {
		t.newest = nil
	}
	t.bytes -= f.bytes
	delete(t.flows, f.client)
	for _, id := range f.ids {
		delete(t.hellos, id)
	}
}

// claim gives c the hello of the connection that began with id, now or when
// it is whole. Should the flow have been given up while the client was sent to
// show its address, what it sent after that has the hello, too.
func (t *tap) claim(id string, c *quicConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.hellos[id]; h != nil {
		c.set(h)
		return
	}
	f := t.flows[c.client]
	if f != nil && c.verified {
		for _, id := range f.ids {
			if h := t.hellos[id]; h.TokenLen > 0 {
				c.set(h)
				return
			}
		}
		f.waiting = c
	}
	c.id = id
	t.conns[id] = c
}

// forget takes back what claim has done, if its hello has never come.
func (t *tap) forget(c *quicConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns[c.id] == c {
		delete(t.conns, c.id)
	}
	if f := t.flows[c.client]; f != nil && f.waiting == c {
		f.waiting = nil
	}
}

// observation parses the hello into hello.
func (h *quicHello) observation(hello *parser.ClientHello) event.Observation {
	o := event.Observation{
		Time:      h.time,
		Src:       h.src,
		Dst:       h.dst,
		Index:     h.Index,
		Transport: parser.QUIC,
		Carrier:   event.Carrier{Datagrams: h.Datagrams, Bytes: len(h.Message)},
		QUIC: &event.Initial{
			QUICInitial: fingerprint.QUICInitial{
				Version:         uint32(h.Version),
				DCIDLen:         h.DCID.Len(),
				SCIDLen:         h.SCID.Len(),
				PacketNumberLen: h.PacketNumberLen,
				Token:           h.TokenLen > 0,
				FrameTypes:      h.FrameTypes,
			},
			TokenLen:     h.TokenLen,
			PacketNumber: uint64(h.PacketNumber),
			Initials:     h.Initials,
			Scrambled:    h.OutOfOrder,
		},
	}
	hello.Transport = parser.QUIC
	if o.Err = hello.Unmarshal(h.Message); o.Err != nil {
		o.Seen = h.Message[:min(len(h.Message), maxSeen)]
		return o
	}
	o.Hello = hello
	return o
}

// A quicConn is a connection of quic-go, and a source.
type quicConn struct {
	client   netip.AddrPort
	verified bool            // the client has shown that the address is its own
	own      *known.Database // clients of the user's own
	id       string          // guarded by the tap
	place    place           // guarded by HTTP3.Limits

	mu      sync.Mutex
	hello   *quicHello
	full    *event.Event
	waiting bool      // counts as half-open
	ended   time.Time // the handshake
}

func (c *quicConn) set(h *quicHello) {
	c.mu.Lock()
	c.hello = h
	c.mu.Unlock()
}

func (c *quicConn) Event(size event.Size) (event.Event, bool) {
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
	e := (&event.Observer{Users: c.own}).Event(&o, size)
	if size == event.Full {
		full := e
		c.mu.Lock()
		c.full = &full
		c.mu.Unlock()
	}
	return e, true
}

func (c *quicConn) Observation() (event.Observation, bool) {
	return c.observed(new(parser.ClientHello))
}

func (c *quicConn) headerOrder() string { return "" } // of HTTP/3 none is recorded

func (c *quicConn) observed(h *parser.ClientHello) (event.Observation, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hello == nil {
		return event.Observation{}, false
	}
	return c.hello.observation(h), true
}

func (c *quicConn) fingerprints() fingerprints {
	var h parser.ClientHello
	o, ok := c.observed(&h)
	if !ok {
		return fingerprintsOf(nil, ErrNoHello)
	}
	return fingerprintsOf(o.Hello, o.Err)
}

func (c *quicConn) clients() *known.Database { return c.own }

func (c *quicConn) Times() Times {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Times{Finished: c.ended}
	if c.hello != nil {
		t.Hello = c.hello.time
	}
	return t
}
