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

	target   *passTarget // nil until it is known, and for none
	up, down half        // of the client and of the backend

	mu      sync.Mutex // guards what follows
	below   net.Conn   // of the client; nil before its hello has come
	backend net.Conn   // nil before it is connected
	passed  bool       // bytes are carried
	ended   error      // by abort

	reset  atomic.Bool  // one side has gone without an end
	halves atomic.Int32 // that have ended

	looked int64 // bytes at the last look of the watch, which alone uses this
	quiet  int   // looks since then
}

// serve passes the connection on. The half that ends last closes it.
func (c *passing) serve() {
	if err := c.pass(); err != nil {
		c.finish(err)
	}
}

// finish closes the connection.
func (c *passing) finish(err error) {
	s := c.server
	defer s.running.Done()
	c.mu.Lock()
	if c.ended != nil && !errors.Is(err, ErrNoRoute) { // the end may come while the client reads its alert
		err = c.ended
	}
	below, backend := c.below, c.backend
	c.mu.Unlock()
	reset := c.reset.Load()
	if reset {
		resetOnClose(below)
	}
	if backend != nil {
		if reset {
			resetOnClose(backend)
		}
		backend.Close()
	}
	c.client.Close()
	s.mu.Lock()
	s.open.Remove(&c.node)
	s.mu.Unlock()
	if s.Done != nil {
		c.report(err)
	}
}

// report calls Done. It is not inlined, so that what it is called with does not stand in
// the frame of serve for as long as the connection is open.
//
//go:noinline
func (c *passing) report(err error) {
	began := c.client.Times().Accepted
	s := c.server
	done, ok := s.reports.Get().(*PassedConn)
	if !ok {
		done = new(PassedConn)
	}
	*done = PassedConn{
		Client:   c.client.RemoteAddr(),
		Began:    began,
		Took:     time.Since(began),
		Sent:     c.up.bytes.Load(),
		Received: c.down.bytes.Load(),
		Err:      err,
	}
	if c.target != nil {
		done.Route, done.To = c.target.Name, c.target.To
	}
	done.Event, _ = c.client.Event(event.Compact)
	if done.Event.SNI != nil {
		done.ServerName = *done.Event.SNI
	}
	s.Done(done)
	*done = PassedConn{}
	s.reports.Put(done)
}

// pass returns why the connection is not passed on. If it returns nil, bytes were carried
// both ways, and the connection is closed, or will be.
func (c *passing) pass() error {
	hello, below, err := c.client.Detach()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.below = below
	c.mu.Unlock()
	header, err := c.choose(hello)
	if c.target == nil {
		c.refuse(below, hello, err)
		return err
	}
	if err := c.begin(header, hello); err != nil {
		c.alert(below, hello, alertInternalError)
		c.logUnreachable(err)
		return fmt.Errorf("%w: %w", ErrBackend, err)
	}
	c.up.init(c, below, c.backend)
	c.down.init(c, c.backend, below)
	go c.down.run()
	c.up.run()
	return nil
}

// choose sets the target, or returns an error if there is none. It returns the header that
// the backend is to get. It is not inlined for the reason that report is not.
//
//go:noinline
func (c *passing) choose(hello []byte) (header []byte, err error) {
	if len(hello) > 0 && !isTLS(hello) {
		if _, err := c.client.ClientHello(); err != nil { // and it is none in SSLv2 format
			return nil, err
		}
	}
	rs, version := c.server.routes, c.server.ProxyProtocol
	var e event.Event
	if version == ProxyV2 || len(rs.exact) > 0 || len(rs.below) > 0 {
		e, _ = c.client.Event(event.Compact)
	}
	name := ""
	if e.SNI != nil && e.Error == "" {
		name = *e.SNI
	}
	if c.target = rs.find(name); c.target != nil {
		return version.header(c.client.RemoteAddr(), c.client.LocalAddr(), &e)
	}
	if _, err := c.client.ClientHello(); err != nil {
		return nil, err
	}
	return nil, ErrNoRoute
}

// begin connects to the backend, and sends it the header and the hello in one write.
func (c *passing) begin(header, hello []byte) error {
	backend, err := c.connect()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.backend, c.passed = backend, c.ended == nil
	ended := c.ended
	c.mu.Unlock()
	if ended != nil {
		return ended
	}
	b := c.server.getBuffer()
	first := append(append(b[:0], header...), hello...)
	_, err = backend.Write(first)
	c.server.putBuffer(b)
	if err == nil {
		c.up.bytes.Add(int64(len(hello)))
	}
	return err
}

// logUnreachable says that the backend cannot be reached, unless the proxy has ended the
// connection.
func (c *passing) logUnreachable(err error) {
	c.mu.Lock()
	ended := c.ended != nil
	c.mu.Unlock()
	if !ended {
		c.server.log.Warn("passing a connection on", "route", c.target.Name, "backend", c.target.To, "error", err)
	}
}

// connect connects to the backend.
func (c *passing) connect() (net.Conn, error) {
	s := c.server
	var d net.Dialer
	if timeout(s.StallTimeout, defaultStallTimeout) > 0 {
		d.KeepAlive = -1 // the watch ends what is dead
	}
	ctx := s.hardStop
	if limit := timeout(s.ConnectTimeout, defaultConnectTimeout); limit > 0 && c.target.lookup {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	} else if limit > 0 {
		ctx = deadlineContext{ctx, time.Now().Add(limit)}
	}
	return d.DialContext(ctx, c.target.network, c.target.address)
}

// A deadlineContext has a deadline that package net sees, and no timer. A look-up of names
// would not see it.
type deadlineContext struct {
	context.Context
	deadline time.Time
}

func (c deadlineContext) Deadline() (time.Time, bool) { return c.deadline, true }

// abort ends the connection at once.
func (c *passing) abort(why error) {
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return
	}
	c.ended = why
	below, backend := c.below, c.backend
	c.mu.Unlock()
	if below != nil {
		resetOnClose(below)
	}
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
	h.err = err
	switch {
	case err == nil && c.halves.Load() == 0 && !c.reset.Load(): // else closing the connection says so
		closeWrite(h.dst)
	case err == nil:
	default:
		c.reset.Store(true)
		if !writing || !peerReset(err) {
			c.abort(err)
		}
	}
	if c.halves.Add(1) == 2 {
		c.finish(errors.Join(c.up.err, c.down.err))
	}
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
