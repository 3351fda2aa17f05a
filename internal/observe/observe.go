// Package observe makes the Observation of a handshake message, whatever carried
// it.
package observe

import (
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// MaxSeen is how many bytes an Observation has of what is not a hello.
const MaxSeen = 256

// Message completes o with the handshake message msg, which it parses into h. The
// Transport of h must be set. What o then has aliases h and msg: a Hello, or an
// Err and the first bytes of msg.
func Message(o *event.Observation, h *parser.ClientHello, msg []byte) {
	o.Transport = h.Transport
	o.Carrier.Bytes = len(msg)
	if o.Err = h.Unmarshal(msg); o.Err != nil {
		o.Received = msg[:min(len(msg), MaxSeen)]
		return
	}
	o.Hello = h
}

// QUIC completes o with a hello from QUIC Initial packets, whose message it
// parses into h. What o then has aliases both.
func QUIC(o *event.Observation, h *parser.ClientHello, q *quichello.Hello) {
	o.Index = q.Index
	o.Carrier.Datagrams = q.Datagrams
	initial := Initial(q)
	o.QUIC = &initial
	h.Transport = parser.QUIC
	Message(o, h, q.Message)
}

// Initial returns what the Initial packets of q show besides the message. Its
// frame types alias those of q.
func Initial(q *quichello.Hello) fingerprint.QUICInitial {
	return fingerprint.QUICInitial{
		Version:         uint32(q.Version),
		DCIDLen:         q.DCID.Len(),
		SCIDLen:         q.SCID.Len(),
		TokenLen:        q.TokenLen,
		PacketNumber:    uint64(q.PacketNumber),
		PacketNumberLen: q.PacketNumberLen,
		FrameTypes:      q.FrameTypes,
		Initials:        q.Initials,
		OutOfOrder:      q.OutOfOrder,
	}
}
