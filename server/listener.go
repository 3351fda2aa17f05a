// Package server reads the ClientHello of live clients, in front of crypto/tls
// and of quic-go.
//
// A [Listener] makes connections that know their client's hello; [FromContext]
// finds it for a request, [Headers] passes its fingerprints on to a backend, and
// [ConfigureHTTP2] adds that of HTTP/2. [HTTP3] does the same over QUIC, and
// [Server] serves a handler over all of them.
//
// Nothing on the wire is changed by it: what crypto/tls reads is what the client
// sent, no byte is held back that it would answer, and what it answers goes out
// as it is.
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
// client's hello on its way to whoever does TLS. A Listener is all that a
// server needs to be given:
//
//	srv := &http.Server{Handler: h, ConnContext: server.ConnContext}
//	srv.ServeTLS(&server.Listener{Listener: ln}, "server.pem", "server.key")
//
// The fields must not be changed once Accept was called.
type Listener struct {
	net.Listener

	// HandshakeTimeout is how long a client may take from Accept to the end
	// of its handshake, whatever it sends and however often, and whether it
	// reads or not. 0 is 10 seconds, negative is for ever.
	HandshakeTimeout time.Duration

	// Observe, if not nil, is told of each hello, and of each connection that
	// ends or turns out to be something else before there is one. It is
	// called by whoever reads from the connection, before crypto/tls has the
	// hello's last byte. What the observation refers to is the connection's:
	// it is not to be kept.
	Observe func(*event.Observation)

	// Decide, if not nil, says what becomes of a connection once its hello is
	// known, and before crypto/tls has all of it. The hello is nil if what came
	// is none, or one over a limit. It is not to be kept or changed.
	Decide func(h *parser.ClientHello, client net.Addr) Decision

	// Clients has user-supplied clients, by which Events name clients beside
	// the built-in ones. It may be nil.
	Clients *known.Database

	// MaxHello bounds the message of a hello, in bytes, and MaxRecords the
	// records it comes in. One that is over has [ErrOverLimit] for its error
	// and no fingerprint; it is handed on all the same. 0 is the limit of
	// crypto/tls, 65540 bytes in as many records.
	MaxHello, MaxRecords int

	// MaxConns bounds the connections, MaxPerAddr those of one IPv4 address
	// or IPv6 /64: further ones are closed when they come. MaxHalfOpen bounds
	// those that have not finished their handshake: when there are more, the
	// one is closed that has been at it longest. A client that sends something
	// else counts until crypto/tls has given up, or the connection is closed. 0
	// is for no limit. An [HTTP3] may share the first two.
	MaxConns, MaxPerAddr, MaxHalfOpen int

	// Dropped, if not nil, is told of each connection closed for a limit.
	Dropped func(DropReason)

	// TrustedProxies may send a header of the PROXY protocol, version 1 or 2,
	// and their connections then have the client's address. They do not
	// count for MaxPerAddr, their clients do.
	TrustedProxies []netip.Prefix

	gate   gate
	blocks sync.Pool // of *block: four fifths of what a Conn costs
	hellos sync.Pool // of *parser.ClientHello, for observations
}

// defaultHandshakeTimeout is for a client on a bad line; an honest handshake
// on a good one takes a tenth of a second.
const defaultHandshakeTimeout = 10 * time.Second

// Accept waits for a connection, but never for what a client sends. Its errors
// are those of the inner Listener, unchanged.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.conn(conn); c != nil {
			return c, nil
		}
		conn.Close()
	}
}

// conn returns nil for a connection over a limit.
func (l *Listener) conn(socket net.Conn) *Conn {
	c := &Conn{listener: l, accepted: time.Now()}
	var client netip.Addr
	if c.Conn, c.addrLater = l.behindProxy(socket); !c.addrLater && l.MaxPerAddr > 0 {
		client = addrPort(socket.RemoteAddr()).Addr()
	}
	if !l.admit(c, client) {
		return nil
	}
	if timeout := l.handshakeTimeout(); timeout > 0 {
		c.deadline.limit(c.Conn, c.accepted.Add(timeout))
	}
	return c
}

// handshakeTimeout returns 0 for none.
func (l *Listener) handshakeTimeout() time.Duration {
	if l.HandshakeTimeout == 0 {
		return defaultHandshakeTimeout
	}
	return max(0, l.HandshakeTimeout)
}

// block returns memory to read into.
func (l *Listener) block() *block {
	if l != nil {
		if b, ok := l.blocks.Get().(*block); ok {
			return b
		}
	}
	return new(block)
}

// hello returns memory to parse into.
func (l *Listener) hello() *parser.ClientHello {
	if h, ok := l.hellos.Get().(*parser.ClientHello); ok {
		return h
	}
	return new(parser.ClientHello)
}
