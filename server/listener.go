package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
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
	//
	// A connection sees that end in the first encrypted record of the client, once it
	// is whole. With client certificates in TLS 1.3, that record has the certificate or
	// a part of it, and a client may stall before the rest. [Server] limits
	// the whole handshake then, too. So does net/http if http.Server has a
	// ReadHeaderTimeout, and crypto/tls with a context for tls.Conn.HandshakeContext.
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

	// Verified, if not nil, is called with a hello over QUIC that Observe was called
	// with as Unverified, once its client has shown that it has the address that it
	// sends from: it has answered a Retry or another packet of the server, or its
	// handshake is finished. Hellos over TCP are verified when they come. It must not
	// block, since other clients of the socket may wait.
	Verified func(o *event.Observation)

	// Decide, if not nil, is called with each hello of a connection, after Observe
	// and before crypto/tls has all of it, and returns what becomes of the
	// connection. It is also called for a connection that ends, times out or turns
	// out to be something else before there is a hello, but not if the server closes
	// it: the Err of its Observation says which. c.Event gives what is known of the
	// first hello. For the hello after a HelloRetryRequest, c.Times has its time, and
	// the Config of the Decision comes too late.
	//
	// The goroutine that reads from the connection calls it. It may block, as
	// Observe may. The time counts for HandshakeTimeout, which does not
	// interrupt it.
	Decide func(c Client) Decision

	// DecideRequest, if not nil, is called with each request that reaches a handler of
	// [Wrap], as all of a [Server] do, and returns what is to become of it. [EventOf] has
	// the Event for it, with the claim. The Event of a connection settles with the Decision
	// about its first request, see Settled, and EventOf has that about its own request
	// from then on. The handlers below find it with [Judge], and obey it.
	//
	// With nil for r it is called once for a connection of the line protocol of a Server,
	// when its first line is whole. The Server then closes the connection, or waits
	// before, as the Decision says.
	//
	// The goroutine that serves the request calls it. It may block.
	DecideRequest func(c Client, r *http.Request) Decision

	// Settled, if not nil, is called once for each Event, when no more will be known
	// of it: the header of the first request is whole, the first line of the line
	// protocol has come, the connection has ended or was detached, SettleTimeout has
	// passed since the handshake, or MaxUnsettled is reached. The Event is full, and never
	// changes: keep it if you like, but do not change it. o holds during the call. If a
	// connection has two hellos, they are settled together, the first before the second.
	//
	// It is called by several goroutines at once. For a request or a line, the one
	// that serves it calls, so that only this client waits; for other connections
	// one of eight does, and the newest are lost if what waits for these takes more
	// than MaxUnsettled. It is never called with a lock held. It must not panic:
	// over HTTP/2 and for connections that have ended nothing recovers from that.
	//
	// The two Events of a connection come in their order, and never at once. Those of
	// different connections come in about the order in which these were settled: one
	// that takes longer, or whose handshake has to be asked about, is overtaken. Each
	// has the time of its hello.
	//
	// The first request is the first on the wire where [Server] or
	// [ConfigureHTTP2] serves HTTP/2, and otherwise the first that reaches a handler
	// of [Wrap], or [EventOf]. An http.Server answers "OPTIONS *" over HTTP/1.1 before
	// any handler, unless its DisableGeneralOptionsHandler is set; a Server does not.
	// Only a Server has a line protocol. Its first line is whole with its newline.
	Settled func(o *event.Observation, e *event.Event)

	// SettleTimeout is how long after its handshake a connection may stay without
	// a request before it is settled. 0 is a minute, negative is no limit.
	SettleTimeout time.Duration

	// MaxUnsettled bounds the memory of connections that are not settled, in bytes:
	// 1 KiB and its messages for each. What they leave is for Events that somebody
	// has asked for before they were settled, and for settled ones of more than 16
	// KiB: these are computed again when they were dropped. Clients over QUIC have a
	// quarter of it at most until their address is verified. 0 is 64 MiB.
	MaxUnsettled int

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

	// TrustHeader is the header field in which TrustedProxies that end TLS pass on
	// the JA4 of their own clients, such as CloudFront-Viewer-JA4-Fingerprint or
	// Cf-Ja4. Events of their requests have it as FrontJA4. Each of them must
	// remove the field from what its clients send. Empty is for none.
	TrustHeader string

	unbounded Limits    // used where Limits is nil
	blocks    sync.Pool // of *block, four fifths of what a Conn costs
	once      sync.Once // for lives
	lives     settling
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

// Lost returns the number of connections whose Events were not handed on, because
// [Listener.Settled] took too long for others.
func (l *Listener) Lost() int64 { return l.settling().lostEvents() }

// Forgotten returns the number of times that a client was forgotten to make room for
// another: a later hello of it may lack the tells of several connections, see
// [known.Trackers]. Clients are remembered where there is a hook, or somebody asks for
// Events.
func (l *Listener) Forgotten() int64 { return l.settling().trackers.Forgotten() }

// newConn returns nil for a connection over a bound.
func (l *Listener) newConn(socket net.Conn) *Conn {
	c := &Conn{listener: l, accepted: time.Now()}
	limits := l.limits()
	var addr netip.Addr
	if c.Conn, c.addrPending = l.behindProxy(socket); !c.addrPending && (limits.MaxPerAddr > 0 || limits.Allow != nil) {
		addr = addrPort(socket.RemoteAddr()).Addr()
		if !limits.allow(addr) {
			return nil
		}
	}
	if !limits.add(c, addr) {
		return nil
	}
	if timeout := l.handshakeTimeout(); timeout > 0 {
		c.deadline.limit(c.Conn, c.accepted.Add(timeout))
	}
	return c
}

// SettleAll settles all connections, and waits until Settled has returned for each,
// or until ctx is done, whose error it returns then. Call it when the server has
// shut down: an Event of a connection whose handshake is not finished then says
// nothing of it.
func (l *Listener) SettleAll(ctx context.Context) error { return l.settling().all(ctx) }

// settling returns what settles the connections of l.
func (l *Listener) settling() *settling {
	l.once.Do(func() {
		l.lives.configure(l.Settled, l.SettleTimeout, l.MaxUnsettled, l.Clients)
		l.lives.decideRequest = l.DecideRequest
	})
	return &l.lives
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
