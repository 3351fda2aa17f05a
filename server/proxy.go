package server

import (
	"net"
	"net/netip"
	"slices"

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
	// The handshake's deadline is for the header, too.
	return proxyproto.NewConn(conn, proxyproto.SetReadHeaderTimeout(0), proxyproto.WithPolicy(proxyproto.USE)), true
}

// socket returns the connection that has the optional methods of a socket.
func (c *Conn) socket() net.Conn {
	if p, ok := c.Conn.(*proxyproto.Conn); ok {
		return p.Raw()
	}
	return c.Conn
}
