package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// An accessWriter is the ResponseWriter of a request that is to be logged. It is not used
// again: a handler may wrongly write to it after its end, and that must not get into the
// answer to another client.
type accessWriter struct {
	http.ResponseWriter
	ctx   context.Context // of the request
	write func(context.Context, *Access)

	access   Access
	body     *accessBody // nil if the request has none
	conn     *accessConn // nil unless the handler has taken the connection over
	open     atomic.Int32
	returned bool // the handler has returned, and did not panic
	gone     bool // the client had gone before there was an answer
	failed   bool // an error came from below
}

// These are the methods that the ResponseWriters of net/http and quic-go have. A handler
// asks for each of them by a type assertion, which must give what it would without an
// AccessLog.
type (
	// A flushView is that of HTTP/3, and of many others.
	flushView struct{ *accessWriter }

	// A connView is that of HTTP/1.
	connView struct{ flushView }

	// A pushView is that of HTTP/2.
	pushView struct{ flushView }
)

// view returns a as a ResponseWriter that has the methods of the one below.
func (a *accessWriter) view() http.ResponseWriter {
	_, canFlush := a.ResponseWriter.(http.Flusher)
	if !canFlush {
		return a
	}
	v := flushView{a}
	if _, ok := a.ResponseWriter.(http.Hijacker); ok {
		return connView{v}
	}
	if _, ok := a.ResponseWriter.(http.Pusher); ok {
		return pushView{v}
	}
	return v
}

// Unwrap is for [http.ResponseController].
func (a *accessWriter) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *accessWriter) noteRoute(route string) { a.access.Route = route }

// wrote reports whether the header of the answer was written.
func (a *accessWriter) wrote() bool { return a.access.Status != 0 }

// begun notes that the header of the answer is written.
func (a *accessWriter) begun(status int) {
	if !a.wrote() {
		a.access.Status = status
		a.gone = status >= http.StatusInternalServerError && a.ctx.Err() != nil
	}
}

// WriteHeader writes the header. Those of status 1xx come before the answer, except 101.
func (a *accessWriter) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		a.begun(status)
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *accessWriter) Write(p []byte) (int, error) {
	a.begun(http.StatusOK)
	n, err := a.ResponseWriter.Write(p)
	a.sent(int64(n), err)
	return n, err
}

// WriteString is for [io.WriteString].
func (a *accessWriter) WriteString(s string) (int, error) {
	a.begun(http.StatusOK)
	n, err := io.WriteString(a.ResponseWriter, s)
	a.sent(int64(n), err)
	return n, err
}

// sent counts bytes of the body. A body where there may be none is an error of the handler.
func (a *accessWriter) sent(n int64, err error) {
	a.access.Sent += n
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		a.failed = true
	}
}

// Flush is for handlers without an [http.ResponseController].
func (v flushView) Flush() { _ = v.FlushError() }

// FlushError flushes the answer.
func (v flushView) FlushError() error {
	v.begun(http.StatusOK)
	if f, ok := v.ResponseWriter.(interface{ FlushError() error }); ok {
		err := f.FlushError()
		v.sent(0, err)
		return err
	}
	v.ResponseWriter.(http.Flusher).Flush()
	return nil
}

// ReadFrom is for [io.Copy]. Over HTTP/1, net/http has memory for it. It is not known
// whether src has failed, or the client is gone.
func (v connView) ReadFrom(src io.Reader) (int64, error) {
	v.begun(http.StatusOK)
	n, err := io.Copy(v.ResponseWriter, src)
	v.access.Sent += n
	v.failed = v.failed || err != nil && v.ctx.Err() != nil
	return n, err
}

// Push is for handlers over HTTP/2.
func (v pushView) Push(target string, opts *http.PushOptions) error {
	return v.ResponseWriter.(http.Pusher).Push(target, opts)
}

// Hijack lets the handler take the connection over. The line is written once the handler
// has returned and the connection is closed. It has the bytes that are read from the
// connection and written to it, without those that pass through the ReadWriter alone.
func (v connView) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := v.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		return nil, nil, err
	}
	v.begun(http.StatusSwitchingProtocols)
	v.access.Upgraded = true
	v.conn = &accessConn{Conn: conn, request: v.accessWriter}
	v.open.Add(1)
	if _, ok := conn.(closeWriter); ok {
		return closeWriteConn{v.conn}, buffered, nil
	}
	return v.conn, buffered, nil
}

type closeWriter interface{ CloseWrite() error }

// An accessConn counts the bytes of a connection that a handler has taken over.
type accessConn struct {
	net.Conn
	request       *accessWriter
	read, written atomic.Int64
	closed        atomic.Bool
}

// A closeWriteConn is one of which one direction can be closed.
type closeWriteConn struct{ *accessConn }

// CloseWrite ends what is sent to the client.
func (c closeWriteConn) CloseWrite() error { return c.Conn.(closeWriter).CloseWrite() }

// NetConn returns the connection of the server, as [crypto/tls.Conn.NetConn] does.
func (c *accessConn) NetConn() net.Conn { return c.Conn }

func (c *accessConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *accessConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

func (c *accessConn) Close() error {
	err := c.Conn.Close()
	if !c.closed.Swap(true) {
		c.request.partDone()
	}
	return err
}
