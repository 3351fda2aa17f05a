package known

import (
	"cmp"
	"slices"
	"sort"

	"github.com/tlspeek/tlspeek/parser"
)

// A Database is a set of clients and the shapes of the hellos that they send.
// It is built once, and then safe for use by several goroutines.
type Database struct {
	shapes  []entry                // sorted by key
	lists   [numFields][][]uint16  // the distinct lists of the shapes
	clients []Candidate            // of the shapes, in their order of rank
	named   map[string][]Candidate // clients of which only a fingerprint is known, by it
	formats npfFormat              // of the NPFs among them
}

// An entry is a shape and who sends it.
type entry struct {
	key       uint64
	transport parser.Transport
	traits    trait
	probe     bool              // nobody but scanners sends it
	imitation bool              // nobody but impersonators sends it
	permutes  bool              // its extensions are in another order in each hello
	lists     [numFields]uint16 // indices into the Database's
	first, n  uint16            // its part of clients
}

// ordinary reports whether somebody sends the shape who neither scans nor imitates.
func (e *entry) ordinary() bool { return !e.probe && !e.imitation }

// exact returns the indices of the shapes that s is: those of its key, of which
// it makes sure, because the key is no secret.
func (db *Database) exact(s *shape, key uint64) (from, to int) {
	from = sort.Search(len(db.shapes), func(i int) bool { return db.shapes[i].key >= key })
	for to = from; to < len(db.shapes) && db.shapes[to].key == key; to++ {
		if !db.is(&db.shapes[to], s) {
			return from, from
		}
	}
	return from, to
}

// permute reports whether all clients that send hellos of shape s, whose key is
// given, permute their extensions.
func (db *Database) permute(s *shape, key uint64) bool {
	from, to := db.exact(s, key)
	return from < to && !slices.ContainsFunc(db.shapes[from:to], func(e entry) bool { return !e.permutes })
}

// is reports whether s, which has the key of e, is e but for what the key leaves
// out.
func (db *Database) is(e *entry, s *shape) bool {
	if e.transport != s.transport {
		return false
	}
	for f := suites; f < numFields; f++ {
		ours, theirs := s.lists[f], db.lists[f][e.lists[f]]
		if f == shares || slices.Equal(ours, theirs) {
			continue
		}
		if f != extensions && f != others || len(ours) != len(theirs) {
			return false
		}
		// As the sums of their hashes are equal, it will do that none is strange.
		for _, v := range ours {
			if !slices.Contains(theirs, v) {
				return false
			}
		}
	}
	return true
}

// A sent is a shape, what is known of it, and one who sends it.
type sent struct {
	shape    shape
	permutes bool
	probe    bool
	client   Candidate
}

// A program is what the database has of one client.
type program struct {
	hellos   int
	versions map[string]bool
}

// build makes db of all that is sent.
func (db *Database) build(all []sent) {
	programs := make(map[string]*program)
	for _, s := range all {
		p := programs[s.client.Name]
		if p == nil {
			p = &program{versions: make(map[string]bool)}
			programs[s.client.Name] = p
		}
		p.hellos++
		p.versions[s.client.Version] = true
	}
	type group struct {
		entry
		probe   bool
		clients []Candidate
	}
	var groups []*group
	for _, s := range all {
		e := entry{key: s.shape.key(0), transport: s.shape.transport, traits: s.shape.traits, permutes: s.permutes}
		if s.permutes {
			slices.Sort(s.shape.lists[extensions])
		}
		for f, list := range s.shape.lists {
			e.lists[f] = uint16(pool(&db.lists[f], list))
		}
		i := slices.IndexFunc(groups, func(g *group) bool { return g.entry == e })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &group{entry: e, probe: true})
		}
		groups[i].probe = groups[i].probe && s.probe
		groups[i].clients = append(groups[i].clients, s.client)
	}
	slices.SortStableFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(btoi(a.permutes), btoi(b.permutes)),
			cmp.Compare(a.traits, b.traits),
			slices.Compare(a.lists[:], b.lists[:]))
	})
	for _, g := range groups {
		clients := inOrder(merge(g.clients), programs)
		g.first, g.n = uint16(len(db.clients)), uint16(len(clients))
		db.clients = append(db.clients, clients...)
		g.entry.probe = g.probe
		g.entry.imitation = clients[0].Kind == Impersonator // they come last
		db.shapes = append(db.shapes, g.entry)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pool returns the index of list in the lists, to which it adds it if need be.
func pool(lists *[][]uint16, list []uint16) int {
	i := slices.IndexFunc(*lists, func(l []uint16) bool { return slices.Equal(l, list) })
	if i < 0 {
		i = len(*lists)
		*lists = append(*lists, slices.Clone(list))
	}
	return i
}

// merge makes one candidate of those that differ in their version alone.
func merge(clients []Candidate) []Candidate {
	var out []Candidate
	versions := make(map[string][]string)
	for _, c := range clients {
		i := slices.IndexFunc(out, func(o Candidate) bool { return o.Name == c.Name && o.Kind == c.Kind })
		if i < 0 {
			out = append(out, c)
		}
		if c.Version != "" && !slices.Contains(versions[c.Name], c.Version) {
			versions[c.Name] = append(versions[c.Name], c.Version)
		}
	}
	for i := range out {
		out[i].Version = versionRange(versions[out[i].Name])
	}
	return out
}

// inOrder sorts candidates of one shape: programs that send it as their own
// before those that imitate it, and among these one of each family before
// the second of any, so that the first few say how far the shape leads. The
// family with the most programs comes first, and in it the program of which
// the most versions are known, and hellos.
func inOrder(clients []Candidate, programs map[string]*program) []Candidate {
	weight := make(map[string]int)
	for _, c := range clients {
		weight[c.Family] += weightOf(c.Kind)
	}
	round := make(map[string]int) // how many of a family came before
	type place struct {
		Candidate
		round int
	}
	var places []place
	slices.SortStableFunc(clients, func(a, b Candidate) int {
		p, q := programs[a.Name], programs[b.Name]
		return cmp.Or(cmp.Compare(len(q.versions), len(p.versions)), cmp.Compare(q.hellos, p.hellos), cmp.Compare(a.Name, b.Name))
	})
	for _, c := range clients {
		places = append(places, place{c, round[c.Family]})
		round[c.Family]++
	}
	slices.SortStableFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(btoi(a.Kind == Impersonator), btoi(b.Kind == Impersonator)),
			cmp.Compare(a.round, b.round), -cmp.Compare(weight[a.Family], weight[b.Family]))
	})
	for i := range places {
		clients[i] = places[i].Candidate
	}
	return clients
}

// weightOf says how much one program counts among those that share a shape.
func weightOf(k Kind) int {
	switch k {
	case Browser:
		return 8
	case Library:
		return 2
	case Tool:
		return 1
	}
	return 0
}

// appendExact appends the clients that send hellos of shape s, whose key is
// given, and reports whether that settles who may have sent it: not if they are
// all scanners, which try what others may be set up to send, or imitations.
// Where the extensions are in the very order in which some client has them,
// those that permute theirs are left out.
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
		settled = settled || !e.probe && !e.imitation
		dst = db.appendClients(dst, n, int(e.n))
	}
	return dst, settled
}

// appendNearest ranks the neighbours of s and appends their clients to dst, at
// most limit of them; beyond it the first of a family, up to minFamilies; and in
// any case the nearest that neither scans nor imitates, or that does not imitate,
// where the nearest has just the shape.
func (db *Database) appendNearest(dst []Candidate, near []neighbour, s *shape, r *ranker, limit int) []Candidate {
	r.rank(db, near, s)
	from := len(dst)
	odd := true // so far
	families := minFamilies
	if limit == 0 {
		families = 0
	}
	for _, n := range near {
		if n.distance > farDistance {
			break
		}
		if n.distance > near[0].distance+reach {
			limit, families = 0, 0
		}
		e := &db.shapes[n.shape]
		ordinary := e.ordinary() || !e.imitation && near[0].differs == 0
		another := !e.imitation && countFamilies(dst[from:], db.head(n).Family) < families
		if limit <= 0 && !(odd && ordinary) && !another {
			continue
		}
		before := len(dst)
		dst = db.appendClients(dst, n, max(1, min(limit, maxPerShape)))
		limit -= len(dst) - before
		odd = odd && !ordinary
	}
	spread(dst[from:])
	return dst
}

// farDistance is, in millionths, where a hello has less than half in common with
// another, and that other says nothing about it.
const farDistance = 500_000

// reach is how much farther than the nearest, in millionths, another says
// something about a hello.
const reach = 100_000

// minFamilies is how many families are told at least, if as many are within reach.
const minFamilies = 3

// countFamilies returns how many families the candidates are of that do not
// imitate one, or minFamilies if the given one is among them.
func countFamilies(list []Candidate, family string) int {
	var seen [minFamilies]string
	n := 0
	for _, c := range list {
		switch {
		case c.Kind == Impersonator || slices.Contains(seen[:n], c.Family):
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

// spread moves the first of each family within reach to the front, so that the
// first few say how far the answer is sure.
func spread(list []Candidate) {
	front := 0
	for i := range list {
		c := list[i]
		if c.Distance > list[0].Distance+reach/1000 {
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

// appendClients appends up to limit clients of a neighbour that are not in dst.
func (db *Database) appendClients(dst []Candidate, n neighbour, limit int) []Candidate {
	e := &db.shapes[n.shape]
	from := len(dst)
	for _, c := range db.clients[e.first : e.first+e.n] {
		if len(dst)-from == limit {
			break
		}
		if has(dst, &c) {
			continue
		}
		c.Distance, c.Differs = uint16((n.distance+999)/1000), n.differs
		dst = append(dst, c)
	}
	return dst
}

func has(list []Candidate, c *Candidate) bool {
	for i := range list {
		if list[i].Name == c.Name && list[i].Kind == c.Kind {
			return true
		}
	}
	return false
}

// Distrust puts the nearest first, and of the same distance those that imitate
// others. It is for the candidates for a hello that has tells: it is rather
// theirs than that of the browser they imitate.
func Distrust(candidates []Candidate) {
	slices.SortStableFunc(candidates, func(a, b Candidate) int {
		if a.Distance != b.Distance {
			return int(a.Distance) - int(b.Distance)
		}
		return btoi(b.Kind == Impersonator) - btoi(a.Kind == Impersonator)
	})
}
