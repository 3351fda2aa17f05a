package tally

import "github.com/klauspost/compress/s2"

// linesBlock is how many bytes of lines are compressed together. Larger blocks compress
// a little better, and take longer to read for one line.
const linesBlock = 32 << 10

// lines keeps lines in compressed blocks. Lines of Events are alike, so that they take a
// quarter of their length or less.
type lines struct {
	sealed  [][]byte
	open    []byte // the lines of the block after the sealed ones
	scratch []byte
	memory  int // bytes that all lines take

	cache []cachedBlock // blocks that were read
}

type cachedBlock struct {
	number int // 1 + that of the block
	lines  []byte
}

// cachedBlocks is how many blocks are cached: about as many as workers may add to at a
// time, as lines that were added together are read together.
const cachedBlocks = 32

// A lineRef is where a line is: the number of its block, its offset in it, and its length.
type lineRef struct{ block, offset, length uint32 }

// add adds a copy of a line. It returns where it is, and how many bytes all lines take
// more than before.
func (l *lines) add(line []byte) (lineRef, int) {
	const overhead = 48 // of a block
	r := lineRef{uint32(len(l.sealed)), uint32(len(l.open)), uint32(len(line))}
	l.open = append(l.open, line...)
	grown := len(line)
	if len(l.open) >= linesBlock {
		l.scratch = s2.EncodeBetter(l.scratch[:cap(l.scratch)], l.open)
		block := append([]byte(nil), l.scratch...)
		l.sealed = append(l.sealed, block)
		grown = cap(block) + overhead - int(r.offset)
		l.open = l.open[:0]
	}
	l.memory += grown
	return r, grown
}

// at returns a line. It is valid until the next call.
func (l *lines) at(r lineRef) ([]byte, error) {
	if int(r.block) == len(l.sealed) {
		return l.open[r.offset:][:r.length], nil
	}
	if l.cache == nil {
		l.cache = make([]cachedBlock, cachedBlocks)
	}
	c := &l.cache[r.block%cachedBlocks]
	if c.number != int(r.block)+1 {
		b, err := s2.Decode(c.lines[:cap(c.lines)], l.sealed[r.block])
		if err != nil {
			return nil, err
		}
		c.number, c.lines = int(r.block)+1, b
	}
	return c.lines[r.offset:][:r.length], nil
}
