package known

import (
	"cmp"
	"slices"
	"sort"
	"sync"

	"github.com/tlspeek/tlspeek/parser"
)

// A Database is a set of clients and the shapes of their hellos. It does not change,
// so it is safe for concurrent use. [NewDatabase] makes one. The first search for the
// nearest shapes makes an index, which takes 65 KB for the built-in clients.
type Database struct {
	shapes  []entry               // sorted by key
	lists   [numFields][][]uint16 // the distinct lists of the shapes
	clients []Candidate           // of the shapes, in their order of rank

	families int              // of the first clients of the shapes
	newest   [numBrowsers]int // version that is known of each browser, or 0
	learned  *Database        // of the learned entries, which are nowhere else; nil without any

	indexOnce sync.Once
	index     *searchIndex // made by searchIndex

	id           uint64            // drawn at random; see AppendKey
	named        map[string]uint32 // indices into namedClients, by a fingerprint
	namedClients [][]Candidate     // clients that are known only by a fingerprint
	byJA3        bool              // some of these by JA3
	formats      npfFormat         // of the NPFs among them
}

// searchIndex returns the index for the nearest shapes, and makes it when it is first
// needed.
func (db *Database) searchIndex() *searchIndex {
	db.indexOnce.Do(func() { db.index = newSearchIndex(db) })
	return db.index
}

// An entry is a shape and the clients that send it.
type entry struct {
	key       uint64
	transport parser.Transport
	optionals optional
	scanner   bool              // only scanners send it
	imitation bool              // only impersonators send it
	permutes  bool              // its extensions are in another order in each hello
	lists     [numFields]uint32 // indices into the Database's
	first, n  uint32            // its part of clients
	family    uint32            // a number for the family of its first client
	generic   uint64            // which of its clients stand for a family; see familiesOf
}

// ordinary reports whether a client sends the shape that neither scans nor
// imitates.
func (e *entry) ordinary() bool { return !e.scanner && !e.imitation }

// exact returns the range of shapes that equal s and have its key. It compares
// the shapes, because the key is not secret and keys can be made to collide.
func (db *Database) exact(s *shape, key uint64) (from, to int) {
	from = sort.Search(len(db.shapes), func(i int) bool { return db.shapes[i].key >= key })
	for to = from; to < len(db.shapes) && db.shapes[to].key == key; to++ {
		if !db.is(&db.shapes[to], s) {
			return from, from
		}
	}
	return from, to
}

// hasOrdered reports whether a client that sends shape s, with the given key, does not
// permute its extensions.
func (db *Database) hasOrdered(s *shape, key uint64) bool {
	from, to := db.exact(s, key)
	return slices.ContainsFunc(db.shapes[from:to], func(e entry) bool { return !e.permutes })
}

// is reports whether s, which has the key of e, equals e in all that the key
// covers.
func (db *Database) is(e *entry, s *shape) bool {
	if e.transport != s.transport {
		return false
	}
	for f := suites; f < numFields; f++ {
		ours, theirs := s.lists[f], db.lists[f][e.lists[f]]
		if f == shares || slices.Equal(ours, theirs) {
			continue
		}
		if f != extensions && f != smallFields || len(ours) != len(theirs) {
			return false
		}
		// The sums of the hashes are equal, so checking that no value is foreign suffices.
		for _, v := range ours {
			if !slices.Contains(theirs, v) {
				return false
			}
		}
	}
	return true
}

// inOrder returns the candidates of one shape in order: clients that send it as their own
// before imitations and, among these, one of each family before the second of
// any, so that the first few show how certain the answer is. The family with the
// most programs comes first, and in it the client that stands for it, then the library
// itself, then those that were seen here, then the program with the most known versions,
// then hellos. isGeneric has a bit for each candidate that stands for a family.
func inOrder(clients, generic []Candidate, programs map[string]*program) (ordered []Candidate, isGeneric uint64) {
	if len(clients)+len(generic) == 1 {
		return clients, 0
	}
	weight := make(map[string]int)
	for _, c := range clients {
		weight[c.Family] += weightOf(c.Kind)
	}
	round := make(map[string]int) // how many of a family came before
	type place struct {
		Candidate
		round   int
		generic bool
	}
	var places []place
	for _, c := range generic {
		places = append(places, place{c, 0, true})
		round[c.Family]++
	}
	slices.SortStableFunc(clients, func(a, b Candidate) int {
		p, q := programs[a.Name], programs[b.Name]
		return cmp.Or(btoi(a.Kind == KindImpersonator)-btoi(b.Kind == KindImpersonator),
			btoi(isLibraryItself(&b))-btoi(isLibraryItself(&a)), btoi(a.Recorded)-btoi(b.Recorded),
			cmp.Compare(q.versions, p.versions), cmp.Compare(q.hellos, p.hellos), cmp.Compare(a.Name, b.Name))
	})
	for _, c := range clients {
		places = append(places, place{c, round[c.Family], false})
		round[c.Family]++
	}
	slices.SortStableFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(btoi(a.Kind == KindImpersonator), btoi(b.Kind == KindImpersonator)),
			cmp.Compare(a.round, b.round), -cmp.Compare(weight[a.Family], weight[b.Family]))
	})
	for i, p := range places {
		ordered = append(ordered, p.Candidate)
		if p.generic && i < maxGeneric {
			isGeneric |= 1 << i
		}
	}
	return ordered, isGeneric
}

// weightOf returns how much one program counts among those that share a shape.
func weightOf(k Kind) int {
	switch k {
	case KindBrowser:
		return 8
	case KindLibrary:
		return 2
	case KindTool, KindProxy:
		return 1
	}
	return 0
}

// appendExact appends the clients that send shape s, with the given key. settled is
// true if no other client need be considered. It is false if all are imitations, or
// scanners, which send what others may be configured to send. Where a client has the
// extensions in exactly this order, clients that permute theirs are left out.
func (db *Database) appendExact(dst []Candidate, s *shape, key uint64, r *ranker) (out []Candidate, settled bool) {
	from, to := db.exact(s, key)
	if from == to {
		return dst, false
	}
	var buf [maxNeighbours]neighbour
	near := buf[:0]
	for i := from; i < to && len(near) < maxNeighbours; i++ {
		near = append(near, neighbour{shape: i})
	}
	r.rank(db, near, s)
	ordered := slices.ContainsFunc(near, func(n neighbour) bool { return n.distance == 0 && !db.shapes[n.shape].permutes })
	for _, n := range near {
		if n.distance > 0 {
			break
		}
		e := &db.shapes[n.shape]
		if ordered && e.permutes {
			continue
		}
		settled = settled || !e.scanner && !e.imitation
		dst = db.appendClients(dst, n, int(e.n), r)
	}
	return dst, settled
}

// appendNearest ranks the neighbours of s and appends their clients to dst: at
// most limit of them; beyond that the first of further families, up to
// minFamilies; the original of the nearest one, if that is an imitation; if it is far, the
// nearest one with the same suites; and always the
// nearest ordinary one, or one that does not imitate where the nearest has exactly this
// shape.
func (db *Database) appendNearest(dst []Candidate, near []neighbour, s *shape, r *ranker, limit int) []Candidate {
	r.rank(db, near, s)
	from := len(dst)
	onlyOddSoFar := true
	noSame := true
	noOriginal := len(near) > 0 && db.shapes[near[0].shape].imitation
	families := minFamilies
	if limit == 0 {
		families = 0
	}
	for _, n := range near {
		if n.distance > farDistance {
			break
		}
		if n.distance > near[0].distance+nearMargin {
			limit, families = 0, 0
		}
		e := &db.shapes[n.shape]
		if n.distance > namedDistance*1000 && e.imitation {
			continue // it is not told that far away
		}
		ordinary := e.ordinary() || !e.imitation && near[0].differs == 0
		another := !e.imitation && countFamilies(dst[from:], db.firstClient(n).Family) < families
		same := noSame && db.hasSuites(n, near[0], s)
		original := noOriginal && !e.imitation && db.isOriginal(n, near[0])
		if limit <= 0 && !(onlyOddSoFar && ordinary) && !another && !original && !same {
			continue
		}
		noOriginal, noSame = noOriginal && !original, noSame && !same
		before := len(dst)
		dst = db.appendClients(dst, n, max(1, min(limit, maxPerShape)), r)
		limit -= len(dst) - before
		onlyOddSoFar = onlyOddSoFar && !ordinary
	}
	oneOfEachFamilyFirst(dst[from:])
	return dst
}

// farDistance, in millionths, is where a hello has less than half in common with
// another, which then says nothing about it.
const farDistance = 500_000

// nearMargin, in millionths, is how much farther than the nearest shape another
// one may be and still say something about a hello.
const nearMargin = 100_000

// minFamilies is the least number of families among the candidates, if that many
// are within nearMargin.
const minFamilies = 3

// countFamilies returns the number of families among the candidates that do not
// imitate, or minFamilies if family is one of them.
func countFamilies(list []Candidate, family string) int {
	var seen [minFamilies]string
	n := 0
	for _, c := range list {
		switch {
		case c.Kind == KindImpersonator || slices.Contains(seen[:n], c.Family):
		case c.Family == family || n == minFamilies-1:
			return minFamilies
		default:
			seen[n] = c.Family
			n++
		}
	}
	return n
}

func hasFamily(list []Candidate, family string) bool {
	return slices.ContainsFunc(list, func(c Candidate) bool { return c.Family == family })
}

// oneOfEachFamilyFirst moves the first candidate of each family within nearMargin
// to the front, so that the first few show how certain the answer is.
func oneOfEachFamilyFirst(list []Candidate) {
	front := 0
	for i := range list {
		c := list[i]
		if c.Distance > list[0].Distance+nearMargin/1000 {
			return
		}
		if hasFamily(list[:front], c.Family) {
			continue
		}
		copy(list[front+1:i+1], list[front:i])
		list[front] = c
		front++
	}
}

// appendClients appends up to limit clients of a neighbour that dst does not have. Of one
// that it has at the same distance it joins the versions.
func (db *Database) appendClients(dst []Candidate, n neighbour, limit int, r *ranker) []Candidate {
	e := &db.shapes[n.shape]
	from := len(dst)
	distance := thousandths(n.distance)
	for i, c := range db.clients[e.first : e.first+e.n] {
		if len(dst)-from == limit {
			break
		}
		if r.programs && e.generic>>i&1 != 0 {
			continue
		}
		if other := find(dst[:from], &c); other != nil { // those of one shape are distinct
			if other.Distance == distance {
				other.Version = r.join(other.Version, c.Version)
			}
			continue
		}
		c.Distance, c.Differs = distance, n.differs
		dst = append(dst, c)
	}
	return dst
}

// thousandths returns a distance in millionths as a Candidate has it.
func thousandths(distance uint32) uint16 { return uint16((distance + 999) / 1000) }

// isOriginal reports whether the first client of n may be what that of an imitation
// imitates.
func (db *Database) isOriginal(n, imitation neighbour) bool {
	return SameStack(db.firstClient(n).Family, db.firstClient(imitation).Family) && n.distance <= imitation.distance+genuineSlack*1000
}

// ordinaryDistance returns the distance of the first ordinary neighbour of a sorted list,
// or noDistance.
func (db *Database) ordinaryDistance(near []neighbour) uint32 {
	for _, n := range near {
		if db.shapes[n.shape].ordinary() {
			return n.distance
		}
	}
	return noDistance
}

// find returns the candidate of the same client as c, or nil.
func find(list []Candidate, c *Candidate) *Candidate {
	for i := range list {
		if list[i].Name == c.Name && list[i].Kind == c.Kind {
			return &list[i]
		}
	}
	return nil
}

// PreferImitations sorts the candidates of a hello that has tells, in place: by
// distance, and at the same distance imitations first. An imitation is more likely to
// have sent such a hello than the browser that it imitates.
func PreferImitations(candidates []Candidate) {
	slices.SortStableFunc(candidates, func(a, b Candidate) int {
		if a.Distance != b.Distance {
			return int(a.Distance) - int(b.Distance)
		}
		return btoi(b.Kind == KindImpersonator) - btoi(a.Kind == KindImpersonator)
	})
}
