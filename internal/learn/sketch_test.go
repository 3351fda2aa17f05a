package learn

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSketch: the count is exact up to the size, close beyond, and the same in any order,
// however often a value comes, and merged.
func TestSketch(t *testing.T) {
	for _, n := range []int{0, 1, 5, minSketch - 1, minSketch, minSketch + 1, 3000, 100_000} {
		var s, turned, even, odd sketch
		for i := range n {
			h := mix(uint64(i))
			s.add(h, minSketch)
			s.add(mix(uint64(i/2)), minSketch)
			turned.add(mix(uint64(n-1-i)), minSketch)
			if i%2 == 0 {
				even.add(h, minSketch)
			} else {
				odd.add(h, minSketch)
			}
		}
		assert.True(t, slices.IsSorted(s.hashes))
		assert.LessOrEqual(t, len(s.hashes), minSketch)
		if n <= minSketch {
			assert.Equal(t, int64(n), s.count(minSketch))
		} else {
			assert.InEpsilon(t, n, s.count(minSketch), 0.1)
		}
		even.merge(&odd, minSketch)
		assert.Equal(t, s.hashes, even.hashes)
		assert.Equal(t, s.hashes, turned.hashes)
	}
}

// TestSketchOfRandomValues compares a small sketch with a map.
func TestSketchOfRandomValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		size := 1 + r.IntN(40)
		var s sketch
		all := make(map[uint64]bool)
		for range r.IntN(100) {
			h := mix(uint64(r.IntN(60)))
			s.add(h, size)
			all[h] = true
		}
		var want []uint64
		for h := range all {
			want = append(want, h)
		}
		slices.Sort(want)
		assert.Equal(t, want[:min(len(want), size)], s.hashes[:len(s.hashes):len(s.hashes)])
		if len(want) < size {
			assert.Equal(t, int64(len(want)), s.count(size))
		} else {
			assert.GreaterOrEqual(t, s.count(size), int64(size))
		}
	}
}
