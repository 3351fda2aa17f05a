package signals

import (
	"math/bits"
	"net/netip"
)

// A secret is the key of the hash of a [Table]. Nobody who does not have it can choose
// values that a sketch takes for one, or that share a place.
type secret [2]uint64

// maxHashed is how many bytes of a value count. What a client sends may be long, and is
// hashed while it waits.
const maxHashed = 1 << 10

// hash returns SipHash-2-4 (Aumasson and Bernstein, 2012) of the first maxHashed bytes
// of text. It is never 0.
func (s secret) hash(text string) uint64 {
	if len(text) > maxHashed {
		text = text[:maxHashed]
	}
	return max(s.sipHash(text), 1)
}

// hashAddr returns the hash of an address. It is never 0.
func (s secret) hashAddr(a netip.Addr) uint64 {
	b := a.As16()
	return max(s.sipHash(string(b[:])), 1)
}

func (s secret) sipHash(text string) uint64 {
	v0, v1 := s[0]^0x736f6d6570736575, s[1]^0x646f72616e646f6d
	v2, v3 := s[0]^0x6c7967656e657261, s[1]^0x7465646279746573
	last := uint64(len(text)) << 56
	for ; len(text) >= 8; text = text[8:] {
		m := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
		v3 ^= m
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0 ^= m
	}
	for i := range len(text) {
		last |= uint64(text[i]) << (8 * i)
	}
	v3 ^= last
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= last
	v2 ^= 0xff
	for range 4 {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

func sipRound(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v3
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 += v3
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 += v1
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}
