package server

import (
	"errors"
	"net/netip"
	"sync"
)

// ErrOverLimit says that a hello was longer than the Listener's limits allow,
// or in more records. Crypto/tls has its own limits, and may take it.
var ErrOverLimit = errors.New("hello over limit")

var (
	errTooMany = errors.New("refused: too many connections from its address")
	errFull    = errors.New("refused: too many connections")
)

// A DropReason says which limit of a [Listener] a connection was closed for.
type DropReason string

// The limits that connections are closed for.
const (
	DropConns    DropReason = "conns"
	DropAddr     DropReason = "addr"
	DropHalfOpen DropReason = "half_open"
)

// gate counts the connections of a Listener.
type gate struct {
	mu       sync.Mutex
	conns    int
	quic     int                // connections of an HTTP3 that shares the limits
	perAddr  map[netip.Addr]int // only with a limit on it
	oldest   *Conn              // of those that have not shaken hands
	newest   *Conn
	halfOpen int
}

// A place is a Conn's place at the gate.
type place struct {
	in           bool
	counted      netip.Addr // valid if it counts for its address
	waiting      bool       // has not shaken hands
	older, newer *Conn
}

// Conns returns how many connections are open, and how many of them have not
// finished their handshake.
func (l *Listener) Conns() (open, halfOpen int) {
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	return l.gate.conns, l.gate.halfOpen
}

// admit lets c in, unless that is over a limit.
func (l *Listener) admit(c *Conn, addr netip.Addr) bool {
	g := &l.gate
	g.mu.Lock()
	if l.full() {
		g.mu.Unlock()
		l.dropped(DropConns)
		return false
	}
	if !l.count(&c.place, addr) {
		g.mu.Unlock()
		l.dropped(DropAddr)
		return false
	}
	g.conns++
	c.place.in, c.place.waiting = true, true
	g.halfOpen++
	c.place.older = g.newest
	if g.newest != nil {
		g.newest.place.newer = c
	} else {
		g.oldest = c
	}
	g.newest = c
	var tooLong *Conn
	if l.MaxHalfOpen > 0 && g.halfOpen > l.MaxHalfOpen {
		tooLong = g.oldest
		g.unlink(tooLong)
	}
	g.mu.Unlock()
	if tooLong != nil {
		// Only what is below: its reader, or its owner, comes to know.
		tooLong.Conn.Close()
		l.dropped(DropHalfOpen)
	}
	return true
}

// admitAddr counts c, which came through a proxy, for its client's address.
func (l *Listener) admitAddr(c *Conn, addr netip.Addr) bool {
	l.gate.mu.Lock()
	ok := l.count(&c.place, addr)
	l.gate.mu.Unlock()
	if !ok {
		l.dropped(DropAddr)
	}
	return ok
}

// full reports whether there are as many connections as there may be. It is
// called with the gate's mu held.
func (l *Listener) full() bool { return l.MaxConns > 0 && l.gate.conns+l.gate.quic >= l.MaxConns }

// admitQUIC lets a connection of an HTTP3 in, unless that is over a limit.
func (l *Listener) admitQUIC(c *quicConn) bool {
	l.gate.mu.Lock()
	full := l.full()
	if !full {
		l.gate.quic++
		c.place.in = true
	}
	l.gate.mu.Unlock()
	if full {
		l.dropped(DropConns)
	}
	return !full
}

// admitQUICAddr counts a connection of an HTTP3 for its client's address, once
// that is known to be its own: others could have it shut out.
func (l *Listener) admitQUICAddr(c *quicConn) bool {
	l.gate.mu.Lock()
	ok := !c.place.in || l.count(&c.place, c.client.Addr())
	l.gate.mu.Unlock()
	if !ok {
		l.dropped(DropAddr)
	}
	return ok
}

// leaveQUIC takes a connection of an HTTP3 from all counts.
func (l *Listener) leaveQUIC(c *quicConn) {
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	c.place.in = false
	l.gate.quic--
	l.gate.uncount(&c.place)
}

// count counts a connection for addr. It is called with the gate's mu held.
func (l *Listener) count(p *place, addr netip.Addr) bool {
	if l.MaxPerAddr <= 0 || !addr.IsValid() {
		return true
	}
	g := &l.gate
	addr = network(addr)
	if g.perAddr[addr] >= l.MaxPerAddr {
		return false
	}
	if g.perAddr == nil {
		g.perAddr = make(map[netip.Addr]int)
	}
	g.perAddr[addr]++
	p.counted = addr
	return true
}

// uncount undoes count.
func (g *gate) uncount(p *place) {
	if a := p.counted; a.IsValid() {
		if g.perAddr[a]--; g.perAddr[a] == 0 {
			delete(g.perAddr, a)
		}
	}
}

// network returns what a client may choose its address from: of IPv6, a /64.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		prefix, _ := a.Prefix(64)
		return prefix.Addr()
	}
	return a
}

// shaken takes c from those that have not shaken hands.
func (l *Listener) shaken(c *Conn) {
	l.gate.mu.Lock()
	l.gate.unlink(c)
	l.gate.mu.Unlock()
}

// leave takes c from all counts.
func (l *Listener) leave(c *Conn) {
	g := &l.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if !c.place.in {
		return
	}
	c.place.in = false
	g.conns--
	g.unlink(c)
	g.uncount(&c.place)
}

func (g *gate) unlink(c *Conn) {
	p := &c.place
	if !p.waiting {
		return
	}
	p.waiting = false
	g.halfOpen--
	if p.older != nil {
		p.older.place.newer = p.newer
	} else {
		g.oldest = p.newer
	}
	if p.newer != nil {
		p.newer.place.older = p.older
	} else {
		g.newest = p.older
	}
	p.older, p.newer = nil, nil
}

func (l *Listener) dropped(why DropReason) {
	if l.Dropped != nil {
		l.Dropped(why)
	}
}
