package server

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A Listener makes each connection that it accepts a [*Conn], which reads the
// client's hello on its way to crypto/tls. A server needs nothing else:
//
//	srv := &http.Server{Handler: h, ConnContext: server.ConnContext}
//	srv.ServeTLS(&server.Listener{Listener: ln}, "server.pem", "server.key")
//
// The fields must not be changed once Accept was called.
type Listener struct {
	net.Listener

	// HandshakeTimeout is how long a client may take from Accept to the end of
	// its handshake, whatever it sends, and whether it reads or not. 0 is 10
	// seconds, negative is no limit.
	HandshakeTimeout time.Duration

	// Observe, if not nil, is called with each hello: once for a connection,
	// and again for the hello after a HelloRetryRequest. It is also called for
	// a connection that ends, times out or turns out to be something else
	// before there is a hello; o.Err says which.
	//
	// The goroutine that reads from the connection calls it, before crypto/tls
	// has the last byte of the hello, or the one that closes the connection.
	// It may block, but only that client's handshake and the Close of that
	// connection wait. What o refers to is reused: copy what you keep.
	Observe func(o *event.Observation)

	// Decide, if not nil, is called with the first hello of a connection, after
	// Observe and before crypto/tls has all of it, and returns what becomes of
	// the connection. h is nil if the client sent something other than a
	// hello, or one over MaxHello or MaxRecords. h is reused: copy what you
	// keep.
	//
	// The goroutine that reads from the connection calls it. It may block, as
	// Observe may. The time counts for HandshakeTimeout, which does not
	// interrupt it. It is not called for a hello after a HelloRetryRequest,
	// nor for a connection that ends or times out before its hello is complete.
	Decide func(h *parser.ClientHello, client net.Addr) Decision

	// Clients has user-supplied clients, by which Events name clients beside
	// the built-in ones. It may be nil.
	Clients *known.Database

	// MaxHello bounds the handshake message of a hello in bytes, and MaxRecords
	// the records that carry it. A hello over them has [ErrOverLimit] for its
	// error and no fingerprint; crypto/tls gets it all the same. 0 is the limit
	// of crypto/tls, 65540 bytes in as many records.
	MaxHello, MaxRecords int

	// Limits bounds the connections. Nil is for no bounds.
	Limits *Limits

	// TrustedProxies may send a header of the PROXY protocol, version 1 or 2,
	// whose addresses their connections then have. They do not count for
	// MaxPerAddr, their clients do.
	TrustedProxies []netip.Prefix

	unbounded Limits    // used where Limits is nil
	blocks    sync.Pool // of *block, four fifths of what a Conn costs
	hellos    sync.Pool // of *parser.ClientHello, for observations
}

// defaultHandshakeTimeout is for a client on a bad line. On a good one, a
// handshake takes a tenth of a second.
const defaultHandshakeTimeout = 10 * time.Second

// Accept waits for a connection, but never for what a client sends. Its errors
// are those of the inner Listener, unchanged.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.newConn(conn); c != nil {
			return c, nil
		}
		conn.Close()
	}
}

// Conns returns the number of open connections, and how many of them have not
// finished their handshake. Listeners that share their Limits count together.
func (l *Listener) Conns() (open, halfOpen int) { return l.limits().conns() }

// newConn returns nil for a connection over a bound.
func (l *Listener) newConn(socket net.Conn) *Conn {
	c := &Conn{listener: l, accepted: time.Now()}
	limits := l.limits()
	var addr netip.Addr
	if c.Conn, c.addrPending = l.behindProxy(socket); !c.addrPending && limits.MaxPerAddr > 0 {
		addr = addrPort(socket.RemoteAddr()).Addr()
	}
	if !limits.add(c, addr) {
		return nil
	}
	if timeout := l.handshakeTimeout(); timeout > 0 {
		c.deadline.limit(c.Conn, c.accepted.Add(timeout))
	}
	return c
}

func (l *Listener) limits() *Limits {
	if l.Limits != nil {
		return l.Limits
	}
	return &l.unbounded
}

// handshakeTimeout returns 0 for none.
func (l *Listener) handshakeTimeout() time.Duration {
	return timeout(l.HandshakeTimeout, defaultHandshakeTimeout)
}

// getBlock returns memory to read into. Listener may be nil.
func (l *Listener) getBlock() *block {
	if l != nil {
		if b, ok := l.blocks.Get().(*block); ok {
			return b
		}
	}
	return new(block)
}

// putBlock lets another connection have b.
func (l *Listener) putBlock(b *block) {
	if l != nil {
		l.blocks.Put(b)
	}
}

// getHello returns memory to parse into.
func (l *Listener) getHello() *parser.ClientHello {
	if h, ok := l.hellos.Get().(*parser.ClientHello); ok {
		return h
	}
	return new(parser.ClientHello)
}
