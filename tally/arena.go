package tally

import "encoding/binary"

// An arena keeps texts in blocks. It is a stack of them: texts are added, and all are
// removed at once.
type arena struct {
	blocks [][]byte
	block  int // that texts are added to
	used   int // bytes of it
}

// A ref is where a text is: the number of the block in the upper half, and the offset
// in the lower one.
type ref uint64

// Blocks begin small and double up to maxBlock. A longer text has one of its own.
const (
	minBlock = 1 << 10
	maxBlock = 64 << 10
)

// add adds a copy of text, which may be one of the arena's at the same place or
// further on.
func (a *arena) add(text []byte) ref {
	var prefix [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(prefix[:], uint64(len(text)))
	need := size + len(text)
	if a.block < len(a.blocks) && a.used > 0 && len(a.blocks[a.block])-a.used < need {
		a.block++
		a.used = 0
	}
	switch {
	case a.block == len(a.blocks):
		a.blocks = append(a.blocks, make([]byte, max(need, min(minBlock<<min(a.block, 6), maxBlock))))
	case a.used == 0 && len(a.blocks[a.block]) < need:
		a.blocks[a.block] = make([]byte, need) // in place of one that is too short
	}
	b := a.blocks[a.block][a.used:]
	copy(b[size:], text) // first: both may overlap
	copy(b, prefix[:size])
	r := ref(a.block)<<32 | ref(a.used)
	a.used += need
	return r
}

// textBytes returns how many bytes a text takes. A block ends before a text that does
// not fit, and loses fewer bytes than that has.
func textBytes(n int) int {
	if n > minBlock {
		n *= 2
	}
	return n
}

// at returns a text. It is valid until rewind is called.
func (a *arena) at(r ref) []byte {
	b := a.blocks[r>>32][uint32(r):]
	n, size := binary.Uvarint(b)
	return b[size:][:n]
}

// rewind removes all texts. Those that are then added again, each at most once and in
// the order in which they were added before, do not overwrite others before their turn.
func (a *arena) rewind() { a.block, a.used = 0, 0 }
