package server_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// An operation is what one side of a connection does. The result of each is that of a
// plain net.Conn.
type operation string

const (
	clientSends      operation = "client sends all that is left of its stream"
	clientSendsByte  operation = "client sends a byte"
	clientCloseWrite operation = "client closes its writing side"
	clientClose      operation = "client closes"

	readOne       operation = "read a byte"
	readSent      operation = "read what was sent"
	readToError   operation = "read until an error"
	readNothing   operation = "read into no bytes"
	write         operation = "write"
	closeWrite    operation = "close the writing side"
	closeConn     operation = "close"
	pastRead      operation = "read deadline in the past"
	pastWrite     operation = "write deadline in the past"
	pastBoth      operation = "deadline in the past"
	futureRead    operation = "read deadline in an hour"
	noDeadline    operation = "no deadline"
	waitForHello  operation = "wait for the hello" // on a Conn only
	askAddresses  operation = "addresses"
	readWhileNext operation = "read, and the next operation meanwhile"
)

var operations = []operation{
	clientSends, clientSendsByte, clientCloseWrite, clientClose, readOne, readSent, readToError, readNothing, write, closeWrite,
	closeConn, pastRead, pastWrite, pastBoth, futureRead, noDeadline, waitForHello, askAddresses, readWhileNext,
}

// A transport makes connections, of which the server has the second end.
type transport struct {
	connect func(t testing.TB) (client, conn net.Conn)
	pipe    bool
}

// transports returns TCP, net.Pipe, and both with a server that receives a byte at a
// time.
func transports(ln net.Listener) map[string]transport {
	tcp := func(t testing.TB) (client, conn net.Conn) {
		client, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		conn, err = ln.Accept()
		require.NoError(t, err)
		return client, conn
	}
	pipe := func(testing.TB) (client, conn net.Conn) { return net.Pipe() }
	slow := func(connect func(testing.TB) (net.Conn, net.Conn)) func(testing.TB) (client, conn net.Conn) {
		return func(t testing.TB) (client, conn net.Conn) {
			client, conn = connect(t)
			return client, byteConn{conn}
		}
	}
	return map[string]transport{"TCP": {tcp, false}, "pipe": {pipe, true}, "slow TCP": {slow(tcp), false}, "slow pipe": {slow(pipe), true}}
}

// A byteConn returns a byte from each Read.
type byteConn struct{ net.Conn }

func (c byteConn) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), 1)]) }

func (c byteConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// A stage runs operations on a connection, and records their results.
type stage struct {
	conn, client net.Conn
	pipe         bool
	sends        chan []byte // to the client, whose writes to a pipe block
	arrived      chan int    // bytes at the client

	stream  []byte // that the client has not sent
	hello   bool   // stream is a hello
	unread  int    // bytes that were sent and not read
	partial bool   // of a hello, which is held back
	past    bool   // the read deadline has passed
	future  bool   // there is one that has not
	ended   bool   // the client sends no more
	gone    bool   // the client has closed
	closed  bool
	results []string
}

func (s *stage) record(format string, args ...any) {
	s.results = append(s.results, fmt.Sprintf(format, args...))
}

// kindOfError returns what a caller can tell of an error: its texts but the addresses,
// and what errors.Is and a net.Error say.
func kindOfError(err error) string {
	if err == nil {
		return "ok"
	}
	var kinds []string
	for _, target := range []error{io.EOF, io.ErrClosedPipe, net.ErrClosed, os.ErrDeadlineExceeded, syscall.EPIPE, syscall.ECONNRESET, syscall.ENOTCONN, errors.ErrUnsupported} {
		if errors.Is(err, target) {
			kinds = append(kinds, target.Error())
		}
	}
	if e, ok := err.(net.Error); ok { // not errors.As: callers do this, too
		kinds = append(kinds, fmt.Sprint("timeout ", e.Timeout()))
	}
	if e, ok := err.(interface{ Temporary() bool }); ok { // crypto/tls asks for it
		kinds = append(kinds, fmt.Sprint("temporary ", e.Temporary()))
	}
	if e, ok := err.(*net.OpError); ok {
		kinds = append(kinds, e.Op, e.Net)
	}
	return strings.Join(kinds, ", ")
}

// blocks reports whether reading all may wait for the client, or for an hour on a
// real clock.
func (s *stage) blocks() bool {
	return !s.ended && !s.closed && !s.past && (!s.future || !s.pipe)
}

// heldBack reports whether a Conn waits for the rest of a hello where a plain connection
// returns what is there.
func (s *stage) heldBack() bool { return s.partial && !s.ended && !s.closed && !s.past }

// do does op, and reports whether that is possible now.
func (s *stage) do(t testing.TB, op operation, next operation) bool {
	switch op {
	case clientSends:
		return s.send(t, len(s.stream))
	case clientSendsByte:
		return s.send(t, 1)
	case clientCloseWrite:
		if s.ended || s.pipe || s.closed {
			return false
		}
		s.ended = true
		require.NoError(t, s.client.(*net.TCPConn).CloseWrite())
	case clientClose:
		if s.gone || s.unread > 0 && !s.pipe && s.closed {
			return false
		}
		s.ended, s.gone = true, true
		if s.pipe {
			close(s.sends) // it closes when all was read
		} else {
			require.NoError(t, s.client.Close())
		}
	case readOne:
		if s.unread == 0 || s.heldBack() {
			return false
		}
		n, err := s.conn.Read(make([]byte, 1))
		s.unread -= n
		s.record("%d %s", n, kindOfError(err))
	case readSent:
		if s.unread == 0 || s.heldBack() {
			return false
		}
		b := make([]byte, s.unread)
		n, err := io.ReadFull(s.conn, b)
		s.unread -= n
		s.record("%x %s", b[:n], kindOfError(err))
	case readToError:
		if s.blocks() {
			return false
		}
		b, err := io.ReadAll(s.conn)
		s.unread -= len(b)
		s.past = s.past || s.future && kindOf(err) == "timeout"
		s.record("%x %s", b, kindOfError(err))
	case readNothing:
		if s.pipe && !s.ended && !s.closed && !s.past { // a pipe waits for the other end
			return false
		}
		if s.pipe && s.unread > 0 {
			return false
		}
		n, err := s.conn.Read(nil)
		s.record("%d %s", n, kindOfError(err))
	case write:
		if s.gone && (!s.pipe || s.unread > 0) { // over TCP it may succeed; and a pipe closes later
			return false
		}
		n, err := s.conn.Write([]byte("hello"))
		for left := n; left > 0; { // a client that closes without reading would send a reset
			left -= <-s.arrived
		}
		s.record("%d %s", n, kindOfError(err))
	case closeWrite:
		if s.gone || s.pipe {
			return false
		}
		s.record("%s", kindOfError(s.conn.(interface{ CloseWrite() error }).CloseWrite()))
	case closeConn:
		s.record("%s", kindOfError(s.conn.Close()))
		s.closed = true
	case pastRead, pastBoth, futureRead, noDeadline, pastWrite:
		return s.setDeadline(op)
	case waitForHello:
		return s.wait(t)
	case askAddresses:
		local, remote := s.conn.LocalAddr(), s.conn.RemoteAddr()
		s.record("%s %v %v", local.Network(), local != nil, remote != nil)
	case readWhileNext:
		return s.readWhile(t, next)
	}
	return true
}

func (s *stage) send(t testing.TB, n int) bool {
	if s.ended || s.closed || len(s.stream) == 0 || s.past && s.pipe {
		return false
	}
	b := s.stream[:n]
	s.stream = s.stream[n:]
	s.unread += n
	s.partial = s.hello && len(s.stream) > 0
	if s.pipe {
		s.sends <- b
		return true
	}
	_, err := s.client.Write(b)
	require.NoError(t, err)
	return true
}

func (s *stage) setDeadline(op operation) bool {
	if s.pipe && s.ended && s.unread > 0 { // a pipe with a closed end has no deadlines, and it closes later
		return false
	}
	past, future := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	var err error
	switch op {
	case pastRead:
		err = s.conn.SetReadDeadline(past)
	case pastWrite:
		err = s.conn.SetWriteDeadline(past)
	case pastBoth:
		err = s.conn.SetDeadline(past)
	case futureRead:
		err = s.conn.SetReadDeadline(future)
	case noDeadline:
		err = s.conn.SetDeadline(time.Time{})
	}
	s.record("%s", kindOfError(err))
	if op != pastWrite {
		s.past, s.future = op == pastRead || op == pastBoth, op == futureRead
	}
	return true
}

// wait calls ClientHello, on a Conn.
func (s *stage) wait(t testing.TB) bool {
	whole := s.hello && len(s.stream) == 0
	if !whole && (s.hello || s.unread == 0) && s.blocks() || s.future {
		return false
	}
	c, ok := s.conn.(*server.Conn)
	if !ok {
		return true
	}
	_, err := c.ClientHello()
	if err == nil {
		assert.True(t, whole)
	} else if !errors.Is(err, server.ErrNoHello) && s.hello && !s.closed {
		assert.Equal(t, "timeout", kindOf(err))
	}
	return true
}

// readWhile reads in a goroutine while another operation ends the waiting.
func (s *stage) readWhile(t testing.TB, next operation) bool {
	if s.unread > 0 || s.ended || s.closed || s.past || s.future {
		return false
	}
	switch next {
	case closeConn, clientClose, clientCloseWrite, pastRead, pastBoth:
	default:
		return false
	}
	done := make(chan string)
	go func() {
		n, err := s.conn.Read(make([]byte, 10))
		done <- fmt.Sprintf("%d %s", n, kindOfError(err))
	}()
	if !s.do(t, next, "") {
		s.do(t, closeConn, "") // so that the goroutine ends
	}
	s.record("%s", <-done)
	return true
}

// play does those of ops that are possible on a connection, and then closes it. It
// returns these and their results.
func play(t testing.TB, tr transport, ours, hello bool, ops []operation) (done []operation, results []string) {
	client, conn := tr.connect(t)
	s := &stage{conn: conn, client: client, pipe: tr.pipe, hello: hello, stream: []byte("GET / HTTP/1.1\r\n"), sends: make(chan []byte, 100), arrived: make(chan int, 1000)}
	if hello {
		s.stream = smallHello()
	}
	if ours {
		accepted, err := (&server.Listener{Listener: single{conn}, HandshakeTimeout: -1}).Accept()
		require.NoError(t, err)
		s.conn = accepted
	}
	written, received := make(chan bool), make(chan bool)
	go func() {
		defer close(written)
		if !s.pipe {
			return
		}
		for b := range s.sends {
			client.Write(b)
		}
		client.Close()
	}()
	go func() {
		defer close(received)
		for b := make([]byte, 100); ; {
			n, err := client.Read(b)
			s.arrived <- n
			if err != nil {
				return
			}
		}
	}()
	for i, op := range ops {
		next := operation("")
		if i+1 < len(ops) {
			next = ops[i+1]
		}
		if s.do(t, op, next) {
			done = append(done, op)
		}
		if s.pipe {
			synctest.Wait()
		}
	}
	s.conn.Close()
	if !s.gone {
		close(s.sends)
	}
	<-written
	client.Close()
	<-received
	return done, s.results
}

func randomOperations(rnd *rand.Rand) (ops []operation) {
	for range 2 + rnd.IntN(12) {
		ops = append(ops, operations[rnd.IntN(len(operations))])
	}
	return ops
}

// TestContract compares a Conn with the plain connection below it, over operations in
// random order.
func TestContract(t *testing.T) {
	ln := servertest.Listen(t)
	for name, tr := range transports(ln) {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(5, 6))
			run := func(ours, hello bool, ops []operation) (done []operation, results []string) {
				if !tr.pipe {
					return play(t, tr, ours, hello, ops)
				}
				synctest.Test(t, func(t *testing.T) { done, results = play(t, tr, ours, hello, ops) })
				return done, results
			}
			compared := make(map[operation]int)
			for i := range 5000 {
				ops := randomOperations(rnd)
				wantDone, want := run(false, i%2 == 0, ops)
				done, got := run(true, i%2 == 0, ops)
				require.Equal(t, want, got, "%q of %q", wantDone, ops)
				require.Equal(t, wantDone, done)
				for _, op := range done {
					compared[op]++
				}
			}
			for _, op := range operations {
				if tr.pipe && slices.Contains([]operation{clientCloseWrite, closeWrite}, op) {
					continue
				}
				assert.Greater(t, compared[op], 100, op)
			}
		})
	}
}

// TestNetConn runs the tests of golang.org/x/net/nettest.
func TestNetConn(t *testing.T) {
	ln := servertest.Listen(t)
	for name, tr := range transports(ln) {
		if strings.HasPrefix(name, "slow") { // these tests take long there, or block each other
			continue
		}
		for _, both := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, both %v", name, both), func(t *testing.T) {
				nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
					c1, c2 = tr.connect(t)
					if c2, err = (&server.Listener{Listener: single{c2}}).Accept(); err == nil && both {
						c1, err = (&server.Listener{Listener: single{c1}}).Accept()
					}
					return c1, c2, func() { c1.Close(); c2.Close() }, err
				})
			})
		}
	}
}
