package server

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/tlspeek/tlspeek/internal/budget"
	"github.com/tlspeek/tlspeek/internal/lru"
)

// Limits bounds connections: those of a [Listener], or of several and of an
// [HTTP3] together if they share it. The zero value bounds nothing. A bound of
// 0 is no bound. The fields must not be changed once a connection was accepted.
type Limits struct {
	// MaxConns bounds the open connections, over TCP and QUIC. Further ones
	// are closed by Accept, and refused over QUIC.
	MaxConns int

	// MaxPerAddr bounds the open connections of one IPv4 address or IPv6 /64.
	// Further ones are closed like those over MaxConns. A connection through a
	// trusted proxy counts for its client, and is refused when it is read
	// from; one over QUIC counts once its client has proved its address.
	MaxPerAddr int

	// MaxHalfOpen bounds the connections over TCP whose handshake is not
	// finished: one more closes the oldest of them. A client that sends
	// something other than TLS counts until crypto/tls has given up, or the
	// connection is closed. Over QUIC, RetryAbove of an HTTP3 bounds what
	// unfinished handshakes can cost.
	MaxHalfOpen int

	// Allow, if not nil, is called for each new connection with the address of
	// its client, before the connection costs anything, and has it closed by
	// returning false: for a limit on how fast they come. A connection through a
	// trusted proxy is asked for when its PROXY header is read, and one over QUIC
	// once its client has proved its address; if that is refused, it may be asked for
	// again with the client's next packet. A connection without an IP address is not
	// asked for. Allow is called without a lock, by several goroutines at once.
	Allow func(client netip.Addr) bool

	// AllowUnverified, if not nil, is called for each new connection over QUIC whose
	// client has not proved its address. Where it returns false, the client has to
	// prove it first (RFC 9000, section 8.1.2), and its handshake costs nothing
	// before. It has no address: others could use up the rate of that.
	AllowUnverified func() bool

	// Dropped, if not nil, is called for each connection closed for a bound,
	// without a lock, by the goroutine that accepts or reads.
	Dropped func(DropReason)

	table connTable
}

// A DropReason says for which bound of [Limits] a connection was closed: one of the
// constants, or "rate" where Allow returned false.
type DropReason string

// The bounds that connections are closed for.
const (
	DropConns    DropReason = "conns"
	DropAddr     DropReason = "addr"
	DropHalfOpen DropReason = "half_open"

	dropRate DropReason = "rate"
)

// ErrOverLimit says that a hello was longer than MaxHello of its [Listener], or
// came in more records than MaxRecords. Crypto/tls has its own limits, and may
// accept it.
var ErrOverLimit = errors.New("hello over limit")

var (
	errTooManyPerAddr = errors.New("refused: too many connections from its address")
	errTooMany        = errors.New("refused: too many connections")
	errTooFast        = errors.New("refused: too many new connections")
)

// A connTable counts connections.
type connTable struct {
	mu       sync.Mutex
	tcp      int
	quic     int
	perAddr  map[netip.Addr]int // only with MaxPerAddr
	halfOpen lru.List[Conn]     // those whose handshake is not finished
}

// A connEntry is what a connTable knows of a connection.
type connEntry struct {
	open bool
	addr netip.Addr // that it counts for; zero if for none
}

// conns returns the number of open connections over TCP, and how many of them
// have not finished their handshake.
func (l *Limits) conns() (open, halfOpen int) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	return l.table.tcp, l.table.halfOpen.Len()
}

// add counts c, for addr if that is valid. It returns false if that is over a
// bound.
func (l *Limits) add(c *Conn, addr netip.Addr) bool {
	t := &l.table
	t.mu.Lock()
	if l.full() {
		t.mu.Unlock()
		l.dropped(DropConns)
		return false
	}
	if !l.count(&c.entry, addr) {
		t.mu.Unlock()
		l.dropped(DropAddr)
		return false
	}
	t.tcp++
	c.entry.open = true
	t.halfOpen.Add(&c.halfOpen, c, 1)
	var evicted *Conn
	if l.MaxHalfOpen > 0 {
		evicted = t.halfOpen.Evict(l.MaxHalfOpen)
	}
	t.mu.Unlock()
	if evicted != nil {
		// Only the connection below: Conn.Close would wait for a reader, which
		// returns an error now.
		evicted.Conn.Close()
		l.dropped(DropHalfOpen)
	}
	return true
}

// allow asks Allow for a new connection of addr.
func (l *Limits) allow(addr netip.Addr) bool {
	if l.Allow == nil || !addr.IsValid() || l.Allow(addr.Unmap().WithZone("")) {
		return true
	}
	l.dropped(dropRate)
	return false
}

// addAddr counts c, which came through a proxy, for its client's address. It returns
// an error if c is refused.
func (l *Limits) addAddr(c *Conn, addr netip.Addr) error {
	if !l.allow(addr) {
		return errTooFast
	}
	l.table.mu.Lock()
	ok := l.count(&c.entry, addr)
	l.table.mu.Unlock()
	if !ok {
		l.dropped(DropAddr)
		return errTooManyPerAddr
	}
	return nil
}

// handshakeDone removes c from those whose handshake is not finished.
func (l *Limits) handshakeDone(c *Conn) {
	l.table.mu.Lock()
	l.table.halfOpen.Remove(&c.halfOpen)
	l.table.mu.Unlock()
}

// remove removes c from all counts. It may be called twice.
func (l *Limits) remove(c *Conn) {
	t := &l.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if !c.entry.open {
		return
	}
	c.entry.open = false
	t.tcp--
	t.halfOpen.Remove(&c.halfOpen)
	t.uncount(&c.entry)
}

// addQUIC counts a connection over QUIC. It returns an error if c is refused.
func (l *Limits) addQUIC(c *quicConn) error {
	if c.verified && !l.allow(c.addr.Addr()) {
		return errTooFast
	}
	l.table.mu.Lock()
	full := l.full()
	if !full {
		l.table.quic++
		c.entry.open = true
	}
	l.table.mu.Unlock()
	if full {
		l.dropped(DropConns)
		return errTooMany
	}
	return nil
}

// addQUICAddr counts a connection over QUIC for its client's address, once the
// client has proved it: others could have that address shut out before.
func (l *Limits) addQUICAddr(c *quicConn) bool {
	if !c.verified && !l.allow(c.addr.Addr()) {
		return false
	}
	l.table.mu.Lock()
	ok := !c.entry.open || l.count(&c.entry, c.addr.Addr())
	l.table.mu.Unlock()
	if !ok {
		l.dropped(DropAddr)
	}
	return ok
}

// removeQUIC removes a connection over QUIC from all counts.
func (l *Limits) removeQUIC(c *quicConn) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	c.entry.open = false
	l.table.quic--
	l.table.uncount(&c.entry)
}

// full is called with the table's mu held.
func (l *Limits) full() bool { return l.MaxConns > 0 && l.table.tcp+l.table.quic >= l.MaxConns }

// count counts a connection for addr. It is called with the table's mu held.
func (l *Limits) count(e *connEntry, addr netip.Addr) bool {
	if l.MaxPerAddr <= 0 || !addr.IsValid() {
		return true
	}
	t := &l.table
	addr = budget.Network(addr)
	if t.perAddr[addr] >= l.MaxPerAddr {
		return false
	}
	if t.perAddr == nil {
		t.perAddr = make(map[netip.Addr]int)
	}
	t.perAddr[addr]++
	e.addr = addr
	return true
}

// uncount undoes count.
func (t *connTable) uncount(e *connEntry) {
	if a := e.addr; a.IsValid() {
		if t.perAddr[a]--; t.perAddr[a] == 0 {
			delete(t.perAddr, a)
		}
	}
}

func (l *Limits) dropped(why DropReason) {
	if l.Dropped != nil {
		l.Dropped(why)
	}
}
