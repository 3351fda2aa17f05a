package server

import (
	"bytes"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// A handshakeTracker follows the records that a client sends, to find the end
// of its part of the handshake. The zero value is ready.
type handshakeTracker struct {
	header  [tlsrecord.HeaderLen]byte
	n       uint8  // bytes of header that were read
	left    uint16 // bytes of the record that were not read
	atStart bool   // the next byte is the first of a fragment
	isHello bool   // the record begins with a ClientHello
	ccs     bool   // ChangeCipherSpec has come, and no ClientHello since

	helloRead bool // crypto/tls may have read a ClientHello
	rejected  bool // a header is not one of TLS
}

// sent says what the server has sent in a handshake, as far as it matters here.
type sent uint32

const (
	sentNothing sent = iota
	sentRetry        // a HelloRetryRequest
	sentOther
)

// ended reads b and reports whether the handshake ended in it, as far as that is
// up to the client. s is what the server has sent.
//
// It succeeds with the first encrypted record. In TLS 1.3 that is application
// data. In earlier versions it is the first handshake message after
// ChangeCipherSpec, but not before the server has sent anything, nor after a
// HelloRetryRequest, which makes the version 1.3, nor where the message is the
// second hello. A client that has the keys may split its last message, or send
// a certificate before it, without a third party noticing. Such a client could
// finish the handshake as well: it has paid for the same key exchange.
//
// It fails at a header that is not one of TLS, before any hello: crypto/tls then
// sends nothing, wants no more bytes, and leaves the connection to its caller
// ([tls.RecordHeaderError]). It waits until the header is complete. What crypto/tls
// rejects with an alert, the caller closes.
func (t *handshakeTracker) ended(b []byte, s sent) bool {
	if t.rejected {
		return false
	}
	for {
		if b = t.skipHandshake(b); len(b) == 0 {
			return false
		}
		if t.left == 0 {
			n := copy(t.header[t.n:], b)
			t.n += uint8(n)
			b = b[n:]
			if int(t.n) < len(t.header) {
				return false
			}
			t.n = 0
			t.left = uint16(t.header[3])<<8 | uint16(t.header[4])
			t.atStart, t.isHello = true, false
			if !t.helloRead && !startsTLS(t.header) {
				t.rejected = true
				return true
			}
			continue
		}
		if t.atStart {
			t.atStart = false
			t.isHello = b[0] == tlsrecord.ClientHello
		}
		n := min(int(t.left), len(b))
		t.left -= uint16(n)
		b = b[n:]
		if t.left > 0 {
			return false
		}
		switch t.header[0] {
		case tlsrecord.ChangeCipherSpec:
			t.ccs = true
		case tlsrecord.Handshake:
			if t.ccs && !t.isHello && s == sentOther {
				return true
			}
			t.ccs = t.ccs && !t.isHello
		case tlsrecord.ApplicationData:
			return true
		}
	}
}

// skipHandshake skips whole handshake records before any ChangeCipherSpec, which end
// nothing, and returns the rest. A hello may come in many short ones.
func (t *handshakeTracker) skipHandshake(b []byte) []byte {
	if t.n > 0 || t.left > 0 || t.ccs {
		return b
	}
	for len(b) >= tlsrecord.HeaderLen && b[0] == tlsrecord.Handshake && b[1] <= tlsrecord.MaxMajor {
		n := int(b[3])<<8 | int(b[4])
		if n > len(b)-tlsrecord.HeaderLen {
			break
		}
		if n == 1 { // a constant does not wait for what was just loaded
			b = b[tlsrecord.HeaderLen+1:]
		} else {
			b = b[tlsrecord.HeaderLen+n:]
		}
	}
	return b
}

// startsTLS reports whether crypto/tls reads on after the header of a record
// that may hold a first ClientHello. It answers type 0x80, of SSL 2.0, with an
// alert.
func startsTLS(header [tlsrecord.HeaderLen]byte) bool {
	typ := header[0]
	return (typ == tlsrecord.Alert || typ == tlsrecord.Handshake) && header[1] <= tlsrecord.MaxMajor || typ == 0x80
}

const serverHello = 2 // HandshakeType, also of a HelloRetryRequest

// helloRetryRandom is the random of a HelloRetryRequest (RFC 8446, section
// 4.1.3).
const helloRetryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// classify returns what b is, which the server sends.
func classify(b []byte) sent {
	const message = tlsrecord.HeaderLen
	const random = message + tlsrecord.MessageHeaderLen + 2 // after the version
	if len(b) > random && b[0] == tlsrecord.Handshake && b[message] == serverHello && bytes.HasPrefix(b[random:], []byte(helloRetryRandom)) {
		return sentRetry
	}
	return sentOther
}
