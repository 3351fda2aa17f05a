package server

import (
	"errors"
	"net/netip"
	"sync"
)

// ErrOverLimit says that a hello was longer than the Listener's limits allow,
// or in more records. Crypto/tls has its own limits, and may take it.
var ErrOverLimit = errors.New("hello over limit")

var errTooMany = errors.New("refused: too many connections from its address")

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
	if l.MaxConns > 0 && g.conns >= l.MaxConns {
		g.mu.Unlock()
		l.dropped(DropConns)
		return false
	}
	if !l.count(c, addr) {
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
	ok := l.count(c, addr)
	l.gate.mu.Unlock()
	if !ok {
		l.dropped(DropAddr)
	}
	return ok
}

// count counts c for addr. It is called with the gate's mu held.
func (l *Listener) count(c *Conn, addr netip.Addr) bool {
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
	c.place.counted = addr
	return true
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
	if a := c.place.counted; a.IsValid() {
		if g.perAddr[a]--; g.perAddr[a] == 0 {
			delete(g.perAddr, a)
		}
	}
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
