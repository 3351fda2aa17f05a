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

// answerLines answers each line with the connection's own Event, until the
// client has said its last, or ctx is done. A last line without its end counts.
func answerLines(ctx context.Context, b *buffered) error {
	e, ok := connOf(b).Event(event.Full)
	if !ok {
		return ErrNoHello
	}
	answer, err := e.AppendJSON(nil)
	if err != nil {
		return fmt.Errorf("writing an Event: %w", err)
	}
	answer = append(answer, '\n')
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
		b.SetWriteDeadline(time.Now().Add(idleTimeout))
		if _, err := b.Write(answer); err != nil {
			return err
		}
	}
}
