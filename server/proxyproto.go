package server

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/pires/go-proxyproto"
)

// behindProxy returns conn, or, if it comes from a trusted proxy, a connection
// that reads a header of the PROXY protocol first and has the addresses in it.
// One without a header, such as a health check, keeps its own addresses.
func (l *Listener) behindProxy(conn net.Conn) (c net.Conn, trusted bool) {
	if len(l.TrustedProxies) == 0 {
		return conn, false
	}
	if !l.trusts(addrPort(conn.RemoteAddr()).Addr()) {
		return conn, false
	}
	p := &proxied{Conn: conn}
	p.parseHeader()
	return p, true
}

// trusts reports whether a peer is a trusted proxy.
func (l *Listener) trusts(peer netip.Addr) bool {
	peer = peer.Unmap()
	return slices.ContainsFunc(l.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// A proxied connection begins with a header of the PROXY protocol. A
// proxyproto.Conn parses it. It would return a timeout within the header for
// ever, so that a new one begins after each, with what was read before.
type proxied struct {
	net.Conn // of the proxy
	parser   atomic.Pointer[proxyproto.Conn]
	done     bool   // the header was parsed
	header   []byte // what was read of the connection, until done
	given    int    // bytes of header that parser has
	timeout  error  // within the header; parser returns an error of its own
	draining bool   // nothing is read of the connection
}

// parseHeader begins to parse the header. Its time is bounded by the deadline of
// the handshake.
func (c *proxied) parseHeader() {
	c.given, c.timeout = 0, nil
	c.parser.Store(proxyproto.NewConn(headerReader{c.Conn, c}, proxyproto.SetReadHeaderTimeout(0), proxyproto.WithPolicy(proxyproto.USE)))
}

func (c *proxied) Read(p []byte) (int, error) {
	n, err := c.parser.Load().Read(p)
	switch {
	case c.done:
	case err != nil && c.timeout != nil:
		err = c.timeout
		c.parseHeader()
	default:
		c.done = true
	}
	return n, err
}

func (c *proxied) LocalAddr() net.Addr  { return c.parser.Load().LocalAddr() }
func (c *proxied) RemoteAddr() net.Addr { return c.parser.Load().RemoteAddr() }

// A headerReader is what a proxyproto.Conn reads from.
type headerReader struct {
	net.Conn
	proxied *proxied
}

func (r headerReader) Read(p []byte) (int, error) {
	c := r.proxied
	if c.done && c.given == len(c.header) {
		c.header, c.given = nil, 0
		if c.draining {
			return 0, errDrained
		}
		return r.Conn.Read(p)
	}
	for c.given == len(c.header) || isPartOfLine(c.header) {
		n, err := r.Conn.Read(p)
		c.header = append(c.header, p[:n]...)
		if isTimeout(err) {
			c.timeout = err
			return 0, err
		}
		if err != nil && c.given == len(c.header) {
			return 0, err
		}
		if err != nil {
			break // the connection says so again
		}
	}
	n := copy(p, c.header[c.given:])
	c.given += n
	return n, nil
}

// maxLine1 is the longest header of version 1.
const maxLine1 = 107

// isPartOfLine reports whether b is the beginning of a header of version 1 that
// has not ended. A proxyproto.Conn must get such a header in one Read; the
// protocol recommends to be tolerant, and TCP may split it anywhere.
func isPartOfLine(b []byte) bool {
	const start = "PROXY"
	n := min(len(b), len(start))
	return len(b) < maxLine1 && string(b[:n]) == start[:n] && bytes.IndexByte(b, '\n') < 0
}

// socket returns the connection that has the optional methods of a socket.
func (c *Conn) socket() net.Conn {
	if p, ok := c.Conn.(*proxied); ok {
		return p.Conn
	}
	return c.Conn
}
