package known

import "slices"

// A search finds the shapes of a Database that are nearest to one shape, but for the
// key shares and the order of extensions. It can be used again.
//
// It computes the distance of each list as a set first, and of each shape the sum of
// these, which the order of values can only add to. It then looks at the shapes by this
// sum, nearest first, until no other can be near enough.
type search struct {
	db       *Database
	shape    *shape
	tables   [len(listFields)]positions // of the shape's lists
	sets     []uint32                   // distances of the lists as sets
	orders   []uint32                   // what their order adds, plus 1; 0 if it is not known yet
	sums     []uint32                   // by row
	next     []uint32                   // the next row of its bucket, plus 1; 0 for the last
	families []uint32                   // see nearestByFamily
}

// A bucket has the rows whose sums begin with the same bits.
const (
	bucketBits = 12
	buckets    = noDistance >> bucketBits

	// noDistance is more than any distance, which the weights give.
	noDistance = 1 << 20
)

// appendNeighbours appends to dst, which has room for maxNeighbours, the shapes
// nearest to s without the order of extensions, the key shares and the optional
// parts. The list is not sorted. It has the nearest shape of each of the nearest
// families, the nearest ordinary shape and, if the nearest is far, the nearest ordinary one
// with the same suites. Of shapes at one distance the first in the order of compare is
// nearest, so that the result does not depend on the order of the search.
func (db *Database) appendNeighbours(dst []neighbour, s *shape, d *search) []neighbour {
	x := db.searchIndex()
	if int(s.transport) >= len(x.rows) {
		return dst
	}
	rows := x.rows[s.transport]
	d.reset(db, x, s)
	var first [buckets]uint32 // row, plus 1
	d.fill(rows, &first)
	byFamily := nearestByFamily{limits: d.families}
	far := 0 // which of dst is the farthest, once it is full
	ordinary := neighbour{distance: noDistance}
	limit := uint32(noDistance) // no shape that is as far changes anything
	for b := uint32(0); b < buckets && b<<bucketBits < limit; b++ {
		for i := first[b]; i != 0; i = d.next[i-1] {
			if d.sums[i-1] >= limit {
				continue
			}
			r := &rows[i-1]
			e := &db.shapes[r.shape]
			own := uint32(noDistance) // limit for e
			if len(dst) == maxNeighbours {
				own = dst[far].distance + 1
			}
			if !e.imitation {
				own = max(own, byFamily.limit(e.family))
			}
			if e.ordinary() {
				own = max(own, ordinary.distance+1)
			}
			if d.sums[i-1] >= own {
				continue
			}
			n := neighbour{shape: int(r.shape), distance: d.sums[i-1] + d.order(x, r)}
			if n.distance >= own {
				continue
			}
			switch {
			case len(dst) < maxNeighbours:
				if dst = append(dst, n); len(dst) == maxNeighbours {
					far = db.farthest(dst)
				}
			case db.compare(n, dst[far]) < 0:
				dst[far] = n
				far = db.farthest(dst)
			}
			if !e.imitation {
				byFamily.add(db, n)
			}
			if e.ordinary() && (ordinary.distance == noDistance || db.compare(n, ordinary) < 0) {
				ordinary = n
			}
			if len(dst) == maxNeighbours {
				limit = max(dst[far].distance+1, byFamily.limitOfNew(), ordinary.distance+1)
			}
		}
	}
	kept := 0
	for _, n := range byFamily.list[:byFamily.n] {
		kept = db.keep(dst, kept, n)
	}
	if ordinary.distance != noDistance {
		kept = db.keep(dst, kept, ordinary)
	}
	if n, ok := d.sameSuites(x, rows, dst); ok {
		db.keep(dst, kept, n)
	}
	for i := range dst {
		dst[i].differs = d.differing(x, &db.shapes[dst[i].shape])
	}
	return dst
}

// reset sets d to the distances of the lists of s from those of db, as sets.
func (d *search) reset(db *Database, x *searchIndex, s *shape) {
	d.db, d.shape = db, s
	d.sets = slices.Grow(d.sets[:0], x.lists)[:x.lists]
	d.orders = slices.Grow(d.orders[:0], x.lists)[:x.lists]
	clear(d.orders)
	d.families = slices.Grow(d.families[:0], db.families)[:db.families]
	clear(d.families)
	for i, f := range listFields {
		p, start := d.tables[i].read(s.lists[f]), x.fields[i].start
		x.fields[i].distances(d.sets[start:start+len(db.lists[f])], s.lists[f], p, &x.inverse, weights[f].set)
	}
}

// fill sets the sums of the rows and sorts them into buckets.
func (d *search) fill(rows []row, first *[buckets]uint32) {
	d.sums = slices.Grow(d.sums[:0], len(rows))[:len(rows)]
	d.next = slices.Grow(d.next[:0], len(rows))[:len(rows)]
	sums, next, sets := d.sums, d.next[:len(d.sums)], d.sets
	for i := range sums {
		r := &rows[i]
		l := &r.lists
		sum := r.base + sets[l[0]] + sets[l[1]] + sets[l[2]] + sets[l[3]] + sets[l[4]] + sets[l[5]] + sets[l[6]]
		sums[i] = sum
		b := &first[sum>>bucketBits%buckets]
		next[i], *b = *b, uint32(i)+1
	}
}

// ordered are the fields of listFields whose order counts.
var ordered = [...]int{0, 2, 3}

// order returns what the order of values adds to the distance of a row.
func (d *search) order(x *searchIndex, r *row) (distance uint32) {
	for _, i := range ordered {
		f := listFields[i]
		known := &d.orders[r.lists[i]]
		if *known == 0 {
			*known = 1
			theirs := d.db.lists[f][int(r.lists[i])-x.fields[i].start]
			if !slices.Equal(theirs, d.shape.lists[f]) { // also where values repeat: compare looks at the first
				_, order := d.tables[i].compare(theirs)
				*known += order * weights[f].order
			}
		}
		distance += *known - 1
	}
	return distance
}

// differing returns the fields in which the shape differs from e, whose order is known.
func (d *search) differing(x *searchIndex, e *entry) (fields Fields) {
	for i, f := range listFields {
		if at := x.fields[i].start + int(e.lists[f]); d.sets[at] != 0 || d.orders[at] > 1 {
			fields |= fieldOf(f)
		}
	}
	return fields
}
