package server_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// What the user of a connection and the client may do.
const (
	setPast   = 'p' // SetReadDeadline, to a time in the past
	setFuture = 'f' // to one in the future
	setNone   = '0'
	sendByte  = '1' // of the hello
	sendHalf  = 'h'
	sendRest  = 'r'
	sendEnd   = 'e' // the client closes the connection
	readAll   = 'R' // until an error
	askHello  = 'H' // ClientHello, on a Conn
)

// A contract is a connection and its client, and what both have done.
type contract struct {
	conn   net.Conn
	client net.Conn
	sends  chan []byte // for a pipe, whose writes block until they are read

	hello    []byte // the part that the client has not sent
	deadline byte   // the last one set
	ended    bool   // the client has closed the connection
	results  []string
}

// blocks reports whether reading on may wait forever, or for a real hour.
func (c *contract) blocks(onTCP bool) bool {
	return !c.ended && (c.deadline == setNone || onTCP && c.deadline == setFuture)
}

// do does op, and reports whether that is possible now.
func (c *contract) do(t testing.TB, op byte, onTCP bool) bool {
	part := 0
	switch op {
	case setPast, setFuture, setNone:
		at := map[byte]time.Time{setPast: time.Now().Add(-time.Second), setFuture: time.Now().Add(time.Hour), setNone: {}}[op]
		if c.ended && !onTCP { // a pipe with a closed end has no deadlines
			return false
		}
		c.deadline = op
		require.NoError(t, c.conn.SetReadDeadline(at))
		return true
	case sendByte:
		part = min(1, len(c.hello))
	case sendHalf:
		part = len(c.hello) / 2
	case sendRest:
		part = len(c.hello)
	case sendEnd:
		if c.ended {
			return false
		}
		c.ended = true
		c.end(t)
		return true
	case readAll:
		if c.blocks(onTCP) {
			return false
		}
		all, err := io.ReadAll(c.conn)
		c.results = append(c.results, fmt.Sprintf("%x, %s", all, kindOf(err)))
		return true
	case askHello:
		return c.ask(t, onTCP)
	}
	if part == 0 || c.ended {
		return false
	}
	c.send(t, c.hello[:part])
	c.hello = c.hello[part:]
	return true
}

func (c *contract) send(t testing.TB, b []byte) {
	if c.sends != nil {
		c.sends <- b
		return
	}
	_, err := c.client.Write(b)
	require.NoError(t, err)
}

func (c *contract) end(t testing.TB) {
	if c.sends != nil {
		close(c.sends)
		return
	}
	require.NoError(t, c.client.Close())
}

// ask calls ClientHello and checks the result.
func (c *contract) ask(t testing.TB, onTCP bool) bool {
	conn, ok := c.conn.(*server.Conn)
	whole := len(c.hello) == 0
	if c.blocks(onTCP) && !whole {
		return false
	}
	if !ok {
		if !whole && c.deadline == setFuture && !c.ended { // as long as the Conn waits
			time.Sleep(time.Hour + time.Second)
		}
		return true
	}
	h, err := conn.ClientHello()
	_, known := conn.Event(0)
	switch {
	case err == nil:
		assert.True(t, whole && known)
		assert.NotNil(t, h)
	case errors.Is(err, server.ErrNoHello):
		assert.True(t, c.ended && !whole, "%v", err)
	default:
		assert.Equal(t, "timeout", kindOf(err))
		assert.False(t, known)
		assert.NotEqual(t, byte(setNone), c.deadline)
	}
	return true
}

func kindOf(err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return "end"
	case errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return err.Error()
}

// run does all of ops. Then the client sends the rest and closes the connection,
// if it has not. It reports whether all of ops were possible.
func (c *contract) run(t testing.TB, ops string, onTCP bool) bool {
	for i := range len(ops) {
		if !c.do(t, ops[i], onTCP) {
			return false
		}
		if !onTCP {
			synctest.Wait()
		}
	}
	for _, op := range []byte{setNone, sendRest, askHello, sendEnd, readAll, askHello} {
		c.do(t, op, onTCP)
	}
	return true
}

// sequences calls f with each sequence of n operations.
func sequences(n int, f func(ops string)) {
	all := string([]byte{setPast, setFuture, setNone, sendByte, sendHalf, sendRest, sendEnd, readAll, askHello})
	if n == 0 {
		f("")
		return
	}
	sequences(n-1, func(ops string) {
		for i := range len(all) {
			f(ops + all[i:i+1])
		}
	})
}

// smallHello returns a record with a hello.
func smallHello() []byte {
	return record(22, 0x0301, hellotest.Message(0x0303, []parser.CipherSuite{0x1301}))
}

// TestDeadlinesOnPipes compares a Conn with a plain net.Conn over all short
// sequences of deadlines, reads and writes of the client, on a fake clock.
func TestDeadlinesOnPipes(t *testing.T) {
	run := func(ops string, ours bool) (results []string, ok bool) {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			c := &contract{conn: near, client: far, hello: smallHello(), deadline: setNone, sends: make(chan []byte, 10)}
			if ours {
				conn, err := (&server.Listener{Listener: single{near}, HandshakeTimeout: -1}).Accept()
				require.NoError(t, err)
				c.conn = conn
			}
			go func() {
				for b := range c.sends {
					far.Write(b)
				}
				far.Close()
			}()
			ok = c.run(t, ops, false)
			if !c.ended {
				close(c.sends)
			}
			near.Close()
			results = c.results
		})
		return results, ok
	}
	compared := 0
	for n := range 6 {
		sequences(n, func(ops string) {
			want, ok := run(ops, false)
			if t.Failed() || !ok {
				return
			}
			got, _ := run(ops, true)
			assert.Equal(t, want, got, ops)
			compared++
		})
	}
	require.Greater(t, compared, 1000)
}

// TestDeadlinesOnTCP does the same over TCP, without waiting for deadlines.
func TestDeadlinesOnTCP(t *testing.T) {
	ln := servertest.Listen(t)
	run := func(ops string, ours bool) ([]string, bool) {
		client, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		defer client.Close()
		var l net.Listener = ln
		if ours {
			l = &server.Listener{Listener: ln, HandshakeTimeout: -1}
		}
		conn, err := l.Accept()
		require.NoError(t, err)
		defer conn.Close()
		c := &contract{conn: conn, client: client, hello: smallHello(), deadline: setNone}
		ok := c.run(t, ops, true)
		return c.results, ok
	}
	compared := 0
	for n := range 4 {
		sequences(n, func(ops string) {
			want, ok := run(ops, false)
			if t.Failed() || !ok {
				return
			}
			got, _ := run(ops, true)
			assert.Equal(t, want, got, ops)
			compared++
		})
	}
	require.Greater(t, compared, 100)
}

// TestResetIsFinal: after a reset, every call returns it.
func TestResetIsFinal(t *testing.T) {
	reset := func(l *server.Listener) (conn *server.Conn) {
		conn, client := pipe(t, l)
		require.NoError(t, client.(*net.TCPConn).SetLinger(0))
		require.NoError(t, client.Close())
		return conn
	}
	plain := reset(&server.Listener{}).NetConn()
	var want []string
	for range 3 {
		_, err := plain.Read(make([]byte, 1))
		want = append(want, strings.ReplaceAll(fmt.Sprint(err), plain.RemoteAddr().String(), ""))
	}
	require.Contains(t, want[0], "connection reset by peer")

	for _, ask := range []bool{true, false} {
		conn := reset(&server.Listener{})
		for range 2 {
			if ask {
				_, err := conn.ClientHello()
				assert.ErrorIs(t, err, server.ErrNoHello)
				assert.ErrorIs(t, err, syscall.ECONNRESET)
			}
		}
		var got []string
		for range 3 {
			_, err := conn.Read(make([]byte, 1))
			got = append(got, strings.ReplaceAll(fmt.Sprint(err), conn.RemoteAddr().String(), ""))
		}
		require.Len(t, got, len(want))
		for i := range got {
			assert.Equal(t, lastWord(want[i]), lastWord(got[i]))
		}
		_, err := conn.ClientHello()
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	}
}

func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// TestHandshakeAfterADeadline: a deadline passes before or within the hello, and
// the handshake still succeeds.
func TestHandshakeAfterADeadline(t *testing.T) {
	config := servertest.Config(t)
	for _, early := range []int{0, 1, 100} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			accepted, err := (&server.Listener{Listener: single{near}}).Accept()
			require.NoError(t, err)
			conn := accepted.(*server.Conn)
			client := &pausing{Conn: far, after: early, pause: 2 * time.Second}
			done := make(chan error, 1)
			go func() {
				done <- tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake()
			}()
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
			_, err = conn.ClientHello()
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.NoError(t, conn.SetReadDeadline(time.Time{}))
			h, err := conn.ClientHello()
			require.NoError(t, err)
			assert.NotEmpty(t, h.CipherSuites)
			require.NoError(t, tls.Server(conn, config).Handshake())
			require.NoError(t, <-done)
			require.NoError(t, conn.Close())
		})
	}
}

// A pausing connection pauses once, after some bytes were written.
type pausing struct {
	net.Conn
	after int
	pause time.Duration
}

func (p *pausing) Write(b []byte) (int, error) {
	if p.after < 0 {
		return p.Conn.Write(b)
	}
	n := min(p.after, len(b))
	p.after = -1
	if n > 0 {
		if _, err := p.Conn.Write(b[:n]); err != nil {
			return 0, err
		}
	}
	time.Sleep(p.pause)
	m, err := p.Conn.Write(b[n:])
	return n + m, err
}
