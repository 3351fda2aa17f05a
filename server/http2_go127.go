//go:build go1.27

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
)

// The keys of TLSNextProto. With the second one net/http hands over HTTP/2
// without TLS, if srv.Protocols has it.
const (
	protoHTTP2            = "h2"
	protoUnencryptedHTTP2 = "unencrypted_http2"
)

// http2Preface is what a client sends first (RFC 9113, section 3.4).
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// configureHTTP2 has a second http.Server serve HTTP/2. If net/http served HTTP/2
// for srv, it would do so on the *tls.Conn itself, which cannot record; but it
// accepts from a listener any connection that embeds one.
func configureHTTP2(srv *http.Server) error {
	if srv.TLSConfig == nil {
		srv.TLSConfig = new(tls.Config)
	}
	enabled, err := http2Enabled(srv.TLSConfig)
	if err != nil || !enabled {
		return err
	}
	addProto(srv.TLSConfig, protoHTTP2)
	addProto(srv.TLSConfig, "http/1.1")
	inner := sync.OnceValue(func() *http.Server { return http2Server(srv) })
	if srv.TLSNextProto == nil {
		srv.TLSNextProto = make(map[string]func(*http.Server, *tls.Conn, http.Handler))
	}
	srv.TLSNextProto[protoHTTP2] = func(_ *http.Server, c *tls.Conn, h http.Handler) {
		serveOn(inner(), &tlsHandover{recordHTTP2(c), newHandover(c, h)})
	}
	srv.TLSNextProto[protoUnencryptedHTTP2] = func(_ *http.Server, c *tls.Conn, h http.Handler) {
		if u, ok := c.NetConn().(interface{ UnencryptedNetConn() net.Conn }); ok {
			conn := u.UnencryptedNetConn()
			serveOn(inner(), &plainHandover{conn, newHandover(conn, h), http2Preface})
		}
	}
	srv.RegisterOnShutdown(func() {
		// This tells the clients. srv has the same connections and waits for them.
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = inner().Shutdown(ctx)
	})
	return nil
}

func addProto(config *tls.Config, name string) {
	for _, have := range config.NextProtos {
		if have == name {
			return
		}
	}
	config.NextProtos = append(config.NextProtos, name)
}

// errNoMoreConns is the error of a listener that has accepted its connection.
var errNoMoreConns = errors.New("no more connections")

// http2Enabled reports whether net/http serves HTTP/2 with this configuration.
// GODEBUG can switch it off, and the cipher suites may not allow it.
func http2Enabled(config *tls.Config) (bool, error) {
	probe := &http.Server{TLSConfig: config.Clone()}
	addProto(probe.TLSConfig, protoHTTP2)
	if err := probe.Serve(&oneConn{}); !errors.Is(err, errNoMoreConns) {
		return false, err
	}
	return probe.TLSNextProto[protoHTTP2] != nil, nil
}

// http2Server returns the server that serves HTTP/2 for srv.
func http2Server(srv *http.Server) *http.Server {
	inner := http2Config(srv)
	inner.MaxHeaderValueCount = srv.MaxHeaderValueCount
	inner.DisableClientPriority = srv.DisableClientPriority
	inner.Protocols = new(http.Protocols)
	inner.Protocols.SetHTTP2(true)
	inner.Protocols.SetUnencryptedHTTP2(true)
	inner.DisableGeneralOptionsHandler = true // srv has its own
	inner.ConnContext = func(_ context.Context, c net.Conn) context.Context { return c.(handoverConn).info().context }
	inner.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Context().Value(handlerKey{}).(http.Handler).ServeHTTP(w, r)
	})
	inner.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateActive, http.StateIdle: // srv reports the others itself
			if srv.ConnState != nil {
				srv.ConnState(c.(handoverConn).info().accepted, state)
			}
		case http.StateClosed:
			close(c.(handoverConn).info().closed)
		}
	}
	return inner
}

// serveOn has srv serve c and returns when c is closed.
func serveOn(srv *http.Server, c handoverConn) {
	l := &oneConn{conn: c}
	_ = srv.Serve(l) // returns once it has accepted c, or if it was shut down
	if l.conn == nil {
		<-c.info().closed
	}
}

// A oneConn is a listener that accepts one connection.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	c := l.conn
	if c == nil {
		return nil, errNoMoreConns
	}
	l.conn = nil
	return c, nil
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// A handoverConn is a connection that one server hands over to another.
type handoverConn interface {
	net.Conn
	info() *handover
}

// A handover is what the server that accepted a connection adds to it.
type handover struct {
	context  context.Context
	accepted net.Conn      // by the server that hands it over
	closed   chan struct{} // by the other one
}

type handlerKey struct{}

// newHandover returns that of c. net/http has made h for c.
func newHandover(c net.Conn, h http.Handler) handover {
	ctx := context.Background()
	if base, ok := h.(interface{ BaseContext() context.Context }); ok {
		ctx = base.BaseContext()
	}
	return handover{context.WithValue(ctx, handlerKey{}, h), c, make(chan struct{})}
}

func (h *handover) info() *handover { return h }

// A tlsHandover is a connection over TLS.
type tlsHandover struct {
	*recorded
	handover
}

// A plainHandover is a connection without TLS. net/http has read its preface, to
// find out that it speaks HTTP/2; it is read again.
type plainHandover struct {
	net.Conn
	handover
	unread string
}

func (c *plainHandover) Read(p []byte) (int, error) {
	if c.unread == "" {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}
