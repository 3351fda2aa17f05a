package proxy

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// Alerts of TLS (RFC 8446, section 6).
const (
	alertDecodeError      = 50
	alertInternalError    = 80
	alertUnrecognizedName = 112
)

// What a client may take to read an answer, and how much it may send meanwhile.
const (
	lingerTimeout = time.Second
	lingerBytes   = 256 << 10
)

// isTLS reports whether a stream begins as one of TLS.
func isTLS(start []byte) bool { return start[0] == 22 }

// refuse answers a client whose connection goes nowhere because of err.
func (c *passing) refuse(below net.Conn, hello []byte, err error) {
	_, isMalformed := errors.AsType[*parser.Error](err)
	switch {
	case len(hello) == 0:
	case isMalformed && !isTLS(hello):
		_ = below.SetDeadline(time.Now().Add(lingerTimeout))
		var start [tlsrecord.HeaderLen]byte
		n := copy(start[:], hello)
		if _, err := io.ReadFull(below, start[n:]); err != nil {
			return
		}
		if answer := tlsrecord.PlainHTTPAnswer(start); answer != "" {
			c.answer(below, answer)
		}
	case isMalformed, errors.Is(err, server.ErrOverLimit):
		c.alert(below, hello, alertDecodeError)
	default:
		c.alert(below, hello, alertUnrecognizedName)
	}
}

// alert sends a fatal alert.
func (c *passing) alert(below net.Conn, hello []byte, description byte) {
	c.answer(below, string([]byte{21, 3, alertMinor(hello), 0, 2, 2, description}))
}

// alertMinor returns the second byte of the version of a record that a client understands:
// that of its own first record, or else of TLS 1.0.
func alertMinor(hello []byte) byte {
	if len(hello) > 2 && hello[0] == 22 && hello[1] == 3 && hello[2] <= 3 {
		return hello[2]
	}
	return 1
}

// answer sends text as the last of the connection. Closing a connection whose bytes were
// not read makes the client's system discard what it has not read itself: what it still
// sends is read until it has closed, for some time.
func (c *passing) answer(below net.Conn, text string) {
	_ = below.SetDeadline(time.Now().Add(lingerTimeout))
	if _, err := io.WriteString(below, text); err != nil {
		return
	}
	closeWrite(below)
	b := c.server.getBuffer()
	defer c.server.putBuffer(b)
	for left := lingerBytes; left > 0; {
		n, err := below.Read(b[:])
		if left -= n; err != nil {
			return
		}
	}
}
