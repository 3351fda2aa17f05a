package capture

import (
	"bytes"
	"slices"
	"sort"
)

// A segment is a contiguous part of a TCP stream or of a fragmented IP packet.
type segment struct {
	start    uint32 // position of the first byte
	headroom uint32 // free bytes of buf before it
	buf      []byte
}

func (g *segment) data() []byte { return g.buf[g.headroom:] }
func (g *segment) end() uint32  { return g.start + uint32(len(g.data())) }

// prepend adds data before the segment. If there is no headroom, it makes as much
// as the segment is then long. So each byte is moved once or twice, however many
// pieces are prepended.
func (g *segment) prepend(data []byte) {
	if len(data) > int(g.headroom) {
		have := g.data()
		headroom := len(data) + len(have)
		g.buf = append(make([]byte, headroom, headroom+len(have)), have...)
		g.headroom = uint32(headroom)
	}
	g.headroom -= uint32(len(data))
	g.start -= uint32(len(data))
	copy(g.data(), data)
}

// segmentOverhead is about how many bytes a segment takes besides its data.
const segmentOverhead = 64

// segments are the parts of a stream that have come, sorted by position, with a hole
// between any two. Positions may wrap around like TCP's sequence numbers if all are
// within 2^31 of each other.
//
// Parts that touch become one segment, so that 20,000 TCP segments in reverse order
// are never more than one.
type segments struct {
	list     []segment
	memory   int  // approximate size in bytes, with the headroom
	conflict bool // a byte came twice with different values
}

// add adds a copy of data at a position. Bytes that are there already stay.
func (s *segments) add(position uint32, data []byte) {
	// The first segment that does not end before the position.
	i := sort.Search(len(s.list), func(i int) bool { return int32(s.list[i].end()-position) >= 0 })
	for len(data) > 0 {
		if i == len(s.list) || int32(s.list[i].start-position) > 0 {
			s.list = slices.Insert(s.list, i, segment{start: position})
			s.memory += segmentOverhead
		}
		g := &s.list[i]
		have := g.data()[position-g.start:]
		n := min(len(have), len(data))
		s.conflict = s.conflict || !bytes.Equal(have[:n], data[:n])
		position += uint32(n)
		data = data[n:]

		// The rest of data, up to the next segment, belongs to the end of segment i.
		n = len(data)
		if i+1 < len(s.list) {
			n = min(n, int(s.list[i+1].start-position))
		}
		g.buf = append(g.buf, data[:n]...)
		s.memory += n
		position += uint32(n)
		data = data[n:]
		if i+1 < len(s.list) && g.end() == s.list[i+1].start {
			s.merge(i)
		}
	}
}

// merge merges segment i with the next one, which it touches. It moves the shorter
// one.
func (s *segments) merge(i int) {
	g, next := &s.list[i], &s.list[i+1]
	s.memory -= len(g.buf) + len(next.buf) + segmentOverhead
	if len(g.data()) < len(next.data()) {
		next.prepend(g.data())
		*g = *next
	} else {
		g.buf = append(g.buf, next.data()...)
	}
	s.memory += len(g.buf)
	s.list = slices.Delete(s.list, i+1, i+2)
}

// takeFirst removes the first segment and returns its data.
func (s *segments) takeFirst() []byte {
	g := s.list[0]
	s.memory -= len(g.buf) + segmentOverhead
	s.list = slices.Delete(s.list, 0, 1)
	return g.data()
}

// discardBefore removes all bytes before a position.
func (s *segments) discardBefore(position uint32) {
	n := 0
	for n < len(s.list) && int32(s.list[n].end()-position) <= 0 {
		s.memory -= len(s.list[n].buf) + segmentOverhead
		n++
	}
	s.list = slices.Delete(s.list, 0, n)
	if len(s.list) > 0 && int32(position-s.list[0].start) > 0 {
		s.list[0].headroom += position - s.list[0].start
		s.list[0].start = position
	}
}

// copyFrom returns a copy of all bytes from a position on.
func (s *segments) copyFrom(position uint32) (rest segments) {
	for i := range s.list {
		if g := &s.list[i]; int32(g.end()-position) > 0 {
			rest.add(g.start, g.data())
		}
	}
	rest.discardBefore(position)
	return rest
}
