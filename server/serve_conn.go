package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/tlsrecord"
	"github.com/tlspeek/tlspeek/known"
)

// A LineHandler serves a client that negotiated no protocol by ALPN and whose
// first line is not an HTTP request. Reading from conn begins with that line, and
// [ClientOf] finds the client in ctx. The handler runs in a goroutine of its own.
// When it returns, the server closes the connection and logs the error at debug
// level.
//
// When the server shuts down, ctx is done, and a read deadline in the past wakes
// the handler: a handler that sets read deadlines must check ctx after each. It
// must return when its connection is closed.
type LineHandler func(ctx context.Context, conn net.Conn) error

// serve does the handshake and hands the connection to the server of its
// protocol.
func (v *serving) serve(conn net.Conn) {
	softStop := v.life.softStop
	c := tls.Server(conn, v.tls)
	below := connOf(conn)
	if below != nil {
		below.above(c)
	}
	began := time.Now()
	err := v.handshake(c)
	if v.OnHandshake != nil {
		v.OnHandshake(time.Since(began), err)
	}
	if err != nil {
		answerPlainHTTP(err)
		c.Close()
		return
	}
	switch c.ConnectionState().NegotiatedProtocol {
	case "h2", "http/1.1", "http/1.0":
		v.queue.put(c)
		return
	case "":
	default: // acme-tls/1, which ends with the handshake (RFC 8737, section 3)
		c.Close()
		return
	}
	b := newBuffered(c)
	if idle := timeout(v.IdleTimeout, defaultIdleTimeout); idle > 0 {
		b.SetReadDeadline(time.Now().Add(idle))
	}
	stop := context.AfterFunc(softStop, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	if b.speaksHTTP() && stop() {
		c.SetReadDeadline(time.Time{})
		v.queue.put(b)
		return
	}
	defer stop()
	defer c.Close()
	if v.Lines == nil {
		return
	}
	if below != nil && v.settleLine(c, b, below) != nil {
		return
	}
	defer context.AfterFunc(v.life.hardStop, func() { c.Close() })()
	if err := v.Lines(ConnContext(softStop, c), b); err != nil {
		v.log.Debug("line protocol", "client", conn.RemoteAddr(), "error", err)
	}
}

// settleLine settles below with its first line, and obeys what is decided about it: at
// once, or when b reads the end of that line. It returns an error if the connection is to
// be closed.
func (v *serving) settleLine(c *tls.Conn, b *buffered, below *Conn) error {
	l, decide := below.theLife(), v.listener.DecideRequest
	outcome := func() *event.Handshake {
		state := c.ConnectionState()
		return below.timed(handshakeOf(&state))
	}
	if decide == nil {
		settle := func(whole bool) error {
			if whole {
				l.settleNow(event.SettledLine, claimFields{}, known.Request{}, outcome())
			}
			return nil
		}
		if b.hasLine() {
			return settle(true)
		}
		b.lineEnd = settle // it is longer than what is read ahead, or the client has ended
		return nil
	}
	obey := func(whole bool) error {
		why := event.SettledLine
		if !whole {
			why = event.SettledEnd
		}
		d := l.judgeLine(why, outcome(), func() Decision { return decide(below, nil) })
		if d.Wait > 0 {
			v.holdLine(c, b, d.Wait)
		}
		if d.waitOver(); d.Close {
			return ErrRefused
		}
		return nil
	}
	switch whole := b.hasLine(); {
	case whole, b.r.Buffered() < maxLine && b.hasEnded():
		return obey(whole)
	}
	b.lineEnd = obey
	return nil
}

// holdLine holds a client of the line protocol back for d, until the server ends, or until
// the client leaves. One that has sent much is not known to have left.
func (v *serving) holdLine(c *tls.Conn, b *buffered, d time.Duration) {
	if b.r != nil {
		began := time.Now()
		c.SetReadDeadline(began.Add(d))
		defer func() {
			if c.SetReadDeadline(time.Time{}); v.life.softStop.Err() != nil {
				c.SetReadDeadline(time.Unix(1, 0))
			}
		}()
		if v.life.softStop.Err() != nil { // whose deadline this one has replaced
			return
		}
		b.awaitEnd()
		if d -= time.Since(began); b.r.Buffered() < maxLine {
			return
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-v.life.softStop.Done():
	}
}

// handshake does the TLS handshake, within the time for it. The deadline of
// the Conn is not enough: it is lifted before a client sends its certificate.
func (v *serving) handshake(c *tls.Conn) error {
	ctx := v.life.softStop
	if timeout := v.listener.handshakeTimeout(); timeout > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, timeout)
		defer done()
	}
	return c.HandshakeContext(ctx)
}

// answerPlainHTTP answers a client that speaks HTTP without TLS as net/http does.
func answerPlainHTTP(err error) {
	var record tls.RecordHeaderError
	if !errors.As(err, &record) || record.Conn == nil {
		return
	}
	if answer := tlsrecord.PlainHTTPAnswer(record.RecordHeader); answer != "" {
		io.WriteString(record.Conn, answer)
	}
}

// A queue is a net.Listener of connections that were accepted elsewhere.
type queue struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue(addr net.Addr) *queue {
	return &queue{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// put closes c if the queue is closed.
func (q *queue) put(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.closed:
		c.Close()
	}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

func (q *queue) Addr() net.Addr { return q.addr }
