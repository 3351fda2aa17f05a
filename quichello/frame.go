package quichello

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tlspeek/tlspeek/internal/varint"
)

// The types of frames in an Initial (RFC 9000, section 12.4). The RFC allows
// 0x1d only in packets of application data, but some clients send it.
const (
	framePadding  = 0x00
	framePing     = 0x01
	frameAck      = 0x02
	frameAckECN   = 0x03
	frameCrypto   = 0x06
	frameClose    = 0x1c
	frameCloseApp = 0x1d
)

// A frame is one frame of an Initial's payload. Only CRYPTO frames have data.
// It aliases the payload.
type frame struct {
	typ    uint64
	crypto bool
	offset uint64
	data   []byte
}

// readFrame reads the next frame of a payload. Consecutive PADDING frames count
// as one. It returns false if the frame is truncated or not allowed in an
// Initial.
func readFrame(s *cryptobyte.String, suite suite, f *frame) bool {
	var n, length uint64
	*f = frame{}
	if !varint.Read(s, &f.typ) {
		return false
	}
	switch f.typ {
	case framePadding:
		*s = trimPadding(*s)
		return true
	case framePing:
		return true
	case frameAck, frameAckECN: // section 19.3
		if !skipVarints(s, 2) || !varint.Read(s, &n) || !skipVarints(s, 1) {
			return false
		}
		// Each range takes at least two bytes, so a large n does not make a
		// long loop.
		for ; n > 0; n-- {
			if !skipVarints(s, 2) {
				return false
			}
		}
		return f.typ == frameAck || skipVarints(s, 3)
	case suite.cryptoType(): // section 19.6
		f.crypto = true
		return varint.Read(s, &f.offset) && varint.Read(s, &length) &&
			length <= uint64(len(*s)) && s.ReadBytes(&f.data, int(length))
	case frameClose: // section 19.19
		return skipVarints(s, 2) && varint.Read(s, &length) && length <= uint64(len(*s)) && s.Skip(int(length))
	case frameCloseApp:
		return skipVarints(s, 1) && varint.Read(s, &length) && length <= uint64(len(*s)) && s.Skip(int(length))
	}
	return false
}

func skipVarints(s *cryptobyte.String, count int) bool {
	var v uint64
	for range count {
		if !varint.Read(s, &v) {
			return false
		}
	}
	return true
}

// trimPadding returns b without leading zero bytes. An Initial has up to a
// thousand, usually at its end.
func trimPadding(b []byte) []byte {
	for len(b) >= len(zeros) && bytes.Equal(b[:len(zeros)], zeros[:]) {
		b = b[len(zeros):]
	}
	if len(b) < len(zeros) && bytes.Equal(b, zeros[:len(b)]) {
		return nil
	}
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

var zeros [256]byte
