package capture

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCopies adds parts of a hello, and fakes of them, to the copies of a connection. Each
// four bytes of the script are one part: where it begins, its length, and what is wrong in
// it; 0 for nothing. Whatever is found consists of parts that came; and something is found
// if the parts of the hello are all there with few others.
func FuzzCopies(f *testing.F) {
	f.Add(uint32(7), []byte("\x00\x00\x80\x01\x00\x00\x80\x00\x80\x00\xff\x05\x80\x00\xff\x00"))
	f.Add(uint32(1<<32-100), []byte("\x40\x00\xff\x00\x40\x00\x20\x09\x00\x00\x40\x03\x00\x00\x40\x00"))
	f.Add(uint32(0), []byte("\x00\x00\x01\x00\x01\x00\x01\x00\x02\x00\xff\x00\x00\x00\xff\x01\x00\x00\xff\x02"))
	hello := record(realHello(f, "python-tls12"))
	f.Fuzz(func(t *testing.T, isn uint32, script []byte) {
		if len(script) > 4*2*maxCopiedParts {
			return
		}
		var messages [][]byte
		sc := newScanner(new(Reader), func(h *Hello) error {
			messages = append(messages, bytes.Clone(h.ClientHello.Raw))
			return nil
		})
		sc.key, sc.connection = 1, 1
		sc.packet.stamp.rate = 1
		c := sc.copies.add(sc.key)
		came, fakes := 0, 0
		covered := make([]bool, len(hello))
		for ; len(script) >= 4; script = script[4:] {
			from := (int(script[0]) | int(script[1]&3)<<8) % len(hello)
			to := min(from+int(script[2])*len(hello)/255, len(hello))
			data := bytes.Clone(hello[from:to])
			if wrong := script[3]; wrong != 0 && len(data) > 0 {
				data[int(wrong)%len(data)] ^= 0xff
				fakes++
			}
			added := c.add(isn+uint32(from), data)
			sc.resizeCopies(c)
			requireCopies(t, c)
			if !added {
				continue
			}
			came += len(data)
			if script[3] == 0 {
				for i := from; i < to; i++ {
					covered[i] = true
				}
			}
			before := len(messages)
			found := sc.findInCopies(c, c.added-1)
			require.Equal(t, found, len(messages) > before)
			require.LessOrEqual(t, c.budget, workPerByte*c.bytes)
			require.LessOrEqual(t, sc.examined, maxExamined*came)
			requireStreams(t, &sc.streams)
			for _, m := range messages[before:] {
				require.True(t, isMadeOf(c, m), "%x", m)
			}
		}
		if fakes <= 3 && c.added <= 8 && !slices.Contains(covered, false) {
			require.NotEmpty(t, messages)
		}
	})
}

// requireCopies checks what holds of the parts at any time.
func requireCopies(t *testing.T, c *copies) {
	require.LessOrEqual(t, len(c.parts), maxCopiedParts)
	require.LessOrEqual(t, c.bytes, maxCopiedBytes)
	require.Equal(t, c.added, len(c.parts))
	total := 0
	for i := range c.parts {
		p := &c.parts[i]
		total += len(p.data)
		require.NotEmpty(t, p.data)
		rank := 0
		for j := range c.parts {
			if o := &c.parts[j]; i != j && o.start == p.start {
				require.NotEqual(t, o.data, p.data)
				rank += map[bool]int{true: 1}[o.order < p.order]
			}
		}
		require.Equal(t, rank, p.rank)
		if i > 0 {
			require.LessOrEqual(t, int32(c.parts[i-1].start-p.start), int32(0))
		}
	}
	require.Equal(t, total, c.bytes)
}

// isMadeOf reports whether each byte of the record of a message stands at its place in one
// of the parts, for some place of the record.
func isMadeOf(c *copies, message []byte) bool {
	return slices.ContainsFunc(c.parts, func(first copiedPart) bool {
		for i, b := range message {
			at := first.start + recordHeader + uint32(i)
			if !slices.ContainsFunc(c.parts, func(p copiedPart) bool {
				n := int(int32(at - p.start))
				return n >= 0 && n < len(p.data) && p.data[n] == b
			}) {
				return false
			}
		}
		return true
	})
}
