package learn

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
)

// minSketch is how many distinct values a sketch counts exactly, at least.
const minSketch = 1024

// A sketch counts distinct values, by the lowest of their hashes (Bar-Yossef et al.:
// Counting distinct elements in a data stream, 2002). Up to its size the count is exact;
// beyond, its standard error is 3 percent for 1024 hashes.
type sketch struct {
	hashes []uint64 // in rising order
}

// add adds the hash of a value to a sketch of the given size.
func (s *sketch) add(hash uint64, size int) {
	if len(s.hashes) == size && hash >= s.hashes[size-1] {
		return
	}
	at, found := slices.BinarySearch(s.hashes, hash)
	if found {
		return
	}
	if len(s.hashes) == size {
		s.hashes = s.hashes[:size-1]
	}
	s.hashes = slices.Insert(s.hashes, at, hash)
}

// merge adds the values of o.
func (s *sketch) merge(o *sketch, size int) {
	for _, h := range o.hashes {
		s.add(h, size)
	}
}

// count returns how many distinct values were added.
func (s *sketch) count(size int) int64 {
	if len(s.hashes) < size {
		return int64(len(s.hashes))
	}
	share := float64(s.hashes[size-1]) / math.MaxUint64 // of all hashes, of which size-1 are lower
	return max(int64(float64(size-1)/share), int64(size))
}

// bytes returns the memory that s takes.
func (s *sketch) bytes() int { return 8 * cap(s.hashes) }

// hashAddr returns hashes of a client's address and of its prefix. The address of an IPv6
// client is its /64, in which it has as many as it likes; the prefix is a /24 of IPv4 and
// a /48 of IPv6.
func hashAddr(a netip.Addr) (address, prefix uint64) {
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		v := uint64(binary.BigEndian.Uint32(b[:]))
		return mix(v), mix(v &^ 0xff)
	}
	b := a.As16()
	v := binary.BigEndian.Uint64(b[:])
	return mix(v), mix(v &^ 0xffff)
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom
// number generators, 2014). It maps no two values to one.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
