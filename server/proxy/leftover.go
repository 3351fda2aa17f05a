package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// errLeftover says that a backend has sent something before it was asked.
var errLeftover = fmt.Errorf("the backend sends what nobody has asked for: %w", net.ErrClosed)

// readTime is how long net/http may take to go on reading from a connection.
const readTime = time.Second

// A backendConn is a connection to a backend. It sees that nothing a backend has sent
// behind an answer becomes the answer to another request: net/http's Transport gives a
// connection to the next request before it looks whether something is left of the last
// one.
//
// With bytes left in any buffer, the Transport does not read from the connection. It takes
// them for the answer to a request that is there, and otherwise closes the connection. So
// a request waits, before it is there, until a Read is in progress, or the connection is
// closed. What comes between that and the first byte of the request ends the connection.
type backendConn struct {
	net.Conn
	socket socket

	protocol atomic.Int32 // one of those below

	mu      sync.Mutex
	reading bool
	closed  bool
	armed   bool          // for a request of which nothing is written yet
	spoiled bool          // something came while armed
	changed chan struct{} // closed with the next Read or Close; nil if nobody waits
}

// What a backend speaks on a connection.
const (
	unknownProtocol = iota
	isHTTP1
	isHTTP2
)

func newBackendConn(conn net.Conn) *backendConn {
	c := &backendConn{Conn: conn}
	c.socket.init(c)
	return c
}

// backendConnOf returns the connection below one of a Transport, and nil if it speaks
// HTTP/2.
func backendConnOf(conn net.Conn) *backendConn {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		c, _ := conn.(*backendConn)
		return c
	}
	c, _ := secure.NetConn().(*backendConn)
	if c == nil {
		return nil
	}
	if c.protocol.Load() == unknownProtocol {
		protocol := int32(isHTTP1)
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			protocol = isHTTP2
		}
		c.protocol.Store(protocol)
	}
	if c.protocol.Load() == isHTTP2 {
		return nil
	}
	return c
}

// wake tells those who wait that something has changed.
func (c *backendConn) wake() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

func (c *backendConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	c.reading = true
	c.wake()
	c.mu.Unlock()
	n, err := c.socket.read(c, p)
	if err == nil && n > 0 && c.isSpoiled() {
		return 0, errLeftover
	}
	return n, err
}

// readPlainly is Read for what is no socket.
func (c *backendConn) readPlainly(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.came()
	return n, err
}

// came notes that a Read has ended. It is called with mu locked.
func (c *backendConn) came() {
	c.reading = false
	c.spoiled = c.spoiled || c.armed
}

func (c *backendConn) isSpoiled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spoiled
}

func (c *backendConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.armed {
		c.armed = false
		c.spoiled = c.spoiled || c.socket.arrived()
	}
	spoiled := c.spoiled
	c.mu.Unlock()
	if spoiled {
		return 0, errLeftover
	}
	return c.Conn.Write(p)
}

// Close also ends what waits for a Read.
func (c *backendConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.wake()
	c.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite is for WebSockets.
func (c *backendConn) CloseWrite() error {
	if c, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return http.ErrNotSupported
}

// arm readies c for another request. It returns false, and closes c, if something may be
// left of the last answer, or the backend has ended the connection.
func (c *backendConn) arm(ctx context.Context) bool {
	for {
		c.mu.Lock()
		if c.reading || c.closed || c.spoiled {
			ok := c.reading && !c.closed && !c.spoiled && !c.socket.arrived()
			c.armed = ok
			c.mu.Unlock()
			if !ok {
				c.Close()
			}
			return ok
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		if !wait(ctx, changed) {
			c.Close()
			return false
		}
	}
}

func wait(ctx context.Context, changed <-chan struct{}) bool {
	timer := time.NewTimer(readTime)
	defer timer.Stop()
	select {
	case <-changed:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// traced has gotConn called for each connection that r is given.
func (x *exchange) traced(r *http.Request) *http.Request {
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil || trace.GotConn != nil {
		return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: x.gotConn}))
	}
	trace.GotConn = x.gotConn // that of ReverseProxy, made for this request
	return r
}

// gotConn is called before a request is sent on a connection.
func (x *exchange) gotConn(info httptrace.GotConnInfo) {
	stale := false
	if info.Reused {
		if c := backendConnOf(info.Conn); c != nil {
			stale = !c.arm(x)
			if stale { // another one is dialed, and this may come again before that is done
				x.dials.count.Store(0)
			}
		}
	}
	x.stale.Store(stale)
}

// roundTrip sends r. The Transport sends not every request again that it had no connection
// for, since it cannot know that nothing was sent of it.
func (x *exchange) roundTrip(t *http.Transport, r *http.Request) (*http.Response, error) {
	r = x.traced(r)
	for {
		x.stale.Store(false)
		res, err := t.RoundTrip(r)
		if err == nil || !x.stale.Load() {
			return res, err
		}
	}
}

// A heldBody is the body of a request to a backend. Nothing of it is read, and it is not
// closed, for a connection that is stale.
type heldBody struct {
	io.ReadCloser
	stale *atomic.Bool
}

func (b *heldBody) Read(p []byte) (int, error) {
	if b.stale.Load() {
		return 0, errLeftover
	}
	return b.ReadCloser.Read(p)
}

func (b *heldBody) Close() error {
	if b.stale.Load() {
		return nil
	}
	return b.ReadCloser.Close()
}
