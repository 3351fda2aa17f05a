package known

import (
	"cmp"
	"slices"
)

// The weights of the fields in a distance, in thousandths. They were chosen on clients
// that the database lacked: see make eval.
var weights = [numFields]struct{ set, order uint32 }{
	suites:      {200, 80},
	extensions:  {230, 90},
	groups:      {80, 10},
	schemes:     {110, 20},
	versions:    {40, 0},
	protocols:   {28, 0},
	shares:      {20, 0},
	smallFields: {80, 0},
}

// positions maps the values of a list to their positions.
type positions struct {
	slots [2 * maxValues]uint32 // value<<16 | position+1, or 0
	n     int                   // distinct values
}

// read fills p, or a new table if p is nil, from a list of at most maxValues
// values.
func (p *positions) read(list []uint16) *positions {
	if p == nil {
		p = new(positions)
	} else {
		*p = positions{}
	}
	for i, v := range list {
		s := slot(v)
		for p.slots[s] != 0 && uint16(p.slots[s]>>16) != v {
			s = (s + 1) % len(p.slots)
		}
		if p.slots[s] == 0 {
			p.slots[s] = uint32(v)<<16 | uint32(i+1)
			p.n++
		}
	}
	return p
}

func slot(v uint16) int { return int(uint32(v)*0x9e3779b1>>23) % (2 * maxValues) }

// of returns the position of v, counted from 1, or 0 if v is not in the list.
func (p *positions) of(v uint16) int {
	for s := slot(v); p.slots[s] != 0; s = (s + 1) % len(p.slots) {
		if uint16(p.slots[s]>>16) == v {
			return int(uint16(p.slots[s]))
		}
	}
	return 0
}

// compare returns how much list differs from that of p, in thousandths: as a set,
// by one minus Jaccard's index; and in order, by the share of neighbours among
// the common values that are in the opposite order in p.
func (p *positions) compare(list []uint16) (set, order uint32) {
	common, turned, last := 0, 0, 0
	for _, v := range list {
		at := p.of(v)
		if at == 0 {
			continue
		}
		if common++; at < last {
			turned++
		}
		last = at
	}
	if common > 1 {
		order = uint32(1000 * turned / (common - 1))
	}
	return setDistance(p.n, len(list), common), order
}

// setDistance returns one minus Jaccard's index of sets of a and b values, in
// thousandths. The more they have in common, the less it is.
func setDistance(a, b, common int) uint32 {
	if union := a + b - common; union > common {
		return uint32(1000 * (union - common) / union)
	}
	return 0
}

// A neighbour is a shape of the database and its distance.
type neighbour struct {
	shape    int
	distance uint32 // in millionths
	differs  Fields
}

// maxNeighbours is the number of shapes that are kept by the distance without the
// order of extensions, key shares and optional parts, to be ranked with these.
const maxNeighbours = 16

// keep moves n, or n in the place of the farthest one, to the kept neighbours at the
// front of list. It returns how many are kept then.
func (db *Database) keep(list []neighbour, kept int, n neighbour) int {
	at := slices.Index(list, n)
	if at < 0 {
		at = kept + db.farthest(list[kept:])
		list[at] = n
	}
	if at < kept {
		return kept
	}
	list[kept], list[at] = list[at], list[kept]
	return kept + 1
}

// maxFamilies is the number of families whose nearest shape is always kept.
// It is more than are reported, because ranking may change their order.
const maxFamilies = 2 * minFamilies

// nearestByFamily has the nearest shapes of different families, nearest first.
type nearestByFamily struct {
	list   [maxFamilies]neighbour
	n      int
	limits []uint32 // by family, for those in list: its distance + 1; 0 for others
}

// limit returns the distance from which on a shape of a family is not added.
func (k *nearestByFamily) limit(family uint32) uint32 {
	if own := k.limits[family]; own != 0 {
		return own
	}
	return k.limitOfNew()
}

// limitOfNew is limit for a family that has no shape in the list. It is not less than
// that of the others.
func (k *nearestByFamily) limitOfNew() uint32 {
	if k.n < maxFamilies {
		return ^uint32(0)
	}
	return k.list[k.n-1].distance + 1
}

// add adds a shape if it is nearer than that of its family, or than the last one.
func (k *nearestByFamily) add(db *Database, n neighbour) {
	family := db.shapes[n.shape].family
	if n.distance >= k.limit(family) {
		return
	}
	i := slices.IndexFunc(k.list[:k.n], func(o neighbour) bool { return db.shapes[o.shape].family == family })
	switch {
	case i >= 0 && db.compare(n, k.list[i]) >= 0:
		return
	case i >= 0:
	case k.n < maxFamilies:
		i = k.n
		k.n++
	case db.compare(n, k.list[k.n-1]) >= 0:
		return
	default:
		i = k.n - 1
		k.limits[db.shapes[k.list[i].shape].family] = 0
	}
	for ; i > 0 && db.compare(n, k.list[i-1]) < 0; i-- {
		k.list[i] = k.list[i-1]
	}
	k.list[i] = n
	k.limits[family] = n.distance + 1
}

// firstClient returns the first client of a neighbour.
func (db *Database) firstClient(n neighbour) *Candidate { return &db.clients[db.shapes[n.shape].first] }

// compare orders neighbours by distance, at the same distance by how many people may
// use them, which follows from their kind, and then by index.
func (db *Database) compare(a, b neighbour) int {
	if a.distance != b.distance {
		return cmp.Compare(a.distance, b.distance)
	}
	return cmp.Or(-cmp.Compare(weightOf(db.firstClient(a).Kind), weightOf(db.firstClient(b).Kind)), cmp.Compare(a.shape, b.shape))
}

// farthest returns which neighbour of the list is the last in the order of compare.
func (db *Database) farthest(list []neighbour) int {
	far := 0
	for i := range list {
		if list[i].distance >= list[far].distance && db.compare(list[i], list[far]) > 0 {
			far = i
		}
	}
	return far
}

// What a difference in an optional part adds to a distance, and how far behind
// other clients the odd hellos of a scanner come, in millionths.
const (
	scannerWeight = 40_000
	ticketWeight  = 15_000
	paddingWeight = 10_000
)

// A ranker has memory for ranking, allocated on first use.
type ranker struct {
	order, share *positions
	joined       map[[2]string]string // versions of one client, from two shapes
	programs     bool                 // clients that stand for a family are left out
}

// maxJoined bounds how many joined versions are remembered.
const maxJoined = 1024

// join returns joinVersions(a, b).
func (r *ranker) join(a, b string) string {
	if a == b || b == "" {
		return a
	}
	text, ok := r.joined[[2]string{a, b}]
	if !ok {
		if r.joined == nil || len(r.joined) == maxJoined {
			r.joined = make(map[[2]string]string)
		}
		text = joinVersions(a, b)
		r.joined[[2]string{a, b}] = text
	}
	return text
}

// rank adds to the distances what appendNeighbours left out, and sorts the list.
func (r *ranker) rank(db *Database, list []neighbour, s *shape) {
	ordered, shared := false, false // what was read
	for i := range list {
		n := &list[i]
		e := &db.shapes[n.shape]
		if theirs := db.lists[extensions][e.lists[extensions]]; !e.permutes && !slices.Equal(theirs, s.lists[extensions]) {
			if !ordered {
				r.order = r.order.read(s.lists[extensions])
				ordered = true
			}
			if _, turned := r.order.compare(theirs); turned != 0 {
				n.distance += turned * weights[extensions].order
				n.differs |= FieldExtensionOrder
			}
		}
		if conflict(s.optionals, e.optionals, ticket) {
			n.distance += ticketWeight
			n.differs |= FieldExtensions
		}
		if conflict(s.optionals, e.optionals, pads) {
			n.distance += paddingWeight
			n.differs |= FieldExtensions
		}
		if theirs := db.lists[shares][e.lists[shares]]; len(s.lists[shares]) > 0 && !slices.Equal(theirs, s.lists[shares]) {
			if !shared {
				r.share = r.share.read(s.lists[shares])
				shared = true
			}
			if set, _ := r.share.compare(theirs); set != 0 {
				n.distance += set * weights[shares].set
				n.differs |= FieldKeyShare
			}
		}
	}
	slices.SortFunc(list, db.compare)
}

func fieldOf(f field) Fields {
	switch f {
	case suites:
		return FieldCipherSuites
	case extensions:
		return FieldExtensions
	case groups:
		return FieldSupportedGroups
	case schemes:
		return FieldSignatureAlgorithms
	case versions:
		return FieldSupportedVersions
	case protocols:
		return FieldALPN
	case shares:
		return FieldKeyShare
	}
	return FieldOther
}
