// Package server puts the parser in front of crypto/tls: a [Listener] whose
// connections know the hello of their client, an endpoint that tells clients
// what they sent, and what a server needs to pass it on.
package server

import (
	"net"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
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
	// of its handshake, however often it sends something. 0 is 10 seconds,
	// negative is for ever.
	HandshakeTimeout time.Duration

	// Observe, if not nil, is told of each hello, and of each connection that
	// ends or turns out to be something else before there is one. It is
	// called by whoever reads from the connection, before crypto/tls has the
	// hello's last byte. What the observation refers to is the connection's:
	// it is not to be kept.
	Observe func(*event.Observation)

	blocks sync.Pool // of *block: four fifths of what a Conn costs
	hellos sync.Pool // of *parser.ClientHello, for observations
}

// defaultHandshakeTimeout is for a client on a bad line; an honest handshake
// on a good one takes a tenth of a second.
const defaultHandshakeTimeout = 10 * time.Second

// Accept waits for a connection, but never for what a client sends. Its errors
// are those of the inner Listener, unchanged.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.conn(conn), nil
}

func (l *Listener) conn(inner net.Conn) *Conn {
	c := &Conn{Conn: inner, listener: l, accepted: time.Now()}
	timeout := l.HandshakeTimeout
	if timeout == 0 {
		timeout = defaultHandshakeTimeout
	}
	if timeout > 0 {
		c.deadline.limit(inner, c.accepted.Add(timeout))
	}
	return c
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
