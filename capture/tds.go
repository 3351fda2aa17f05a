package capture

import (
	"encoding/binary"

	"github.com/tlspeek/tlspeek/parser"
)

// A tdsStream is the TLS stream in the packets that a client of SQL Server sends
// before its login ([MS-TDS], sections 2.2.3.1 and 2.2.6.5).
type tdsStream struct {
	records parser.RecordAssembler
	start   uint32 // sequence number of the first byte of the hello
	kept    []byte // the bytes from there on, or none if no hello has begun
}

const (
	tdsPrelogin    = 0x12 // packet type
	tdsHeader      = 8
	tdsEndOfMsg    = 1 // packet status
	maxTDS         = 32767
	tdsVersionLen  = 6
	tdsOptionLen   = 5 // of a token, an offset and a length
	tdsTokenVer    = 0
	tdsTLSEvidence = 3 // bytes
)

// startsTDS reports whether p begins with a PRELOGIN packet: with its first option,
// which is the version, or with a TLS hello. The header may also be in a segment of
// its own.
func startsTDS(p []byte) recordState {
	length, state := tdsLength(p)
	switch {
	case state != recordValid:
		return state
	case p[4] != 0 || p[5] != 0 || length <= tdsHeader: // a client has no process id
		return recordInvalid
	case len(p) == tdsHeader:
		return recordValid
	}
	body := p[tdsHeader:min(length, len(p))]
	if body[0] == recordHandshake {
		if len(body) < tdsTLSEvidence {
			return recordIncomplete
		}
		if body[1] != tlsMajor || sniff(body) == noHello {
			return recordInvalid
		}
		return recordValid
	}
	switch {
	case body[0] != tdsTokenVer || p[1] != tdsEndOfMsg:
		return recordInvalid
	case len(body) < tdsOptionLen:
		return recordIncomplete
	}
	offset, n := int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	if n != tdsVersionLen || offset < tdsOptionLen || tdsHeader+offset+n > length {
		return recordInvalid
	}
	return recordValid
}

// tdsLength returns the length of the PRELOGIN packet that b, which is not empty, begins
// with.
func tdsLength(b []byte) (int, recordState) {
	switch {
	case b[0] != tdsPrelogin, len(b) > 1 && b[1] > tdsEndOfMsg, len(b) > 7 && b[7] != 0:
		return 0, recordInvalid
	case len(b) < tdsHeader:
		return 0, recordIncomplete
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < tdsHeader || length > maxTDS {
		return 0, recordInvalid
	}
	return length, recordValid
}

func (*tdsStream) next(b []byte) (length, padded int, state recordState) {
	length, state = tdsLength(b)
	return length, length, state
}

func (f *tdsStream) read(s *scanner, sl *slot, t *stream, message []byte, sequence uint32) framingState {
	body := message[tdsHeader:]
	helloSeen := sl.state&slotHelloSeen != 0
	begins := len(f.kept) == 0
	switch {
	case !begins:
	case len(body) == 0, !helloSeen && body[0] != recordHandshake && body[0] != recordAlert: // options
		t.countFramed(len(message))
		return framingGoesOn
	default:
		f.start = sequence + tdsHeader
	}
	hello, used, err := f.records.Next(body)
	if begins && err == nil {
		t.countFramed(tdsHeader)
	}
	if hello != nil {
		how := arrival{
			version:  f.records.RecordVersion(),
			length:   len(f.kept) + len(message),
			records:  f.records.Records(),
			segments: max(t.segmentCount, 1),
			conflict: t.outOfOrder.conflict,
			aligned:  true,
		}
		f.kept = nil
		layers := len(s.layers)
		s.addLayer(LayerTDS, 0)
		alive := s.emitHello(sl, f.start, hello, how)
		s.layers = s.layers[:layers]
		if !alive {
			return framingRemoved
		}
		helloSeen = sl.state&slotHelloSeen != 0
	}
	switch {
	// A hello ends its packet, as the client waits for the answer.
	case err == nil && used == len(body) && len(f.kept) <= maxHead:
		switch {
		case hello != nil:
		case begins:
			f.kept = append(f.kept, body...)
		default:
			f.kept = append(f.kept, message...)
		}
		return framingGoesOn
	case helloSeen:
		return framingEnded
	}
	return framingBroken
}

func (*tdsStream) hasHello(b []byte) bool {
	return len(b) > tdsHeader+recordHeader+messageHeader && sniff(b[tdsHeader:]) >= likely
}

func (f *tdsStream) heldBytes() []byte { return f.kept }
