package known

import (
	"math/bits"
	"slices"
)

// A listDistances has the distances of one shape's lists from the lists of a
// Database, but for the key shares and the order of extensions. It computes each of
// them once, when it is first needed. It can be used again.
type listDistances struct {
	db         *Database
	shape      *shape
	start      [numFields]int // in cells, of the lists of a field
	cells      []cell
	tables     [numFields]positions // of the shape's lists
	signatures [numFields]signature // of the same, if db has some
	extensions []uint32             // of each list of extensions, its distance or less
	families   []uint32             // see nearestByFamily
}

// A cell is the distance of one list in millionths, or the least that it may be,
// in all bits but the lowest two, which say which of them.
type cell uint32

const (
	cellEmpty cell = iota
	cellLeast
	cellExact

	cellBits = 2
)

func (c cell) state() cell      { return c & (1<<cellBits - 1) }
func (c cell) distance() uint32 { return uint32(c >> cellBits) }

// listFields are the fields that a distance consists of before ranking. Those in which
// shapes differ most come first.
var listFields = [...]field{extensions, suites, schemes, smallFields, groups, versions, protocols}

// reset sets d to the distances of s from db. Both must not change while d is used.
func (d *listDistances) reset(db *Database, s *shape) {
	d.db, d.shape = db, s
	n := 0
	for f := range s.lists {
		d.start[f] = n
		if field(f) == shares {
			continue
		}
		n += len(db.lists[f])
		d.tables[f].read(s.lists[f])
		if db.signatures[f] != nil {
			d.signatures[f] = signatureOf(s.lists[f])
		}
	}
	d.cells = slices.Grow(d.cells[:0], n)[:n]
	clear(d.cells)
	d.families = slices.Grow(d.families[:0], db.families)[:db.families]
	clear(d.families)
	d.extensions = d.extensions[:0]
	distance := d.least
	if db.signatures[extensions] == nil {
		distance = d.exact
	}
	for list := range db.lists[extensions] {
		d.extensions = append(d.extensions, distance(extensions, uint32(list)))
	}
}

// to returns the distance of the shape from e. If that is not below limit, it may
// return any number that is not below limit.
func (d *listDistances) to(e *entry, limit uint32) (distance uint32) {
	if e.scanner {
		distance = scannerWeight
	}
	for _, f := range listFields {
		if distance += d.least(f, e.lists[f]); distance >= limit {
			return distance
		}
	}
	for i := range listFields { // the longest lists last
		f := listFields[len(listFields)-1-i]
		c := &d.cells[d.start[f]+int(e.lists[f])]
		if c.state() == cellExact {
			continue
		}
		least := c.distance()
		if distance += d.exact(f, e.lists[f]) - least; distance >= limit {
			return distance
		}
	}
	return distance
}

// least returns the distance of a list, or less.
func (d *listDistances) least(f field, list uint32) uint32 {
	c := &d.cells[d.start[f]+int(list)]
	if c.state() == cellEmpty {
		signatures := d.db.signatures[f]
		if signatures == nil {
			return 0
		}
		n := signatures[list].common(&d.signatures[f], len(d.db.lists[f][list]))
		least := setDistance(d.tables[f].n, len(d.db.lists[f][list]), n) * weights[f].set
		*c = cell(least)<<cellBits | cellLeast
	}
	return c.distance()
}

// exact returns the distance of a list, and notes it.
func (d *listDistances) exact(f field, list uint32) (distance uint32) {
	theirs := d.db.lists[f][list]
	if !slices.Equal(theirs, d.shape.lists[f]) { // also where values repeat: compare looks at the first
		set, order := d.tables[f].compare(theirs)
		distance = set * weights[f].set
		if f != extensions {
			distance += order * weights[f].order
		}
	}
	d.cells[d.start[f]+int(list)] = cell(distance)<<cellBits | cellExact
	return distance
}

// differing returns the fields in which the shape differs from e, whose distance
// to has returned.
func (d *listDistances) differing(e *entry) (fields Fields) {
	for _, f := range listFields {
		if d.cells[d.start[f]+int(e.lists[f])].distance() != 0 {
			fields |= fieldOf(f)
		}
	}
	return fields
}

// A signature has a bit for each value of a list. Values may share one.
type signature [4]uint64

func signatureOf(list []uint16) (s signature) {
	for _, v := range list {
		bit := uint32(v) * 0x9e3779b1 >> 24
		s[bit>>6] |= 1 << (bit & 63)
	}
	return s
}

// common returns how many of the n values of the list of s are in the list of other,
// or more.
func (s *signature) common(other *signature, n int) int {
	bitsOfList, both := 0, 0
	for i := range s {
		bitsOfList += bits.OnesCount64(s[i])
		both += bits.OnesCount64(s[i] & other[i])
	}
	return both + n - bitsOfList // each value that has no bit of its own may be common
}
