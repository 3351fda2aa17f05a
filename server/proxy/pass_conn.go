package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/server"
)

// A passing is a connection that a [Pass] passes on.
type passing struct {
	server *passServer
	client *server.Conn
	node   lru.Node[passing] // guarded by the Pass

	up, down half // of the client and of the backend

	mu      sync.Mutex // guards what follows
	backend net.Conn   // nil before it is connected
	passed  bool       // bytes are carried
	ended   error      // by abort

	reset atomic.Bool // one side has gone without an end

	looked int64 // bytes at the last look of the watch, which alone uses this
	quiet  int   // looks since then
}

// serve passes the connection on, and closes it.
func (c *passing) serve() {
	done := PassedConn{Began: time.Now()}
	s := c.server
	defer s.running.Done()
	done.Err = c.pass(&done)
	c.mu.Lock()
	if c.ended != nil {
		done.Err = c.ended
	}
	backend := c.backend
	c.mu.Unlock()
	if backend != nil {
		backend.Close()
	}
	c.client.Close()
	s.mu.Lock()
	s.open.Remove(&c.node)
	s.mu.Unlock()
	if s.Done == nil {
		return
	}
	done.Client = c.client.RemoteAddr()
	done.Took = time.Since(done.Began)
	done.Sent += c.up.bytes.Load()
	done.Received = c.down.bytes.Load()
	done.Event, _ = c.client.Event(event.Compact)
	if done.Event.SNI != nil {
		done.ServerName = *done.Event.SNI
	}
	s.Done(&done)
}

// pass returns why the connection has ended, or nil if both sides have closed it.
func (c *passing) pass(done *PassedConn) error {
	hello, below, err := c.client.Detach()
	if err != nil {
		return err
	}
	target, e, err := c.target(hello)
	if target == nil {
		c.refuse(below, hello, err)
		return err
	}
	done.Route, done.To = target.Name, target.To
	backend, err := c.connect(target)
	if err != nil {
		c.alert(below, hello, alertInternalError)
		return fmt.Errorf("%w: %w", ErrBackend, err)
	}
	if err := c.begin(backend, hello, e); err != nil {
		c.alert(below, hello, alertInternalError)
		return fmt.Errorf("%w: %w", ErrBackend, err)
	}
	done.Sent = int64(len(hello))
	c.carry(below, backend)
	if c.reset.Load() {
		resetOnClose(below)
		resetOnClose(backend)
	}
	return errors.Join(c.up.err, c.down.err)
}

// target returns where the connection goes, or an error for nowhere, and the Event if the
// backend is told of it.
func (c *passing) target(hello []byte) (*passTarget, *event.Event, error) {
	rs := c.server.routes
	var e *event.Event
	if c.server.ProxyProtocol == ProxyV2 || len(rs.exact) > 0 || len(rs.below) > 0 {
		known, ok := c.client.Event(event.Compact)
		if ok {
			e = &known
		}
	}
	if len(hello) > 0 && !isTLS(hello) {
		if _, err := c.client.ClientHello(); err != nil { // and it is none in SSLv2 format
			return nil, nil, err
		}
	}
	name := ""
	if e != nil && e.SNI != nil && e.Error == "" {
		name = *e.SNI
	}
	if t := rs.find(name); t != nil {
		return t, e, nil
	}
	if _, err := c.client.ClientHello(); err != nil {
		return nil, nil, err
	}
	return nil, nil, ErrNoRoute
}

// connect connects to a backend.
func (c *passing) connect(t *passTarget) (net.Conn, error) {
	ctx := c.server.hardStop
	if d := timeout(c.server.ConnectTimeout, defaultConnectTimeout); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	var d net.Dialer
	if t.fixed.IsValid() {
		conn, err := d.DialTCP(ctx, "tcp", noAddr, t.fixed)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
	return d.DialContext(ctx, t.network, t.address)
}

// begin sends the header and the hello to the backend, in one write.
func (c *passing) begin(backend net.Conn, hello []byte, e *event.Event) error {
	c.mu.Lock()
	c.backend, c.passed = backend, c.ended == nil
	ended := c.ended
	c.mu.Unlock()
	if ended != nil {
		return ended
	}
	header, err := c.server.ProxyProtocol.header(c.client.RemoteAddr(), c.client.LocalAddr(), e)
	if err != nil {
		return err
	}
	_, err = backend.Write(append(header, hello...))
	return err
}

// carry carries bytes both ways until both sides have ended.
func (c *passing) carry(below, backend net.Conn) {
	c.up.init(c, below, backend)
	c.down.init(c, backend, below)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		c.down.run()
	}()
	c.up.run()
	<-finished
}

// abort ends the connection at once.
func (c *passing) abort(why error) {
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return
	}
	c.ended = why
	backend := c.backend
	c.mu.Unlock()
	resetOnClose(c.client.NetConn())
	if backend != nil {
		resetOnClose(backend)
		backend.Close()
	}
	c.client.Close()
}

// endUnlessPassed ends a connection that waits for its hello, or for the backend.
func (c *passing) endUnlessPassed() {
	c.mu.Lock()
	passed := c.passed
	c.mu.Unlock()
	if !passed {
		c.abort(net.ErrClosed)
	}
}

// isStalled reports whether no byte has come since stallLooks looks.
func (c *passing) isStalled() bool {
	c.mu.Lock()
	passed := c.passed && c.ended == nil
	c.mu.Unlock()
	if !passed {
		return false
	}
	bytes := c.up.bytes.Load() + c.down.bytes.Load()
	if bytes != c.looked {
		c.looked, c.quiet = bytes, 0
		return false
	}
	c.quiet++
	return c.quiet > stallLooks
}

// resetOnClose has Close send a reset, where the connection can: its peer must not take
// what it has received for all.
func resetOnClose(conn net.Conn) {
	if t, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0) // it may be closed
	}
}

// A half carries bytes one way.
type half struct {
	conn     *passing
	src, dst net.Conn
	bytes    atomic.Int64
	err      error // why it has ended; nil at the end of src
	copier
}

func (h *half) init(c *passing, src, dst net.Conn) {
	h.conn, h.src, h.dst = c, src, dst
	h.copier.init(h)
}

// run carries bytes until src has ended, and says so to dst. Where one of them is reset the
// other half goes on, with what is still there, until it finds the same.
func (h *half) run() {
	err, writing := h.carry()
	c := h.conn
	switch {
	case err == nil && !c.reset.Load():
		closeWrite(h.dst)
		return
	case err == nil:
		return
	}
	h.err = err
	c.reset.Store(true)
	if writing && peerReset(err) {
		return
	}
	c.abort(err)
}

// closeWrite tells the peer of conn that nothing more comes.
func closeWrite(conn net.Conn) {
	if w, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite() // it may be closed: then the other half says so
	}
}

func peerReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}
