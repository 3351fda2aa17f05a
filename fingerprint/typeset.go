package fingerprint

import (
	"math/bits"

	"github.com/tlspeek/tlspeek/parser"
)

// A typeSet has the types of the extensions of a hello, without GREASE, sorted.
// Nearly all types in use are below 64. A bit set sorts them in less time than moving
// them takes, and tests for a type in one operation.
type typeSet struct {
	count int
	low   uint64   // bit t for type t
	rest  []uint16 // sorted: types from 64 on, and what came before
}

// typesOf returns the set of the types of extensions, with the rest in scratch.
func typesOf(extensions []parser.Extension, scratch []uint16) typeSet {
	var low uint64
	rest, count := scratch, 0
	for i := range extensions {
		t := extensions[i].Type
		if bit := uint64(1) << t; t < 64 && low&bit == 0 {
			low |= bit
			count++
		} else if !parser.IsGREASE(t) {
			rest = append(rest, uint16(t))
			count++
		}
	}
	sortValues(rest)
	return typeSet{count, low, rest}
}

// has reports whether t, which must be below 64, is in s.
func (s *typeSet) has(t parser.ExtensionType) bool { return s.low>>t&1 != 0 }

// namesMask has the bits of server_name and ALPN, which JA4 leaves out of its list of
// extensions: JA4_a shows them.
const namesMask = 1<<parser.ExtServerName | 1<<parser.ExtALPN

// appendWithoutSNIAndALPN appends the types in hex with commas between,
// without server_name and ALPN.
func (s *typeSet) appendWithoutSNIAndALPN(dst []byte) []byte {
	start, rest := len(dst), dropNames(s.rest)
	for low := s.low &^ namesMask; low != 0; low &= low - 1 {
		t := uint16(bits.TrailingZeros64(low))
		for ; len(rest) > 0 && rest[0] < t; rest = rest[1:] {
			dst = append(appendHex(dst, rest[0]), ',')
		}
		dst = append(appendHex(dst, t), ',')
	}
	for _, t := range rest {
		dst = append(appendHex(dst, t), ',')
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// dropNames removes server_name and ALPN from a list in place.
func dropNames(types []uint16) []uint16 {
	kept := types[:0]
	for _, t := range types {
		if t != uint16(parser.ExtServerName) && t != uint16(parser.ExtALPN) {
			kept = append(kept, t)
		}
	}
	return kept
}
