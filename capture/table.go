package capture

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// A hasher hashes addresses and ports to a key of 64 bits. Its secrets are new for
// each capture, so that nobody can craft two flows with the same key. Some two of n
// flows have the same key by chance with a probability of n²/2⁶⁴, which is about one
// in 10¹² for 5,000 flows at a time. It could hide one hello.
type hasher [4]uint64

func newHasher() hasher {
	return hasher{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()}
}

// key returns the key of a flow, which is not 0. addrs has 8 or 32 bytes.
func (h *hasher) key(addrs []byte, ports uint32) uint64 {
	x := mulFold(binary.LittleEndian.Uint64(addrs)^h[0], uint64(ports)^h[1])
	if len(addrs) == 32 {
		x ^= h.rest((*[32]byte)(addrs))
	}
	return mulFold(x^h[2], h[3]) | 1
}

// rest hashes two IPv6 addresses but their first 8 bytes.
func (h *hasher) rest(addrs *[32]byte) uint64 {
	return mulFold(binary.LittleEndian.Uint64(addrs[8:])^h[1], binary.LittleEndian.Uint64(addrs[16:])^h[2]) ^
		mulFold(binary.LittleEndian.Uint64(addrs[24:])^h[3], h[0])
}

// mulFold multiplies to 128 bits and folds the product to 64 bits.
func mulFold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// A slot is the state of a connection whose hello is awaited. It has 16 bytes, so
// that four share a cache line and the default limit has room for 5 million
// half-open connections.
type slot struct {
	key   uint64 // 0 if the slot is free
	next  uint32 // sequence number of the next byte
	state uint32 // flags and a number: see slotNumber
}

// A table is a hash table of slots with linear probing. A slot may move when another
// one is inserted or removed.
type table struct {
	slots []slot
	used  int
}

// find returns the slot of a key, or nil.
func (t *table) find(key uint64) *slot {
	mask := uint64(len(t.slots) - 1)
	for i := key >> 1; ; i++ {
		s := &t.slots[i&mask]
		if s.key == key {
			return s
		}
		if s.key == 0 {
			return nil
		}
	}
}

// insert adds a slot for a key that has none. The table grows to at most maxSlots.
func (t *table) insert(key uint64, maxSlots int) *slot {
	if t.used >= t.capacity(maxSlots) {
		old := t.slots
		t.slots = make([]slot, 2*len(old))
		for i := range old {
			if old[i].key != 0 {
				*t.freeSlot(old[i].key) = old[i]
			}
		}
	}
	t.used++
	s := t.freeSlot(key)
	s.key = key
	return s
}

// capacity returns how many slots may be used. It is a quarter of them, so that most
// lookups of absent keys need one probe, or three quarters if the table is large. A
// table that takes little memory is emptier still.
func (t *table) capacity(maxSlots int) int {
	const (
		tiny  = 1 << 10 // 16 KiB
		small = 1 << 15 // 512 KiB
	)
	switch n := len(t.slots); {
	case n < min(tiny, maxSlots):
		return n / 16
	case n < min(small, maxSlots):
		return n / 4
	default:
		return n / 4 * 3
	}
}

// freeSlot returns the free slot for a key.
func (t *table) freeSlot(key uint64) *slot {
	mask := uint64(len(t.slots) - 1)
	for i := key >> 1; ; i++ {
		if s := &t.slots[i&mask]; s.key == 0 {
			return s
		}
	}
}

// remove frees a slot and moves others so that probing still finds them.
func (t *table) remove(s *slot) {
	mask := uint64(len(t.slots) - 1)
	hole := s.key >> 1 & mask
	for &t.slots[hole] != s {
		hole = (hole + 1) & mask
	}
	for i := hole; ; {
		i = (i + 1) & mask
		m := &t.slots[i]
		if m.key == 0 {
			break
		}
		if home := m.key >> 1 & mask; (i-home)&mask >= (i-hole)&mask {
			t.slots[hole] = *m
			hole = i
		}
	}
	t.slots[hole] = slot{}
	t.used--
}

// A seenSet remembers at least the last 16,384 keys, and at most 32,768. It takes 1 KiB
// until it has many.
type seenSet struct {
	young, old []uint64
	used       int // keys in young
}

const (
	firstSeenSlots = 1 << 7  // 1 KiB
	seenSlots      = 1 << 15 // 256 KiB; firstSeenSlots times a power of 4
	seenMax        = seenSlots / 2
)

// has reports whether the set has a key.
func (s *seenSet) has(key uint64) bool {
	return s.young != nil && *probe(s.young, key) == key || s.old != nil && *probe(s.old, key) == key
}

// add adds a key, which is not 0.
func (s *seenSet) add(key uint64) {
	if s.used == len(s.young)/2 {
		s.makeRoom()
	}
	if p := probe(s.young, key); *p == 0 {
		*p = key
		s.used++
	}
}

// makeRoom makes young larger or, if it is as large as it may be, the old one.
func (s *seenSet) makeRoom() {
	before := s.young
	if len(before) < seenSlots {
		s.young = make([]uint64, max(firstSeenSlots, 4*len(before)))
		for _, key := range before {
			if key != 0 {
				*probe(s.young, key) = key
			}
		}
		return
	}
	s.young, s.old, s.used = s.old, before, 0
	if s.young == nil {
		s.young = make([]uint64, seenSlots)
	}
	clear(s.young)
}

// probe returns the element that has the key, or the free one where it belongs.
func probe(set []uint64, key uint64) *uint64 {
	mask := uint64(len(set) - 1)
	for i := key >> 1; ; i++ {
		if p := &set[i&mask]; *p == key || *p == 0 {
			return p
		}
	}
}
