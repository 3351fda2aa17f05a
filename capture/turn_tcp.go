package capture

import (
	"bytes"
	"encoding/binary"

	"github.com/tlspeek/tlspeek/quichello"
)

// A turnStream is what a TURN client and server send each other over TCP: STUN
// messages, and channel data with padding to four bytes (RFC 8656, section 12.5).
type turnStream struct {
	relayed int // bytes of messages after which no hello is expected
}

// startsTURN reports whether p begins with a STUN message, or with channel data that
// has a hello. That has no magic number. So all other messages in p must be what
// belongs to it: STUN, hellos, and on a channel with a hello or STUN also media.
// Otherwise it is likely to be a part of a file.
func startsTURN(p []byte) recordState {
	if p[0] <= 1 {
		_, state := stunLength(p)
		return state
	}
	hello := false
	var channel []byte // of the last hello or STUN message
	for len(p) > channelHeader {
		n := int(binary.BigEndian.Uint16(p[2:]))
		data := p[channelHeader:min(channelHeader+n, len(p))]
		whole := len(data) == n && n > 0
		switch {
		case startsDTLSHello(data, n) == recordValid, whole && quichello.IsInitial(data):
			hello, channel = true, p[:2]
		case whole && isSTUN(data):
			channel = p[:2]
		case !hello || !bytes.Equal(channel, p[:2]) || n == 0 || data[0]>>6 != 2: // RTP and RTCP (RFC 7983)
			return recordInvalid
		}
		p = p[min((channelHeader+n+3)&^3, len(p)):]
		if hello && (len(p) == 0 || p[0] <= 1 && startsTURN(p) != recordInvalid) {
			return recordValid
		}
	}
	return recordInvalid
}

// stunLength returns the length of the STUN message that b, which is not empty, begins
// with.
func stunLength(b []byte) (int, recordState) {
	const cookie = stunCookie
	for i, want := range [...]byte{cookie >> 24, cookie >> 16 & 0xff, cookie >> 8 & 0xff, cookie & 0xff} {
		if 4+i < len(b) && b[4+i] != want {
			return 0, recordInvalid
		}
	}
	switch {
	case b[0]>>6 != 0, len(b) >= 4 && b[3]&3 != 0:
		return 0, recordInvalid
	case len(b) < 8:
		return 0, recordIncomplete
	}
	return stunHeader + int(binary.BigEndian.Uint16(b[2:])), recordValid
}

func (*turnStream) next(b []byte) (length, padded int, state recordState) {
	switch {
	case b[0]>>6 == 0:
		length, state = stunLength(b)
		return length, length, state
	case b[0]>>6 != 1:
		return 0, 0, recordInvalid
	case len(b) < channelHeader:
		return 0, 0, recordIncomplete
	}
	length = channelHeader + int(binary.BigEndian.Uint16(b[2:]))
	return length, (length + 3) &^ 3, recordValid
}

func (f *turnStream) read(s *scanner, _ *slot, t *stream, message []byte, _ uint32) framingState {
	t.countFramed(len(message))
	var data []byte
	channel := uint32(0)
	switch {
	case message[0]>>6 != 0:
		data, channel = message[channelHeader:], uint32(binary.BigEndian.Uint16(message))
	case isSTUNIndication(message):
		data = stunData(message)
	}
	if !precedesHello(data) {
		f.relayed += len(message)
	}
	// A segment may have more messages than a packet may have layers.
	depth := s.depth
	s.channel = overTCP
	s.relayed(data, channel)
	s.channel, s.depth = 0, depth
	if f.relayed > maxRelayed {
		return framingEnded
	}
	return framingGoesOn
}

func (*turnStream) hasHello(b []byte) bool {
	return b[0]>>6 == 1 && len(b) > channelHeader &&
		startsDTLSHello(b[channelHeader:], int(binary.BigEndian.Uint16(b[2:]))) == recordValid
}

func (*turnStream) heldBytes() []byte { return nil }
