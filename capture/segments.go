package capture

import (
	"bytes"
	"slices"
	"sort"
)

// A segment is a piece of a stream, or of a packet, without a hole.
type segment struct {
	start    uint32 // place of the first byte
	headroom uint32 // bytes of buf before it that are free
	buf      []byte
}

func (r *segment) data() []byte { return r.buf[r.headroom:] }
func (r *segment) end() uint32  { return r.start + uint32(len(r.data())) }

// prepend puts data before the run. Where there is no room it makes as much as
// the run is then long, so that a byte is moved once or twice, whatever the
// number of pieces.
func (r *segment) prepend(data []byte) {
	if len(data) > int(r.headroom) {
		have := r.data()
		room := len(data) + len(have)
		r.buf = append(make([]byte, room, room+len(have)), have...)
		r.headroom = uint32(room)
	}
	r.headroom -= uint32(len(data))
	r.start -= uint32(len(data))
	copy(r.data(), data)
}

// segmentOverhead is what a run costs beside its data, in bytes.
const segmentOverhead = 64

// segments are the pieces of a stream that have come, in order, with a hole between
// each two. Places may wrap, as TCP's sequence numbers do, if all are within
// 2^31 of each other.
//
// Pieces that touch become one, so that 20,000 segments in falling order are
// never more than one run.
type segments struct {
	list     []segment
	memory   int  // bytes, with the room, nearly
	conflict bool // whether a copy differed from the first
}

// add puts in a copy of data, which begins at place at. Where there is data
// already, that stays.
func (r *segments) add(at uint32, data []byte) {
	// The first run that does not end before at.
	i := sort.Search(len(r.list), func(i int) bool { return int32(r.list[i].end()-at) >= 0 })
	for len(data) > 0 {
		if i == len(r.list) || int32(r.list[i].start-at) > 0 {
			r.list = slices.Insert(r.list, i, segment{start: at})
			r.memory += segmentOverhead
		}
		p := &r.list[i]
		have := p.data()[at-p.start:]
		n := min(len(have), len(data))
		r.conflict = r.conflict || !bytes.Equal(have[:n], data[:n])
		at += uint32(n)
		data = data[n:]

		// What is left, if anything is, belongs behind run i.
		n = len(data)
		if i+1 < len(r.list) {
			n = min(n, int(r.list[i+1].start-at))
		}
		p.buf = append(p.buf, data[:n]...)
		r.memory += n
		at += uint32(n)
		data = data[n:]
		if i+1 < len(r.list) && p.end() == r.list[i+1].start {
			r.merge(i)
		}
	}
}

// merge makes one of run i and the next, which touch. The shorter one is moved.
func (r *segments) merge(i int) {
	p, next := &r.list[i], &r.list[i+1]
	r.memory -= len(p.buf) + len(next.buf) + segmentOverhead
	if len(p.data()) < len(next.data()) {
		next.prepend(p.data())
		*p = *next
	} else {
		p.buf = append(p.buf, next.data()...)
	}
	r.memory += len(p.buf)
	r.list = slices.Delete(r.list, i+1, i+2)
}

// takeFirst takes off the first run.
func (r *segments) takeFirst() []byte {
	p := r.list[0]
	r.memory -= len(p.buf) + segmentOverhead
	r.list = slices.Delete(r.list, 0, 1)
	return p.data()
}

// discardBefore removes what comes before a place.
func (r *segments) discardBefore(to uint32) {
	n := 0
	for n < len(r.list) && int32(r.list[n].end()-to) <= 0 {
		r.memory -= len(r.list[n].buf) + segmentOverhead
		n++
	}
	r.list = slices.Delete(r.list, 0, n)
	if len(r.list) > 0 && int32(to-r.list[0].start) > 0 {
		r.list[0].headroom += to - r.list[0].start
		r.list[0].start = to
	}
}

// copyFrom returns a copy of what is behind a place.
func (r *segments) copyFrom(place uint32) (behind segments) {
	for i := range r.list {
		if p := &r.list[i]; int32(p.end()-place) > 0 {
			behind.add(p.start, p.data())
		}
	}
	behind.discardBefore(place)
	return behind
}
