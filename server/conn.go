package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// blockSize is how much a connection reads at once while it waits for a hello,
// and the most that Read holds back: 99 of 100 hellos of real clients fit.
const blockSize = 2304

type block [blockSize]byte

// A Conn is a connection that reads its client's hello as it passes. The first
// Read waits until the hello is whole, as long as all that came is the
// beginning of one and fits in a block. From then on, and in every other case,
// bytes are handed on as they come. Each is looked at once, and none is
// changed: crypto/tls above answers what it would answer without it.
type Conn struct {
	net.Conn // below

	listener *Listener
	accepted time.Time
	deadline deadline
	through  atomic.Bool // nothing is held any more, nor looked for
	known    atomic.Bool // hello, or why there is none, is known
	written  atomic.Uint32

	reading   sync.Mutex // guards what only readers need
	block     *block     // nil before it is needed, and once it is given back
	held      []byte     // what was read ahead: in block, as long as it fits
	next      int        // in held, of the first byte to hand on
	heldErr   error      // with which the connection ended after held
	following bool       // bytes are handed on before the hello is known
	over      bool       // there is nothing left to look for
	deaf      bool       // records are not read any more
	refused   error      // by a Decision, or a limit
	addrLater bool       // the client's address comes with its first bytes
	records   parser.RecordAssembler
	flight    flight
	config    *tls.Config // of a Decision
	place     place       // guarded by the Listener

	mu      sync.Mutex
	hello   hello
	second  *hello        // after a HelloRetryRequest
	err     error         // why there is no hello
	seen    []byte        // with err: the first bytes that came
	ended   time.Time     // when the client had sent its part of the handshake
	wanted  bool          // somebody may ask for the hello after Close
	lent    bool          // somebody has what lies in block
	full    *event.Event  // of the hello, once somebody asked
	values  *fingerprints // once somebody asked
	http2   string        // fingerprint in Akamai's format
	headers string        // names of those of the first HTTP/2 request, in order
}

// Read reads what the client sent.
func (c *Conn) Read(p []byte) (int, error) {
	if c.through.Load() {
		return c.Conn.Read(p)
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if c.next < len(c.held) && c.deadline.expired() {
		return 0, c.timeoutError()
	}
	for c.waits() {
		err := c.readAhead()
		if !isTimeout(err) {
			continue
		}
		if len(c.held) == 0 {
			return 0, err
		}
		break // what came before the deadline is handed on, and the next Read ends with it
	}
	c.following = true
	n, err := 0, error(nil)
	if c.refused == nil {
		n, err = c.handOn(p)
	}
	if c.refused != nil {
		return 0, c.refused
	}
	if c.next == len(c.held) && (!c.known.Load() || c.err != nil) {
		c.drained()
	}
	if c.over && c.next == len(c.held) && c.heldErr == nil {
		c.pass()
	}
	return n, err
}

// waits reports whether to hold back what came so far: it is the beginning of
// a hello and nothing that crypto/tls could answer as it stands.
func (c *Conn) waits() bool {
	return !c.following && !c.known.Load() && !c.flight.odd && c.heldErr == nil && len(c.held) < blockSize
}

// readAhead reads once into held. An error is kept for those who read, but
// for that of a deadline: it may be moved, and then reading goes on.
func (c *Conn) readAhead() error {
	if c.held == nil {
		c.block = c.listener.block()
		c.held = c.block[:0]
	}
	from := len(c.held)
	c.held = slices.Grow(c.held, 1)
	n, err := c.Conn.Read(c.held[from:cap(c.held)])
	c.held = c.held[:from+n]
	c.came(c.held[from:], err)
	if !isTimeout(err) {
		c.heldErr = err
	}
	return err
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// timeoutError returns what a socket does when the deadline for reading has
// passed, though there is something to read.
func (c *Conn) timeoutError() error {
	return &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.ErrDeadlineExceeded}
}

// Write writes to the client.
func (c *Conn) Write(p []byte) (int, error) {
	if !c.through.Load() && written(c.written.Load()) != writtenRetry {
		c.written.Store(uint32(writtenBy(p)))
	}
	return c.Conn.Write(p)
}

// handOn reads what was held, and from below once it is used up.
func (c *Conn) handOn(p []byte) (int, error) {
	if c.next < len(c.held) {
		n := copy(p, c.held[c.next:])
		c.next += n
		return n, nil
	}
	if err := c.heldErr; err != nil {
		c.heldErr = nil
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.came(p[:n], err)
	return n, err
}

// drained keeps no more of the block than what is told if no hello comes.
func (c *Conn) drained() {
	if c.block == nil {
		return
	}
	if !c.known.Load() && c.seen == nil {
		c.seen = slices.Clone(c.held[:min(len(c.held), maxSeen)])
	}
	c.held, c.next = nil, 0
	c.giveBack()
}

// pass gets out of the way.
func (c *Conn) pass() {
	c.held, c.next = nil, 0
	c.mu.Lock()
	if c.hello.within && c.wanted && !c.lent { // it may well outlive the block's use
		c.hello.raw = slices.Clone(c.hello.raw)
		c.hello.within = false
	}
	if !c.hello.within {
		c.giveBack()
	}
	c.mu.Unlock()
	c.records = parser.RecordAssembler{}
	c.through.Store(true)
}

// Close closes the connection.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	if c.listener != nil {
		c.listener.leave(c)
	}
	c.reading.Lock() // a reader comes back from the closed connection
	defer c.reading.Unlock()
	c.fail(net.ErrClosed)
	c.over = true
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wanted {
		if c.err == nil {
			c.err = errGone
		}
		c.hello, c.second = hello{}, nil
		c.held, c.next = nil, 0
		c.giveBack()
	}
	return err
}

var errGone = fmt.Errorf("the ClientHello went with its connection: %w", net.ErrClosed)

// giveBack lets another connection have the block.
func (c *Conn) giveBack() {
	if c.block != nil && c.listener != nil {
		c.listener.blocks.Put(c.block)
		c.block = nil
	}
}

// SetDeadline sets the deadlines for reading and writing. Until the handshake
// is over, both end at the Listener's if that is earlier.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets the deadline for reading, as [Conn.SetDeadline] does.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.deadline.askRead(c.Conn, t) }

// SetWriteDeadline sets the deadline for writing, as [Conn.SetDeadline] does.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.deadline.askWrite(c.Conn, t) }

// NetConn returns the connection below. Reading from it takes bytes away from
// the Conn.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// ReadFrom writes what it reads from r until its end, by the means of the
// connection below if that has any.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if w, ok := c.socket().(io.ReaderFrom); ok {
		return w.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// CloseWrite closes the writing side, if the connection below can.
func (c *Conn) CloseWrite() error {
	if w, ok := c.socket().(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return fmt.Errorf("closing the writing side of a %T: %w", c.Conn, errors.ErrUnsupported)
}

// SyscallConn returns the raw connection, if the one below has it. Reading
// from it takes bytes away from the Conn.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.socket().(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, fmt.Errorf("raw access to a %T: %w", c.Conn, errors.ErrUnsupported)
}
