package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// maxLine is the longest line that is looked at for being an HTTP request. In
// the line protocol longer ones are answered, too: what they say is not read.
const maxLine = 8192

// A buffered connection hands on what was read ahead.
type buffered struct {
	*tls.Conn
	r *bufio.Reader
}

func newBuffered(c *tls.Conn) *buffered {
	return &buffered{c, bufio.NewReaderSize(c, maxLine)}
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// NetConn returns the TLS connection.
func (b *buffered) NetConn() net.Conn { return b.Conn }

// speaksHTTP waits for the client's first line and reports whether it is that
// of an HTTP request. A line too long for the buffer is one if it begins so.
func (b *buffered) speaksHTTP() bool {
	for n := 1; ; n++ {
		line, err := b.r.Peek(max(n, b.r.Buffered()))
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			return isRequestLine(line[:i])
		}
		if err != nil {
			return errors.Is(err, bufio.ErrBufferFull) && isRequestStart(line)
		}
		n = len(line)
	}
}

func isRequestLine(line []byte) bool {
	line = bytes.TrimSuffix(line, []byte("\r"))
	version := bytes.LastIndex(line, []byte(" HTTP/"))
	return isRequestStart(line) && version > 0 && len(line) == version+len(" HTTP/1.1")
}

// isRequestStart reports whether line begins with a method and a space.
func isRequestStart(line []byte) bool {
	method, _, ok := bytes.Cut(line, []byte(" "))
	return ok && len(method) > 0 && len(bytes.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) == 0
}

// maxKept is the longest answer that is kept from one line to the next.
const maxKept = 16 << 10

// answerLines answers each line with the connection's own Event, until the
// client has said its last, or ctx is done. A last line without its end counts.
func answerLines(ctx context.Context, b *buffered, a *answers) error {
	conn := connOf(b)
	var kept []byte
	for {
		b.SetReadDeadline(time.Now().Add(idleTimeout))
		if ctx.Err() != nil { // after the deadline, which its end puts into the past
			return nil
		}
		line, err := b.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue // to the line's end
		}
		if err != nil && (err != io.EOF || len(line) == 0) {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if kept, err = answerLine(ctx, b, a, conn, kept); err != nil {
			return err
		}
	}
}

// answerLine answers a line, and returns the answer if it is not too long to be
// kept for the next one.
func answerLine(ctx context.Context, b *buffered, a *answers, conn *Conn, answer []byte) ([]byte, error) {
	leave, ok := a.enter(ctx, conn)
	if !ok {
		return nil, errors.New(busy)
	}
	defer leave()
	if answer == nil {
		o, ok := conn.observed(new(parser.ClientHello))
		if !ok {
			return nil, ErrNoHello
		}
		e := eventOf(&o, conn.users(), event.Full)
		var err error
		if answer, err = e.AppendJSON(nil); err != nil {
			return nil, fmt.Errorf("writing an Event: %w", err)
		}
		answer = append(answer, '\n')
	}
	if err := writeAll(b, b.SetWriteDeadline, answer); err != nil {
		return nil, err
	}
	if len(answer) > maxKept {
		answer = nil
	}
	return answer, nil
}
