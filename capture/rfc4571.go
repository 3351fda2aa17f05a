package capture

import "encoding/binary"

// A frameStream consists of datagrams with their lengths before them (RFC 4571), as
// sent by ICE over TCP (RFC 6544) and for media over TCP.
type frameStream struct {
	relayed int // bytes of frames after which no hello is expected
}

const (
	frameHeader = 2

	// maxFrameHigh is the first byte of the longest frame that a stream may begin
	// with. Such frames are sent over UDP as well, and have less than 1,536 bytes.
	maxFrameHigh = 5
)

// startsFrames reports whether p begins with a frame with a STUN message or a DTLS
// hello. In the latter case other frames in p must be of these kinds, too.
func startsFrames(p []byte) recordState {
	for first := true; ; first = false {
		if len(p) <= frameHeader {
			return recordIncomplete
		}
		n := int(binary.BigEndian.Uint16(p))
		data := p[frameHeader:min(frameHeader+n, len(p))]
		if n >= stunHeader && data[0] <= 1 {
			length, state := stunLength(data)
			if state == recordValid && length != n {
				state = recordInvalid
			}
			if first || state == recordInvalid {
				return state
			}
			return recordValid
		}
		state := startsDTLSHello(data, n)
		if !first && state == recordIncomplete {
			return recordValid
		}
		if state != recordValid {
			return state
		}
		if p = p[min(frameHeader+n, len(p)):]; len(p) <= frameHeader {
			return recordValid
		}
	}
}

func (*frameStream) next(b []byte) (length, padded int, state recordState) {
	if len(b) < frameHeader {
		return 0, 0, recordIncomplete
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > 0 && len(b) > frameHeader {
		// The ranges of RFC 7983, section 7.
		switch first := b[frameHeader]; {
		case first <= 3, recordChangeCipherSpec <= first && first <= 79, 128 <= first && first <= 191:
		default:
			return 0, 0, recordInvalid
		}
	}
	return frameHeader + n, frameHeader + n, recordValid
}

func (f *frameStream) read(s *scanner, _ *slot, t *stream, message []byte, _ uint32) framingState {
	t.countFramed(len(message))
	data := message[frameHeader:]
	if !precedesHello(data) {
		f.relayed += len(message)
	}
	if isDTLSHandshake(data) {
		layers := len(s.layers)
		s.addLayer(LayerRFC4571, 0)
		s.channel = overTCP
		s.datagram(data)
		s.channel = 0
		s.layers = s.layers[:layers]
	}
	if f.relayed > maxRelayed {
		return framingEnded
	}
	return framingGoesOn
}

func (*frameStream) hasHello(b []byte) bool {
	return len(b) > frameHeader && startsDTLSHello(b[frameHeader:], int(binary.BigEndian.Uint16(b))) == recordValid
}

func (*frameStream) heldBytes() []byte { return nil }
