package capture

import (
	"encoding/binary"
	"math"
)

// Whether a segment of an unknown connection is the first of it to be searched is asked
// of most packets of a capture. So its first eight bytes are looked at before anything
// else: what mayAdopt and startsFraming accept has one of a few patterns there.

// startBytes is how many bytes the patterns are for.
const startBytes = 8

// A startPattern is the value of some bits of the first bytes of a segment.
type startPattern struct{ mask, want uint64 }

// startPatterns has those of each first byte. Shorter segments have none.
var startPatterns = newStartPatterns()

// startZeros has, for each first byte, bits that are 0 in all its patterns, which most
// segments have set. For a byte without patterns these are its own.
var startZeros = newStartZeros()

func newStartZeros() (zeros [256]uint64) {
	for b, patterns := range startPatterns {
		if len(patterns) == 0 {
			zeros[b] = 0xff << 56
			continue
		}
		zeros[b] = math.MaxUint64
		for _, t := range patterns {
			zeros[b] &= t.mask &^ t.want
		}
	}
	return zeros
}

func newStartPatterns() (patterns [256][]startPattern) {
	add := func(first, last byte, mask, want uint64) {
		for b := int(first); b <= int(last); b++ {
			patterns[b] = append(patterns[b], startPattern{mask, want})
		}
	}
	for b, class := range startClasses {
		if class == startsText {
			add(byte(b), byte(b), notASCII, 0)
		}
	}
	for _, b := range "0M\r\n4" { // lines, too, may begin with these
		add(byte(b), byte(b), notASCII, 0)
	}

	// Records: of a handshake, with the first byte of a ClientHello; warning alerts; and
	// a ChangeCipherSpec.
	add(recordHandshake, recordHandshake, 0x00_f0_00_80_00_ff_00_00, 0x01_00_00)
	add(recordAlert, recordAlert, 0x00_f0_00_ff_ff_ff_00_00, 0x02_01_00_00)
	add(recordChangeCipherSpec, recordChangeCipherSpec, 0x00_00_00_ff_ff_ff_00_00, 0x01_01_00_00)

	// Prefaces, in the order of prefaceLen.
	add(0x00, 0x00, 0x00_ff_ff_ff_ff_ff_ff_e0, 0x08_04_d2_16_20)           // PostgreSQL
	add(0x00, 0x00, 0x00_ff_ff_fc_ff_ff_ff_ff, 'I'<<24|'H'<<16|'A'<<8|'V') // NBD
	add(' ', ' ', 0x00_ff_ff_ff_00_00_00_00, 0x01_00_00_00_00)
	add(' ', ' ', 0x00_ff_ff_ff_00_00_00_00, 0x00_0d_00_04_00_00_00_00)
	add(0x05, 0x05, 0x00_ff_ff_ff_00_00_00_00, 0x01_00_00_00_00)
	add(0xff, 0xff, 0x00_fe_00_00_00_00_00_00, 0x00_fa_00_00_00_00_00_00)
	add(0xa1, 0xa1, 0x00_ff_00_00_00_00_00_00, 0x00_b2_00_00_00_00_00_00)
	add(0xd4, 0xd4, 0x00_ff_ff_ff_00_00_00_00, 0x00_c3_b2_a1_00_00_00_00)
	add('M', 'M', 0x00_ff_ff_ff_00_00_00_00, 0x00_3c_b2_a1_00_00_00_00)
	add('4', '4', 0x00_ff_ff_ff_00_00_00_00, 0x00_cd_b2_a1_00_00_00_00)
	add('\n', '\n', 0x00_ff_ff_ff_00_00_00_00, 0x00_0d_0d_0a_00_00_00_00)
	add(0x03, 0x03, 0x00_ff_ff_00_00_ff_00_00, 0x00_e0_00_00) // RDP
	add(0x04, 0x04, 0x00_ff_00_00_00_00_00_00, 0x00_01_00_00_00_00_00_00)
	add(0x05, 0x05, 0x00_e0_00_00_00_00_00_00, 0)
	add('0', '0', 0x00_80_ff_00_00_00_00_00, 0x00_00_02_00_00_00_00_00) // LDAP

	// Framings: a STUN message, or a hello or STUN on a channel, in TURN; a STUN message or
	// a DTLS record after a length; and TDS.
	add(0x00, 0x01, 0x00_00_00_00_ff_ff_ff_ff, stunCookie)
	add(0x40, 0x4f, 0x00_00_00_00_ff_ff_00_00, 0x16_fe_00_00)
	add(0x40, 0x4f, 0x00_00_00_00_80_00_00_00, 0x80_00_00_00) // QUIC
	add(0x40, 0x4f, 0x00_00_00_00_fe_00_00_03, 0)             // STUN
	add(0x00, maxFrameHigh, 0x00_00_fe_00_00_00_ff_ff, stunCookie>>16)
	add(0x00, maxFrameHigh, 0x00_00_ff_ff_00_ff_00_00, 0x00_00_16_fe_00_00_00_00)
	add(tdsPrelogin, tdsPrelogin, 0x00_fe_00_00_ff_ff_00_ff, 0)
	return patterns
}

// mayStartStream reports whether startsStream may report true for p, which is not empty.
func mayStartStream(p []byte) bool {
	if len(p) < startBytes {
		return true
	}
	first := binary.BigEndian.Uint64(p)
	return first&startZeros[first>>56] == 0
}

// startsStream reports whether the payload of a segment of a connection that is not
// awaited may be the first of it to be searched: it starts a hello, a preface with a hello
// behind it, or messages that carry one.
func startsStream(p []byte) bool {
	if len(p) >= startBytes {
		first, matches := binary.BigEndian.Uint64(p), false
		for _, t := range startPatterns[p[0]] {
			matches = matches || first&t.mask == t.want
		}
		if !matches {
			return false
		}
	}
	return mayAdopt(p) || mayBeFramed(p[0]) && startsFraming(p) != nil
}
