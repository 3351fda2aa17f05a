package signals

import (
	"slices"

	"github.com/axiomhq/hyperloglog"
)

// exactly is how many values a distinct counts without a sketch.
const exactly = 8

// A distinct counts distinct values by their hashes: exactly as long as they are few,
// and then by a sketch.
type distinct struct {
	few    [exactly]uint64
	n      int // of few
	sketch *hyperloglog.Sketch
}

// add adds the value with a hash.
func (d *distinct) add(hash uint64, s *sketches) {
	if d.sketch != nil {
		d.sketch.InsertHash(hash)
		return
	}
	for _, h := range d.few[:d.n] {
		if h == hash {
			return
		}
	}
	if d.n < exactly {
		d.few[d.n] = hash
		d.n++
		return
	}
	d.sketch = s.take()
	d.addTo(d.sketch)
	d.sketch.InsertHash(hash)
}

// addTo adds what d has to a sketch.
func (d *distinct) addTo(to *hyperloglog.Sketch) {
	for _, h := range d.few[:d.n] {
		to.InsertHash(h)
	}
	if d.sketch != nil && d.sketch != to {
		_ = to.Merge(d.sketch) // no error: all have one precision
	}
}

// clear empties d.
func (d *distinct) clear(s *sketches) {
	if d.sketch != nil {
		s.give(d.sketch)
	}
	d.n, d.sketch = 0, nil
}

// sketches are empty ones for use, and one for unions.
type sketches struct {
	precision uint8
	maxFree   int

	free  []*hyperloglog.Sketch
	union *hyperloglog.Sketch
	few   []uint64 // likewise, of what is counted exactly
}

func (s *sketches) take() *hyperloglog.Sketch {
	if n := len(s.free); n > 0 {
		sketch := s.free[n-1]
		s.free = s.free[:n-1]
		return sketch
	}
	// Sparse sketches may take more memory than these before they become dense, and
	// their inserts take longer. Few values are in distinct.few.
	sketch, _ := hyperloglog.NewSketch(s.precision, false) // no error: the precision is valid
	return sketch
}

func (s *sketches) give(sketch *hyperloglog.Sketch) {
	if len(s.free) < s.maxFree {
		sketch.Reset()
		s.free = append(s.free, sketch)
	}
}

// A part has the distinct values of one bucket.
type part struct {
	sets     []distinct // nil before the first use
	requests int64      // that the values are of
}

// estimate returns how many distinct values the sets i of all parts have together.
func (s *sketches) estimate(parts []part, i int) int64 {
	s.few = s.few[:0]
	sketched := false
	for p := range parts {
		if parts[p].sets != nil {
			d := &parts[p].sets[i]
			sketched = sketched || d.sketch != nil
			s.few = append(s.few, d.few[:d.n]...)
		}
	}
	if !sketched {
		slices.Sort(s.few)
		return int64(len(slices.Compact(s.few)))
	}
	if s.union == nil {
		s.union = s.take()
	}
	s.union.Reset()
	for p := range parts {
		if parts[p].sets != nil {
			parts[p].sets[i].addTo(s.union)
		}
	}
	return int64(s.union.Estimate())
}
