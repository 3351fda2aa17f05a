package capture

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSegments compares segments with an array in which the first byte at a position
// stays.
func TestSegments(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		const size = 200
		var (
			base   = r.Uint32()
			rs     segments
			bytes  [size]byte
			set    [size]bool
			differ bool
		)
		for range 1 + r.IntN(30) {
			at := r.IntN(size)
			data := make([]byte, r.IntN(min(size-at, 1+r.IntN(60))+1))
			for i := range data {
				data[i] = byte(at + i)
				if r.IntN(300) == 0 {
					data[i]++
				}
				if !set[at+i] {
					set[at+i], bytes[at+i] = true, data[i]
				}
				differ = differ || bytes[at+i] != data[i]
			}
			rs.add(base+uint32(at), data)
			if r.IntN(20) == 0 {
				to := r.IntN(size)
				rs.discardBefore(base + uint32(to))
				clear(set[:to])
			}
			requireSegments(t, &rs, base, bytes[:], set[:])
			require.Equal(t, differ, rs.conflict)
		}
	}
}

// TestSegmentsInReverse requires that each byte is moved a few times at most when
// parts come in reverse order.
func TestSegmentsInReverse(t *testing.T) {
	const pieces, length = 20000, 19
	var (
		rs            segments
		before, after runtime.MemStats
		data          = make([]byte, length)
	)
	runtime.ReadMemStats(&before)
	for i := pieces - 1; i >= 0; i-- {
		rs.add(uint32(i*length), data)
	}
	runtime.ReadMemStats(&after)
	require.Len(t, rs.list, 1)
	require.Len(t, rs.list[0].data(), pieces*length)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10*pieces*length))
}

// requireSegments requires that the segments have the bytes that are set, that no two
// of them touch, and that their memory is right.
func requireSegments(t *testing.T, rs *segments, base uint32, bytes []byte, set []bool) {
	memory, n := 0, 0
	for _, run := range rs.list {
		require.NotEmpty(t, run.data())
		memory += len(run.buf) + segmentOverhead
		at := int(run.start - base)
		require.True(t, at == 0 || !set[at-1], "runs that touch")
		for i, b := range run.data() {
			require.True(t, set[at+i])
			require.Equal(t, bytes[at+i], b)
			n++
		}
	}
	for _, s := range set {
		if s {
			n--
		}
	}
	require.Zero(t, n)
	require.Equal(t, memory, rs.memory)
}
