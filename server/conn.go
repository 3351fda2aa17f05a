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

	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A Conn is a connection that reads its client's hello as it passes, and is a
// [Client]. Read holds back a hello until it is whole, at most 64 KiB and its record
// headers. It hands on at once whatever crypto/tls could answer earlier, a hello in
// more than a few records of under 16 bytes, and everything after the hello. It
// changes no byte: crypto/tls answers as it would without a Conn.
//
// Like any net.Conn, it may be used by several goroutines at once.
type Conn struct {
	net.Conn // below

	listener *Listener // nil for a zero Conn
	accepted time.Time
	deadline deadline
	state    atomic.Uint32 // a state; changed with reading held
	outcome  atomic.Bool   // the hello has come, or err says why not
	closed   atomic.Bool
	sent     atomic.Uint32 // a sent

	reading     sync.Mutex // guards what only readers use
	ahead       readAhead
	scan        helloScan // of what is held back
	records     parser.RecordAssembler
	tracker     handshakeTracker
	parseDone   bool        // no more records are parsed
	addrPending bool        // the client's address comes with the first bytes
	refused     error       // by a Decision or a bound
	config      *tls.Config // of a Decision
	hold        *hold       // by a Decision, until it is over; nil for none
	decidedOnce bool        // Decide is not asked again

	entry    connEntry      // guarded by the Limits
	halfOpen lru.Node[Conn] // guarded by the Limits

	mu       sync.Mutex    // guards what follows
	closing  chan struct{} // closed by Close; nil unless a Decision waits
	first    message       // the ClientHello
	second   *message      // the one after a HelloRetryRequest
	err      error         // why there is no ClientHello
	received []byte        // with err: the first bytes that came
	finished time.Time     // when the client had sent its part of the handshake
	retain   bool          // the hello may be asked for after Close
	detached bool          // somebody else goes on with the connection below
	aliased  bool          // a caller holds memory of the block
	tracked  bool          // the first hello was compared with those of other connections
	tells    []known.Tell  // that this has shown
	http2    *http2Seen    // nil before the first request over HTTP/2, and if it is not recorded
	values   *fingerprints

	tls  *tls.Conn // above, if it is known
	life *life     // nil before anyone needs it
}

// A state says what a Conn does with the bytes of its client. It only goes up.
type state uint32

const (
	// Bytes are read ahead and held back. They are scanned, but not inspected yet.
	stateBuffering state = iota

	// Bytes are handed on, and inspected as they come.
	stateForwarding

	// Nothing is left to inspect. What was read ahead is handed on first.
	stateDraining

	// Read and Write are those of the connection below.
	statePassthrough
)

func (c *Conn) inState(s state) bool { return state(c.state.Load()) == s }

// advance changes to state s, unless c is there already or beyond. It is called
// with reading held.
func (c *Conn) advance(s state) {
	if state(c.state.Load()) < s {
		c.state.Store(uint32(s))
	}
}

// blockSize is how much of a hello fits in the memory that connections share: 99 of
// 100 hellos of real clients.
const blockSize = 2304

type block [blockSize]byte

// readAhead is what was read from below and not yet handed on.
type readAhead struct {
	block *block // memory of a Listener; nil before bytes come and once it is released
	bytes []byte // in block, as long as they fit
	next  int    // in bytes, the first to hand on
	err   error  // that the connection ended with, after bytes
}

// empty reports whether all bytes were handed on.
func (a *readAhead) empty() bool { return a.next == len(a.bytes) }

// Read reads what the client sent. When a deadline passes before the hello is
// complete, it returns what came before, and the next Read returns the timeout.
func (c *Conn) Read(p []byte) (int, error) {
	if c.inState(statePassthrough) {
		return c.Conn.Read(p)
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.closed.Load() { // also where bytes were read ahead
		return 0, c.closedError()
	}
	if len(p) == 0 {
		if c.ahead.empty() {
			return c.Conn.Read(p)
		}
		return 0, nil
	}
	if !c.ahead.empty() && c.deadline.expired() {
		return 0, c.timeoutError()
	}
	for c.inState(stateBuffering) {
		if err := c.fill(p); isTimeout(err) && len(c.ahead.bytes) == 0 {
			return 0, err
		} else if err != nil {
			c.endHolding()
		}
	}
	if c.hold != nil {
		c.holdBack()
	}
	if c.closed.Load() { // meanwhile
		return 0, c.closedError()
	}
	n, err := 0, error(nil)
	if c.refused == nil {
		n, err = c.handOn(p)
	}
	if c.hold != nil {
		if c.holdBack(); c.closed.Load() {
			return 0, c.closedError()
		}
	}
	if c.refused != nil {
		return 0, c.refused
	}
	if c.ahead.empty() {
		if !c.first.inBlock {
			c.releaseBlock()
		}
		if c.inState(stateDraining) && c.ahead.err == nil {
			c.switchToPassthrough()
		}
	}
	return n, err
}

// endHolding inspects what is held back, which may be handed on then.
func (c *Conn) endHolding() {
	if c.inState(stateBuffering) {
		c.inspect(c.ahead.bytes)
		c.advance(stateForwarding)
	}
}

// fill reads ahead once. It keeps an error for Read, but not a timeout: the user
// may move the deadline, and then reading goes on.
//
// The first bytes are read into scratch, if it is not empty: a silent client needs no
// block.
func (c *Conn) fill(scratch []byte) error {
	a := &c.ahead
	from := len(a.bytes)
	var n int
	var err error
	if from == 0 && len(scratch) > 0 {
		if n, err = c.Conn.Read(scratch); n > 0 {
			c.reserve(n)
			copy(a.bytes[:n], scratch)
		}
	} else {
		c.reserve(1)
		n, err = c.Conn.Read(a.bytes[from:cap(a.bytes)])
	}
	a.bytes = a.bytes[:from+n]
	c.afterRead(a.bytes[from:], err)
	if !isTimeout(err) {
		a.err = err
	}
	if len(a.bytes) == 0 {
		a.bytes = nil
		c.putBlock()
	}
	return err
}

// reserve makes room for n more bytes at least: in a block, or else in memory that
// grows with what has come, up to the end of the hello.
func (c *Conn) reserve(n int) {
	a := &c.ahead
	if a.bytes == nil && n <= blockSize {
		a.block = c.listener.getBlock()
		a.bytes = a.block[:0]
	}
	have := len(a.bytes)
	if have+n <= cap(a.bytes) {
		return
	}
	size := 2 * have
	if c.inState(stateBuffering) {
		if end := c.scan.end(a.bytes); end > have {
			size = min(size, end)
		}
	}
	larger := append(slices.Grow([]byte(nil), max(size, have+n)), a.bytes...)
	if !c.first.inBlock {
		c.putBlock()
	}
	a.bytes = larger
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// timeoutError returns the error of a socket whose deadline for reading has
// passed while there is something to read.
func (c *Conn) timeoutError() error {
	return &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.ErrDeadlineExceeded}
}

// closedError returns the error of the connection below, which is closed. Reading
// nothing returns it without taking what is still there.
func (c *Conn) closedError() error {
	if _, err := c.Conn.Read(nil); err != nil {
		return err
	}
	return &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: net.ErrClosed}
}

// handOn reads what was read ahead, and then from below.
func (c *Conn) handOn(p []byte) (int, error) {
	a := &c.ahead
	if !a.empty() {
		n := copy(p, a.bytes[a.next:])
		a.next += n
		return n, nil
	}
	end := a.err
	if end != nil && !c.deadline.expired() {
		a.err = nil
		return 0, end
	}
	n, err := c.Conn.Read(p)
	if end != nil && isTimeout(err) { // which comes first on a socket
		return n, err
	}
	if a.err = nil; end != nil && n == 0 {
		return 0, end
	}
	c.afterRead(p[:n], err)
	return n, err
}

// releaseBlock frees what was read ahead where no hello lies in it. It keeps the
// bytes to report if none comes.
func (c *Conn) releaseBlock() {
	if c.ahead.bytes == nil {
		return
	}
	if !c.outcome.Load() && c.received == nil {
		c.received = c.firstBytes()
	}
	c.ahead.bytes, c.ahead.next = nil, 0
	c.putBlock()
}

// switchToPassthrough makes Read and Write those of the connection below. All that
// was read ahead has been handed on.
func (c *Conn) switchToPassthrough() {
	c.ahead.bytes, c.ahead.next = nil, 0
	c.mu.Lock()
	c.freeBlock()
	c.mu.Unlock()
	c.records = parser.RecordAssembler{}
	c.advance(statePassthrough)
}

// freeBlock frees what was read ahead, once all of it has been handed on. It copies a hello
// that is kept. It is called with mu held.
func (c *Conn) freeBlock() {
	if c.first.inBlock && c.retain && !c.aliased { // it may outlive the block by far
		c.first.raw = slices.Clone(c.first.raw)
		c.first.inBlock = false
	}
	if !c.first.inBlock {
		c.putBlock()
	}
}

// putBlock lets another connection have the block.
func (c *Conn) putBlock() {
	if c.ahead.block != nil && c.listener != nil {
		c.listener.putBlock(c.ahead.block)
		c.ahead.block = nil
	}
}

// Write writes to the client.
func (c *Conn) Write(p []byte) (int, error) {
	if !c.inState(statePassthrough) && sent(c.sent.Load()) != sentRetry {
		c.sent.Store(uint32(classify(p)))
	}
	return c.Conn.Write(p)
}

var errReleased = fmt.Errorf("the ClientHello went with its connection: %w", net.ErrClosed)

// Close closes the connection, and settles its Events. It calls Observe of the
// [Listener] if there is no hello yet. The hello stays if the connection has passed
// through [ConnContext], or was asked for its hello or Event before.
func (c *Conn) Close() error {
	err := c.close()
	if l := c.currentLife(); l != nil {
		l.end()
	}
	return err
}

// close does what Close does before it settles.
func (c *Conn) close() error {
	c.endWait()
	err := c.Conn.Close()
	if c.listener != nil {
		c.listener.limits().remove(c)
	}
	c.reading.Lock() // a reader returns, as the connection below is closed
	defer c.reading.Unlock()
	c.fail(net.ErrClosed)
	c.endHold()
	c.advance(stateDraining)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.retain {
		if c.err == nil {
			c.err = errReleased
		}
		c.first, c.second = message{}, nil
		c.ahead.bytes, c.ahead.next = nil, 0
		c.putBlock()
	}
	return err
}

// SetDeadline sets the deadlines for reading and writing. Until the handshake
// has ended, that of the [Listener] counts if it is earlier.
func (c *Conn) SetDeadline(t time.Time) error {
	err := c.SetReadDeadline(t)
	if errWrite := c.SetWriteDeadline(t); err == nil {
		err = errWrite
	}
	return err // callers look for a net.Error, and not in a list of errors
}

// SetReadDeadline sets the deadline for reading, as [Conn.SetDeadline] does.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.deadline.setRead(c.Conn, t) }

// SetWriteDeadline sets the deadline for writing, as [Conn.SetDeadline] does.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.deadline.setWrite(c.Conn, t) }

// NetConn returns the connection below. The Conn does not see what is read from
// there.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// ReadFrom writes what it reads from r until its end. It uses sendfile or
// splice where the connection below can.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if w, ok := c.socket().(io.ReaderFrom); ok {
		return w.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// CloseWrite closes the writing side. Its error is [errors.ErrUnsupported] if
// the connection below cannot do that.
func (c *Conn) CloseWrite() error {
	if w, ok := c.socket().(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return fmt.Errorf("closing the writing side of a %T: %w", c.Conn, errors.ErrUnsupported)
}

// SyscallConn returns the raw connection. Its error is [errors.ErrUnsupported]
// if the connection below has none. The Conn does not see what is read from there.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.socket().(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, fmt.Errorf("raw access to a %T: %w", c.Conn, errors.ErrUnsupported)
}
