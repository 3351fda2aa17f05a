// Package varint reads and writes the variable-length integers of QUIC (RFC
// 9000, section 16).
package varint

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
)

// Parse returns the integer that b begins with, and how many bytes it takes: 0
// if b ends within it. It accepts encodings that are longer than necessary, as
// the RFC demands.
func Parse(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	n = 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, 0
	}
	switch n {
	case 1:
		v = uint64(b[0])
	case 2:
		v = uint64(binary.BigEndian.Uint16(b)) & (1<<14 - 1)
	case 4:
		v = uint64(binary.BigEndian.Uint32(b)) & (1<<30 - 1)
	default:
		v = binary.BigEndian.Uint64(b) & (1<<62 - 1)
	}
	return v, n
}

// Read reads an integer from s into v. If it returns false, s ends within the
// integer, and s and v are unchanged.
func Read(s *cryptobyte.String, v *uint64) bool {
	x, n := Parse(*s)
	if n == 0 {
		return false
	}
	*v, *s = x, (*s)[n:]
	return true
}

// Append appends the shortest encoding of v, which must be below 1<<62.
func Append(dst []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(dst, byte(v))
	case v < 1<<14:
		return binary.BigEndian.AppendUint16(dst, uint16(v)|1<<14)
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(dst, uint32(v)|2<<30)
	}
	return binary.BigEndian.AppendUint64(dst, v|3<<62)
}
