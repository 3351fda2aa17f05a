package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// maxLine is how much of the first line is read ahead, to find out whether it is
// that of an HTTP request.
const maxLine = 8192

// A buffered connection has the first line read ahead.
type buffered struct {
	*tls.Conn
	r       *bufio.Reader          // nil once all of it is handed on
	lineEnd func(whole bool) error // called when Read has the end of the first line, or of all; nil once it has
}

func newBuffered(c *tls.Conn) *buffered {
	return &buffered{Conn: c, r: bufio.NewReaderSize(c, maxLine)}
}

func (b *buffered) Read(p []byte) (int, error) {
	n, err := b.read(p)
	if b.lineEnd == nil {
		return n, err
	}
	whole := bytes.IndexByte(p[:n], '\n') >= 0
	if !whole && err != io.EOF {
		return n, err
	}
	lineEnd := b.lineEnd
	b.lineEnd = nil
	if refused := lineEnd(whole); refused != nil {
		return 0, refused
	}
	return n, err
}

// hasEnded reports whether the client has ended its side before the end of a line.
func (b *buffered) hasEnded() bool {
	_, err := b.r.Peek(b.r.Buffered() + 1)
	return err == io.EOF
}

// awaitEnd waits until the client has ended its side, has sent more than is read ahead, or
// until the deadline for reading.
func (b *buffered) awaitEnd() {
	for err := error(nil); err == nil; {
		_, err = b.r.Peek(b.r.Buffered() + 1)
	}
}

// read reads what was read ahead, and then from the TLS connection.
func (b *buffered) read(p []byte) (int, error) {
	if b.r == nil {
		return b.Conn.Read(p)
	}
	if b.r.Buffered() == 0 {
		b.r = nil
		return b.Conn.Read(p)
	}
	return b.r.Read(p)
}

// NetConn returns the TLS connection.
func (b *buffered) NetConn() net.Conn { return b.Conn }

// hasLine reports whether all of the first line is read ahead.
func (b *buffered) hasLine() bool {
	ahead, _ := b.r.Peek(b.r.Buffered()) // which is there
	return bytes.IndexByte(ahead, '\n') >= 0
}

// speaksHTTP waits for the first line and reports whether it is that of an HTTP
// request. A line too long for the buffer counts by its beginning.
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
