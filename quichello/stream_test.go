package quichello

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A slowStream is the oracle of stream. It works byte by byte.
type slowStream map[int]byte

func (s slowStream) ready() (n int) {
	for ; ; n++ {
		if _, ok := s[n]; !ok {
			return n
		}
	}
}

func (s slowStream) write(offset int, data []byte) (added int) {
	for i, b := range data {
		if _, ok := s[offset+i]; !ok {
			s[offset+i] = b
			added++
		}
	}
	return added
}

func TestStream(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		size := 1 + r.IntN(1500)
		var s stream
		m := spare{data: bytes.Repeat([]byte{0xee}, 3000), have: slices.Repeat([]uint64{^uint64(0)}, 100)} // of another
		slow := slowStream{}
		taken := 0
		for range 1 + r.IntN(100) {
			offset := r.IntN(size)
			data := make([]byte, r.IntN(min(size-offset, 1+r.IntN(200))+1))
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			want := slow.write(offset, data)
			added, ok := s.write(&m, uint64(offset), data)
			require.True(t, ok)
			require.Equal(t, want, added, "seed %d", seed)
			require.Equal(t, slow.ready(), s.base+s.ready, "seed %d", seed)
			for i, b := range s.data[:s.ready] {
				require.Equal(t, slow[s.base+i], b, "seed %d", seed)
			}
			if r.IntN(20) == 0 {
				n := r.IntN(s.ready + 1)
				for i, b := range s.take(&m, n) {
					require.Equal(t, slow[taken+i], b)
				}
				taken += n
			}
		}
	}
}

func TestStreamLimits(t *testing.T) {
	var s stream
	for _, test := range []struct {
		offset uint64
		n      int
		ok     bool
	}{
		{maxAhead, 1, false},
		{maxAhead - 1, 2, false},
		{maxAhead - 1, 1, true},
		{1 << 62, 1, false},
		{1<<64 - 1, 1, false},
		{0, maxAhead, true},
		{maxAhead, maxAhead, true},
		{maxStream, 1, false},
		{maxStream, 0, true},
		{maxStream - 1, 2, false},
		{5, 100, true},
	} {
		added, ok := s.write(new(spare), test.offset, make([]byte, test.n))
		assert.Equal(t, test.ok, ok, "%d bytes at %d", test.n, test.offset)
		if !ok {
			assert.Zero(t, added)
		}
	}
	assert.Equal(t, maxStream, s.ready)
	assert.Len(t, s.data, maxStream)
	assert.LessOrEqual(t, cap(s.data), 2*maxStream)
}

// A byte far ahead makes an Assembler allocate the gap before it, which
// Buffered counts.
func TestBuffered(t *testing.T) {
	var a Assembler
	assert.Zero(t, a.Buffered())
	for i := range byte(2 * maxConnections) {
		client := sealer{version: Version1, dcid: []byte{1, 2, 3, 4, 5, 6, 7, i}}
		require.Empty(t, next(t, &a, client.datagram(0, cryptoFrame(maxAhead-1, []byte{0}))))
		connections := min(int(i)+1, maxConnections)
		assert.GreaterOrEqual(t, a.Buffered(), connections*(maxAhead+maxAhead/8))
		assert.Less(t, a.Buffered(), connections*2*maxAhead)
	}
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	var b Assembler
	require.Len(t, next(t, &b, client.datagram(0, cryptoFrame(0, helloMessage(1000, 1)))), 1)
	assert.Less(t, b.Buffered(), maxAhead)
}

// Frames of one byte from last to first are the slowest order.
func BenchmarkStreamBackwards(b *testing.B) {
	data := make([]byte, 16000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var s stream
		for i := len(data) - 1; i >= 0; i-- {
			s.write(new(spare), uint64(i), data[i:i+1])
		}
		if s.ready != len(data) {
			b.Fatal(s.ready)
		}
	}
}
