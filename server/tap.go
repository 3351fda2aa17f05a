package server

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A tap is a UDP socket that finds the hellos in what is read from it. It is for
// quic-go, which reads with ReadBatch from a connection that has that method, and
// writes with WriteMsgUDP.
type tap struct {
	*net.UDPConn
	batch    *ipv4.PacketConn
	observe  func(*event.Observation) // may be nil
	verified func(*event.Observation) // may be nil
	settling *settling
	drops    *helloDrops
	local    netip.AddrPort
	now      func() time.Time

	overload atomic.Int64 // when Initials were last not read since all were too many, in Unix nanoseconds

	mu      sync.Mutex
	opener  quichello.Opener
	flows   map[netip.AddrPort]*flow // by the client's address
	ages    lru.List[flow]           // the same
	limit   int                      // of their sizes
	work    [2]workBudget            // of Initials without a token and with one
	waiting map[connKey]*quicConn    // those without a hello yet
}

// A connKey names a connection by its client and the connection ID that the client
// chose first.
type connKey struct {
	client netip.AddrPort
	id     quichello.ConnectionID
}

func newTap(conn *net.UDPConn, observe func(*event.Observation)) *tap {
	t := &tap{
		UDPConn: conn,
		observe: observe,
		now:     time.Now,
		drops:   new(helloDrops),
		limit:   maxTapBytes,
		flows:   make(map[netip.AddrPort]*flow),
		waiting: make(map[connKey]*quicConn),
	}
	if conn != nil { // tests inspect without one
		t.batch = ipv4.NewPacketConn(conn) // reads IPv6 as well
		t.local = addrPort(conn.LocalAddr())
	}
	return t
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

// WriteMsgUDP writes a datagram, and notes the connection ID that the server has chosen
// in it.
func (t *tap) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	if client, id, ok := quichello.ConnectionIDs(b); ok && id.Len() == serverIDLen {
		t.mu.Lock()
		if f := t.flows[addrPort(addr)]; f != nil {
			f.issue(id, client)
		}
		t.mu.Unlock()
	}
	return t.UDPConn.WriteMsgUDP(b, oob, addr)
}

// An inspected is what came of a datagram.
type inspected struct {
	hellos   []newHello
	verified []*quicHellos // their clients have shown their address
	dropped  []*quicHellos // for want of room
	expired  []*quicHellos // no connection has come of them in time
}

// A newHello is one that was just read.
type newHello struct {
	*quicHello
	verified bool // its client has shown its address
}

// inspect reads a datagram, which came with the control messages oob.
func (t *tap) inspect(datagram, oob []byte, client netip.AddrPort) {
	dst, _, ok := quichello.ConnectionIDs(datagram)
	if !ok {
		return
	}
	var found inspected
	now := t.now()
	t.mu.Lock()
	f := t.flows[client]
	known := f != nil && t.hasShownAddress(f, dst, &found)
	if tokenLen, ok := quichello.InitialTokenLen(datagram); ok {
		t.assemble(&found, f, datagram, oob, client, known, tokenLen > 0, now)
	}
	t.mu.Unlock()
	for _, h := range found.hellos {
		if t.observe != nil {
			var o event.Observation
			h.observation(&o, new(parser.ClientHello), h.verified)
			t.observe(&o)
		}
	}
	for _, hs := range found.verified {
		t.markVerified(hs)
	}
	for _, hs := range found.dropped {
		hs.life.settle(event.SettledFull)
	}
	for _, hs := range found.expired {
		hs.life.settle(event.SettledEnd)
	}
}

// hasShownAddress reports whether a client uses a connection ID that the server has
// sent to it. If this is the first time, its hellos are added to found.
func (t *tap) hasShownAddress(f *flow, dst quichello.ConnectionID, found *inspected) bool {
	issued := f.issuedTo(dst)
	if issued == nil {
		return false
	}
	if issued.used {
		return true
	}
	issued.used = true
	t.refund(f)
	for _, h := range f.hellos {
		if h.first.SCID == issued.client {
			found.verified = append(found.verified, h.quicHellos)
		}
	}
	return true
}

// refund gives back what was spent for a client that has shown its address.
func (t *tap) refund(f *flow) {
	f.work = workBudget{}
	for class := range f.spent {
		t.work[class].spend(time.Time{}, -f.spent[class], maxWork, time.Second)
	}
	f.spent = [2]int{}
}

// markVerified records that the client of hs has shown its address.
func (t *tap) markVerified(hs *quicHellos) {
	t.settling.verify(&hs.life)
	for _, h := range hs.verify() {
		if t.verified != nil {
			var o event.Observation
			h.observation(&o, new(parser.ClientHello), true)
			if h == hs.first {
				o.Tells = hs.track(&o)
			}
			t.verified(&o)
		}
	}
}

// assemble adds to found what the datagram, which has an Initial, completes. f is the
// flow of its client, or nil. Known says that the client has shown its address.
func (t *tap) assemble(found *inspected, f *flow, datagram, oob []byte, client netip.AddrPort, known, hasToken bool, now time.Time) {
	class := 0
	if hasToken {
		class = 1
	}
	if f != nil && now.Sub(f.begun) > maxFlowAge {
		f = nil
	}
	switch {
	case f != nil && !f.work.allows(now, maxFlowAge):
		t.drops.port.Add(1)
		return
	case !known && !(f != nil && f.begins()) && !t.work[class].allows(now, time.Second):
		t.drops.total.Add(1)
		t.overload.Store(now.UnixNano())
		return
	}
	if f == nil {
		f = t.newFlow(found, client, now)
	}
	derived, attempted := t.opener.Work()
	// quic-go sees the errors of a datagram too, and another may follow.
	for h, _ := f.assembler.Next(datagram); h != nil; h, _ = f.assembler.Next(nil) {
		t.addHello(found, f, known, &quicHello{Hello: h, id: newID(), time: now, src: client, dst: t.destination(oob)})
	}
	d, a := t.opener.Work()
	work := workOf(d-derived, a-attempted)
	f.work.spend(now, work, flowWork, maxFlowAge)
	if !known {
		t.work[class].spend(now, work, maxWork, time.Second)
		f.spent[class] += work
	}
	if f.assembler.Buffered() > maxFlowAssembled {
		f.assembler.Reset()
		t.drops.port.Add(1)
	}
	if d > derived { // a connection that was not known
		f.begun = now
		t.ages.Remove(&f.node)
		t.ages.Add(&f.node, f, 0)
	}
	t.ages.Resize(&f.node, f.size())
	t.makeRoom(found, f, now)
}

// isOverloaded reports whether Initials of new clients may not have been read that
// quic-go is about to see. Their clients are to come again with a token.
func (t *tap) isOverloaded() bool { return t.now().UnixNano()-t.overload.Load() < int64(time.Second) }

// addHello adds a hello of f, and gives it to its connection if that is there. Known says
// that its client has shown its address.
func (t *tap) addHello(found *inspected, f *flow, known bool, h *quicHello) {
	if first := f.find(h.DCID); h.Index > 1 && first != nil {
		verified := first.setSecond(h)
		found.hellos = append(found.hellos, newHello{h, verified})
		return
	}
	hs := newQUICHellos(h, t.settling)
	entry := &flowHello{quicHellos: hs, id: h.DCID}
	if h.Index == 1 {
		entry.conn = t.takeWaiting(f, h)
	}
	if entry.conn != nil {
		entry.conn.setHellos(hs)
	}
	hs.verified = known || entry.conn != nil && entry.conn.verified || h.TokenLen > 0 && f.hasAnswered(h.SCID)
	found.hellos = append(found.hellos, newHello{h, hs.verified})
	if t.settling.hook != nil {
		if hs.verified {
			t.settling.begin(&hs.life, len(h.Message))
		} else {
			t.settling.beginUnverified(&hs.life, len(h.Message))
		}
		t.settling.handshakeDone(&hs.life) // if no connection comes of it
	}
	for _, old := range f.add(entry) {
		if h.time.Sub(old.first.time) > maxFlowAge {
			found.expired = append(found.expired, old)
		} else {
			t.drops.port.Add(1)
			found.dropped = append(found.dropped, old)
		}
	}
}

// takeWaiting returns the connection that has waited for h, or nil.
func (t *tap) takeWaiting(f *flow, h *quicHello) *quicConn {
	c := t.waiting[connKey{f.client, h.DCID}]
	if c == nil && h.TokenLen > 0 && len(f.waiting) == 1 {
		c = f.waiting[0]
	}
	if c != nil {
		t.stopWaiting(c)
	}
	return c
}

// stopWaiting removes c from those that wait for a hello.
func (t *tap) stopWaiting(c *quicConn) {
	if key := (connKey{c.addr, c.id}); t.waiting[key] == c {
		delete(t.waiting, key)
	}
	if f := t.flows[c.addr]; f != nil {
		f.waiting = slices.DeleteFunc(f.waiting, func(w *quicConn) bool { return w == c })
	}
}

// destination returns where a datagram with the control messages oob was sent
// to. The socket may be bound to all addresses of the machine: then quic-go asks
// for control messages with the address, on systems that have them. On others
// the address is left out.
func (t *tap) destination(oob []byte) netip.AddrPort {
	if local := t.local; !local.Addr().IsUnspecified() {
		return local
	}
	return netip.AddrPortFrom(packetDestination(oob), t.local.Port())
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

// newFlow returns the flow of a client that has none, or an old one, which it replaces.
func (t *tap) newFlow(found *inspected, client netip.AddrPort, now time.Time) *flow {
	if old := t.flows[client]; old != nil {
		t.evict(found, old, true)
	}
	f := &flow{client: client, begun: now}
	f.assembler.Opener = &t.opener
	t.flows[client] = f
	t.ages.Add(&f.node, f, flowSize)
	return f
}

// makeRoom evicts flows that are old, or that there is no room for beside f.
func (t *tap) makeRoom(found *inspected, f *flow, now time.Time) {
	for o := t.ages.Oldest(); o != nil && o != f; o = t.ages.Oldest() {
		old := now.Sub(o.begun) > maxFlowAge
		if !old && t.ages.Size() <= t.limit {
			return
		}
		if !old {
			t.drops.room.Add(1)
		}
		t.evict(found, o, old)
	}
}

// evict drops a flow, because it is old or for want of room.
func (t *tap) evict(found *inspected, f *flow, old bool) {
	t.ages.Remove(&f.node)
	delete(t.flows, f.client)
	to := &found.dropped
	if old {
		to = &found.expired
	}
	for _, h := range f.hellos {
		if h.conn == nil {
			*to = append(*to, h.quicHellos)
		}
	}
}

// bind gives c the hello of the connection that began with id, now or when it is
// complete. If the flow was evicted while the client was sent to prove its address,
// the hello comes again after that.
func (t *tap) bind(id quichello.ConnectionID, c *quicConn) {
	t.mu.Lock()
	c.id = id
	h := t.bindLocked(c)
	t.mu.Unlock()
	if h != nil && c.verified {
		t.markVerified(h.quicHellos)
	}
}

// bindLocked returns the hello that it gives to c, or nil. It is called with mu held.
func (t *tap) bindLocked(c *quicConn) *flowHello {
	f := t.flows[c.addr]
	if f != nil {
		h := f.find(c.id)
		if h == nil && c.verified {
			h = f.onlyWithToken()
		}
		if h != nil && h.conn == nil {
			f.give(h, c)
			return h
		}
		if c.verified {
			f.waiting = append(f.waiting, c)
		}
	}
	t.waiting[connKey{c.addr, c.id}] = c
	return nil
}

// finish records that the handshake of c is finished: its client has shown its address,
// and no hello follows.
func (t *tap) finish(c *quicConn) {
	t.mu.Lock()
	if f := t.flows[c.addr]; f != nil {
		t.refund(f)
		t.forget(f, c)
	}
	t.mu.Unlock()
	if hs := c.theHellos(); hs != nil {
		t.markVerified(hs)
	}
}

// unbind undoes bind for a connection that has ended.
func (t *tap) unbind(c *quicConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopWaiting(c)
	if f := t.flows[c.addr]; f != nil {
		t.forget(f, c)
	}
}

// forget removes the hello of c from its flow.
func (t *tap) forget(f *flow, c *quicConn) {
	f.hellos = slices.DeleteFunc(f.hellos, func(h *flowHello) bool { return h.conn == c })
	t.ages.Resize(&f.node, f.size())
}
