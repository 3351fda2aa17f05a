package server

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/pires/go-proxyproto"
)

// behindProxy makes conn, if it comes from a trusted proxy, one that reads the
// header of the PROXY protocol when it is first read from, and has the
// addresses that it names. A health check without a header keeps its own.
func (l *Listener) behindProxy(conn net.Conn) (net.Conn, bool) {
	if len(l.TrustedProxies) == 0 {
		return conn, false
	}
	peer := addrPort(conn.RemoteAddr()).Addr().Unmap()
	if !slices.ContainsFunc(l.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(peer) }) {
		return conn, false
	}
	c := &proxied{Conn: conn}
	c.begin()
	return c, true
}

// A proxied connection begins with a header of the PROXY protocol, and has the
// addresses that it names. It is read once, and again where a deadline has
// passed within it: a [proxyproto.Conn] would return that error for ever.
type proxied struct {
	net.Conn // of the proxy
	inner    atomic.Pointer[proxyproto.Conn]
	whole    bool   // the header was read
	read     []byte // of it, as long as it is not whole
	again    []byte // to be read again
	timeout  error  // that reading it ended with: a proxyproto.Conn has an error of its own
}

// begin begins to read the header. The handshake's deadline is for it, too.
func (c *proxied) begin() {
	c.again, c.timeout = c.read, nil
	c.inner.Store(proxyproto.NewConn(headerReader{c.Conn, c}, proxyproto.SetReadHeaderTimeout(0), proxyproto.WithPolicy(proxyproto.USE)))
}

func (c *proxied) Read(p []byte) (int, error) {
	n, err := c.inner.Load().Read(p)
	switch {
	case c.whole:
	case err != nil && c.timeout != nil:
		err = c.timeout
		c.begin()
	default:
		c.whole, c.read = true, nil
	}
	return n, err
}

func (c *proxied) LocalAddr() net.Addr  { return c.inner.Load().LocalAddr() }
func (c *proxied) RemoteAddr() net.Addr { return c.inner.Load().RemoteAddr() }

// A headerReader is what a proxyproto.Conn reads from.
type headerReader struct {
	net.Conn
	to *proxied
}

func (r headerReader) Read(p []byte) (int, error) {
	c := r.to
	if len(c.again) > 0 {
		n := copy(p, c.again)
		c.again = c.again[n:]
		return n, nil
	}
	n, err := r.Conn.Read(p)
	if !c.whole {
		c.read = append(c.read, p[:n]...)
		if isTimeout(err) {
			c.timeout = err
		}
	}
	return n, err
}

// socket returns the connection that has the optional methods of a socket.
func (c *Conn) socket() net.Conn {
	if p, ok := c.Conn.(*proxied); ok {
		return p.Conn
	}
	return c.Conn
}
