package server

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// Bounds on what a tap keeps of clients that quic-go has not accepted yet. An
// Initial has 1200 bytes or more, which makes 14,000 flows.
const (
	maxFlowAge   = 10 * time.Second // a handshake is over or lost by then
	maxFlowBytes = 16 << 20         // of datagrams, over all flows
)

// A tap is a UDP socket that finds the hellos in what is read from it. It is for
// quic-go, which reads with ReadBatch from a connection that has that method.
type tap struct {
	*net.UDPConn
	batch    *ipv4.PacketConn
	observe  func(*event.Observation) // may be nil
	settling *settling

	mu     sync.Mutex
	opener quichello.Opener
	flows  map[netip.AddrPort]*flow // by the client's address
	ages   lru.List[flow]           // the same, sized in bytes of datagrams
	limit  int                      // of their sizes
	hellos map[string]*quicHellos   // by the connection ID that the client chose first
	conns  map[string]*quicConn     // by the same, those without a hello yet
}

// A flow is what a client sends from one port.
type flow struct {
	node      lru.Node[flow]
	client    netip.AddrPort
	begun     time.Time
	assembler quichello.Assembler
	ids       []string  // of its entries in hellos
	waiting   *quicConn // bound to this address, which its client has proved
	latest    *quicHellos
}

func newTap(conn *net.UDPConn, observe func(*event.Observation)) *tap {
	return &tap{
		UDPConn: conn,
		batch:   ipv4.NewPacketConn(conn), // reads IPv6 as well
		observe: observe,
		limit:   maxFlowBytes,
		flows:   make(map[netip.AddrPort]*flow),
		hellos:  make(map[string]*quicHellos),
		conns:   make(map[string]*quicConn),
	}
}

// ReadBatch reads datagrams, and inspects them before quic-go does.
func (t *tap) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	n, err := t.batch.ReadBatch(ms, flags)
	for i := range max(n, 0) {
		if len(ms[i].Buffers) == 1 && ms[i].N <= len(ms[i].Buffers[0]) {
			t.inspect(ms[i].Buffers[0][:ms[i].N], ms[i].OOB[:ms[i].NN], addrPort(ms[i].Addr))
		}
	}
	return n, err
}

// inspect reads a datagram, which came with the control messages oob.
func (t *tap) inspect(datagram, oob []byte, client netip.AddrPort) {
	if !quichello.IsInitial(datagram) {
		return
	}
	for _, h := range t.assemble(datagram, oob, client) {
		if t.observe == nil {
			continue
		}
		var o event.Observation
		h.observation(&o, new(parser.ClientHello))
		t.observe(&o)
	}
}

// assemble returns the hellos that the datagram completes, and gives them to
// their connections.
func (t *tap) assemble(datagram, oob []byte, client netip.AddrPort) (hellos []*quicHello) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	f := t.flow(client, now)
	t.ages.Resize(&f.node, f.node.Size()+len(datagram))
	// quic-go sees the errors of a datagram too, and another may follow.
	for h, _ := f.assembler.Next(datagram); h != nil; h, _ = f.assembler.Next(nil) {
		hello := &quicHello{Hello: h, id: newID(), time: now, src: client, dst: t.destination(oob)}
		hellos = append(hellos, hello)
		if h.Index > 1 && f.latest != nil {
			f.latest.setSecond(hello)
			continue
		}
		hs := newQUICHellos(hello, t.settling)
		f.latest = hs
		if t.settling.hook != nil {
			t.settling.beginUnverified(&hs.life, len(h.Message))
			t.settling.handshakeDone(&hs.life) // if no connection comes of it
		}
		id := string(h.DCID.Bytes())
		switch c := t.conns[id]; {
		case h.Index > 1:
		case c != nil:
			c.setHellos(hs)
			delete(t.conns, id)
		case f.waiting != nil && h.TokenLen > 0:
			f.waiting.setHellos(hs)
			delete(t.conns, f.waiting.id)
			f.waiting = nil
		default:
			t.hellos[id] = hs
			f.ids = append(f.ids, id)
		}
	}
	return hellos
}

// destination returns where a datagram with the control messages oob was sent
// to. The socket may be bound to all addresses of the machine: then quic-go asks
// for control messages with the address, on systems that have them. On others
// the address is left out.
func (t *tap) destination(oob []byte) netip.AddrPort {
	local := addrPort(t.LocalAddr())
	if !local.Addr().IsUnspecified() {
		return local
	}
	return netip.AddrPortFrom(packetDestination(oob), local.Port())
}

// packetDestination returns the address in IP_PKTINFO or IPV6_PKTINFO, or the
// zero Addr without them.
func packetDestination(oob []byte) netip.Addr {
	var v4 ipv4.ControlMessage
	var v6 ipv6.ControlMessage
	if v4.Parse(oob) == nil && v4.Dst != nil {
		a, _ := netip.AddrFromSlice(v4.Dst)
		return a
	}
	if v6.Parse(oob) == nil && v6.Dst != nil {
		a, _ := netip.AddrFromSlice(v6.Dst)
		return a.Unmap()
	}
	return netip.Addr{}
}

// flow returns the flow of a client. It evicts old flows to make room.
func (t *tap) flow(client netip.AddrPort, now time.Time) *flow {
	f := t.flows[client]
	if f != nil && now.Sub(f.begun) <= maxFlowAge {
		return f
	}
	for o := t.ages.Oldest(); o != nil && (now.Sub(o.begun) > maxFlowAge || t.ages.Size() > t.limit); o = t.ages.Oldest() {
		t.evict(o)
	}
	f = &flow{client: client, begun: now}
	f.assembler.Opener = &t.opener
	t.flows[client] = f
	t.ages.Add(&f.node, f, 0)
	return f
}

// evict drops a flow.
func (t *tap) evict(f *flow) {
	t.ages.Remove(&f.node)
	delete(t.flows, f.client)
	for _, id := range f.ids {
		delete(t.hellos, id)
	}
}

// bind gives c the hello of the connection that began with id, now or when it is
// complete. If the flow was evicted while the client was sent to prove its address,
// the hello comes again after that.
func (t *tap) bind(id string, c *quicConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if hs := t.hellos[id]; hs != nil {
		c.setHellos(hs)
		return
	}
	f := t.flows[c.addr]
	if f != nil && c.verified {
		for _, id := range f.ids {
			if hs := t.hellos[id]; hs.first.TokenLen > 0 {
				c.setHellos(hs)
				return
			}
		}
		f.waiting = c
	}
	c.id = id
	t.conns[id] = c
}

// unbind undoes bind for a connection whose hello has never come.
func (t *tap) unbind(c *quicConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns[c.id] == c {
		delete(t.conns, c.id)
	}
	if f := t.flows[c.addr]; f != nil && f.waiting == c {
		f.waiting = nil
	}
}
