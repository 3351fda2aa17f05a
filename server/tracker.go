package server

import (
	"bytes"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// A flight follows the records that a client sends, to know when its part of
// the handshake is over. The zero value is ready.
type flight struct {
	header   [tlsrecord.HeaderLen]byte
	n        int // bytes of header that were read
	left     int // bytes of the record that were not read
	ccs      bool
	first    bool // the next byte is the record's first
	hello    bool // the record begins a ClientHello
	odd      bool // not all records were such as a hello may be in
	begun    bool // crypto/tls may have read a ClientHello
	rejected bool // a header is none of TLS
}

// What the server has written in a handshake, as far as it matters.
type written uint32

const (
	writtenNothing written = iota
	writtenRetry           // a HelloRetryRequest
	writtenOther
)

// ended reads b and reports whether the handshake ended in it, as far as it is
// for the client to end it. The server has written w by now.
//
// It ends well with the first record that is encrypted. That is application
// data in TLS 1.3. In the versions before it is the first handshake message
// after ChangeCipherSpec: not before the server has written anything, nor after
// a HelloRetryRequest, which makes the version 1.3, nor where it is the second
// hello. A client that has the keys may cut its last message into several
// records, or send a certificate before it, and nobody else can tell. It could
// as well finish the handshake: it has paid for the same key exchange.
//
// It fails where a header is none of TLS and no hello has come: crypto/tls then
// writes nothing, wants no more bytes, and leaves the connection to its caller
// ([tls.RecordHeaderError]). As long as the header is not whole it waits. What
// it rejects with an alert is up to the caller to close.
func (f *flight) ended(b []byte, w written) bool {
	if f.rejected {
		return false
	}
	for len(b) > 0 {
		if f.left == 0 {
			n := copy(f.header[f.n:], b)
			f.n += n
			b = b[n:]
			if f.n < len(f.header) {
				return false
			}
			f.n = 0
			f.left = int(f.header[3])<<8 | int(f.header[4])
			f.first, f.hello = true, false
			f.odd = f.odd || f.header[0] != tlsrecord.Handshake || f.left == 0 || f.left > tlsrecord.MaxPlaintext
			if !f.begun && !startsTLS(f.header) {
				f.rejected = true
				return true
			}
			continue
		}
		if f.first {
			f.first = false
			f.hello = b[0] == tlsrecord.ClientHello
		}
		n := min(f.left, len(b))
		f.left -= n
		b = b[n:]
		if f.left > 0 {
			return false
		}
		switch f.header[0] {
		case tlsrecord.ChangeCipherSpec:
			f.ccs = true
		case tlsrecord.Handshake:
			if f.ccs && !f.hello && w == writtenOther {
				return true
			}
			f.ccs = f.ccs && !f.hello
		case tlsrecord.ApplicationData:
			return true
		}
	}
	return false
}

// startsTLS reports whether crypto/tls reads on after the header of a record
// that may hold a first ClientHello. To type 0x80, of SSL 2.0, it answers with
// an alert.
func startsTLS(header [5]byte) bool {
	typ := header[0]
	return (typ == 21 || typ == 22) && header[1] < 0x10 || typ == 0x80
}

// helloRetryRandom is the random of a HelloRetryRequest (RFC 8446, section
// 4.1.3).
const helloRetryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// writtenBy returns what b is, which a server writes.
func writtenBy(b []byte) written {
	const random = 5 + 4 + 2 // after the headers of record and message, and the version
	if len(b) > random && b[0] == 22 && b[5] == 2 && bytes.HasPrefix(b[random:], []byte(helloRetryRandom)) {
		return writtenRetry
	}
	return writtenOther
}
