package capture

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// A hasher turns addresses and ports into a key of 64 bits. Its secrets are new
// for each capture, so that nobody can send two flows with the same key. Two of
// n flows have it by chance with a probability of n²/2⁶⁴: for 5,000 at a
// time about one in a million million, and what it would cost is a hello.
type hasher [4]uint64

func newHasher() hasher {
	return hasher{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()}
}

// key returns the key of a flow, which is not 0. In addrs stand 8 or 32 bytes.
func (h *hasher) key(addrs []byte, ports uint32) uint64 {
	x := mulFold(binary.LittleEndian.Uint64(addrs)^h[0], uint64(ports)^h[1])
	if len(addrs) == 32 {
		x ^= h.rest((*[32]byte)(addrs))
	}
	return mulFold(x^h[2], h[3]) | 1
}

// rest hashes what follows the first 8 bytes of two addresses of IPv6.
func (h *hasher) rest(addrs *[32]byte) uint64 {
	return mulFold(binary.LittleEndian.Uint64(addrs[8:])^h[1], binary.LittleEndian.Uint64(addrs[16:])^h[2]) ^
		mulFold(binary.LittleEndian.Uint64(addrs[24:])^h[3], h[0])
}

// mulFold multiplies to 128 bits, and folds them to 64.
func mulFold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// A slot is what is known of a stream whose hello is awaited. It takes 16 bytes,
// so that four share a cache line and 5 million half-open connections fit.
type slot struct {
	key   uint64 // 0 if the slot is free
	next  uint32 // sequence number of the next byte awaited
	state uint32 // slotStream, slotAfter, slotEarly, and a number
}

// A table is a hash table of slots, with linear probing. Slots move when others
// are inserted or removed.
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

// insert returns a slot for a key that has none, of at most maxSlots.
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

// capacity returns how many slots may be taken: a quarter, so that most keys that are
// not there are seen at one glance, and three where that takes much memory.
func (t *table) capacity(maxSlots int) int {
	const small = 1 << 15 // 512 KiB
	if len(t.slots) < min(small, maxSlots) {
		return len(t.slots) / 4
	}
	return len(t.slots) / 4 * 3
}

// freeSlot returns the freeSlot slot where a key belongs.
func (t *table) freeSlot(key uint64) *slot {
	mask := uint64(len(t.slots) - 1)
	for i := key >> 1; ; i++ {
		if s := &t.slots[i&mask]; s.key == 0 {
			return s
		}
	}
}

// remove frees a slot, and closes the gap that it leaves in a row of probes.
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

// A seenSet remembers the last 16,384 keys at least, and 32,768 at most.
type seenSet struct{ young, old []uint64 }

const (
	seenSlots = 1 << 15
	seenMax   = seenSlots / 2
)

// has reports whether the set has the key.
func (s *seenSet) has(key uint64) bool {
	return s.young != nil && (*probe(s.young, key) == key || *probe(s.old, key) == key)
}

// add adds a key, which is not 0. The set counts its keys in the place of key 0.
func (s *seenSet) add(key uint64) {
	if s.young == nil {
		s.young, s.old = make([]uint64, seenSlots+1), make([]uint64, seenSlots+1)
	}
	if s.young[seenSlots] == seenMax {
		s.young, s.old = s.old, s.young
		clear(s.young)
	}
	if p := probe(s.young, key); *p == 0 {
		*p = key
		s.young[seenSlots]++
	}
}

// probe returns the place of a key, or where it would be.
func probe(set []uint64, key uint64) *uint64 {
	for i := key >> 1; ; i++ {
		if p := &set[i&(seenSlots-1)]; *p == key || *p == 0 {
			return p
		}
	}
}
