package capture

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTable compares a table with a map.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, keys := range []uint64{20, 1000} { // with few keys, probing is long
		tab := table{slots: make([]slot, 16)}
		want := make(map[uint64]uint32)
		for i := range uint32(20000) {
			key := r.Uint64N(keys)<<1 | 1
			if keys == 20 {
				key <<= 32 // all have the same first slot
				key |= 1
			}
			s := tab.find(key)
			_, ok := want[key]
			require.Equal(t, ok, s != nil)
			switch {
			case s == nil:
				tab.insert(key, 1<<20).next = i
				want[key] = i
			case r.IntN(2) == 0:
				require.Equal(t, want[key], s.next)
				tab.remove(s)
				delete(want, key)
			}
			require.Equal(t, len(want), tab.used)
		}
		for key, next := range want {
			require.Equal(t, next, tab.find(key).next)
		}
	}
}

func TestSeenSet(t *testing.T) {
	var s seenSet
	assert.False(t, s.has(1))
	for i := range uint64(3 * seenMax) {
		s.add(i<<1 | 1)
		s.add(i<<1 | 1)
		for _, back := range []uint64{0, 1, seenMax - 1} {
			require.True(t, back > i || s.has((i-back)<<1|1))
		}
		require.False(t, s.has((i+1)<<1|1))
		require.False(t, i >= 2*seenMax && s.has((i-2*seenMax)<<1|1), "all but the last are forgotten")
	}
}

// TestHasher requires that each part of addresses and ports changes the key.
func TestHasher(t *testing.T) {
	h := newHasher()
	seen := make(map[uint64]bool)
	for _, addrs := range [][]byte{make([]byte, 8), make([]byte, 32)} {
		base := h.key(addrs, 0)
		seen[base] = true
		for i := range addrs {
			for bit := range 8 {
				addrs[i] ^= 1 << bit
				seen[h.key(addrs, 0)] = true
				addrs[i] ^= 1 << bit
			}
		}
		for bit := range 32 {
			seen[h.key(addrs, 1<<bit)] = true
		}
		assert.Equal(t, base, h.key(addrs, 0))
	}
	assert.Len(t, seen, 8*8+32*8+2*32+2)
	assert.NotContains(t, seen, uint64(0))
	assert.NotEqual(t, h.key(make([]byte, 8), 0), (&hasher{1, 2, 3, 4}).key(make([]byte, 8), 0))

	a := netip.MustParseAddr("10.0.0.1").AsSlice()
	b := netip.MustParseAddr("10.0.0.2").AsSlice()
	assert.NotEqual(t, h.key(append(a, b...), 1<<16|2), h.key(append(b[:4:4], a[:4]...), 2<<16|1))
}

func BenchmarkHalfOpen(b *testing.B) {
	s := side{client4, server4, 1}
	p := s.syn()
	sc := newScanner(new(Reader), func(*Hello) error { return nil })
	b.ReportAllocs()
	for i := range b.N {
		p[12], p[13], p[14], p[15] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		sc.packet = packet{data: p, wire: len(p), link: LinkRaw}
		sc.scan()
	}
	sc.finish()
	b.ReportMetric(float64(sc.stats.DroppedStreams), "dropped")
}

// TestTablesWithinMemory requires that the two tables take at most half of the memory.
func TestTablesWithinMemory(t *testing.T) {
	for _, memory := range []int64{64 << 10, 512 << 10, 1 << 20, 4 << 20} {
		var ss streams
		ss.init(memory)
		for i := range uint64(300_000) {
			ss.insert(i<<1|1, 0)
		}
		assert.LessOrEqual(t, int64(16*(len(ss.young.slots)+len(ss.old.slots))), memory/2, "%d", memory)
		assert.Positive(t, ss.old.used)
	}
}
