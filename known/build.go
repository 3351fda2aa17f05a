package known

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// A builder makes a Database of samples: shapes, each with one client that sends it.
type builder struct {
	db       *Database
	groups   []*group // in the order of their first sample
	index    map[entry]*group
	lists    [numFields]map[string]uint32 // indices into the lists of db, by the bytes of a list
	scratch  []byte
	programs map[string]*program
	versions map[[2]string]bool // names and versions
}

// A group is the samples of one shape. Its entry lacks what follows from its
// clients.
type group struct {
	entry
	scanner bool
	clients []Candidate
}

// A program counts what the database has of one client.
type program struct{ hellos, versions int }

func newBuilder(db *Database) *builder {
	b := &builder{db: db, index: make(map[entry]*group), programs: make(map[string]*program), versions: make(map[[2]string]bool)}
	for f := range b.lists {
		b.lists[f] = make(map[string]uint32)
	}
	return b
}

// add adds a sample, and keeps nothing of s. It sorts the small fields of s, whose order
// does not count, as that of transport parameters may be drawn for each connection; and it
// may sort the extensions.
func (b *builder) add(s *shape, permutes, scanner bool, c Candidate) {
	p := b.programs[c.Name]
	if p == nil {
		p = new(program)
		b.programs[c.Name] = p
	}
	p.hellos++
	if v := [2]string{c.Name, c.Version}; !b.versions[v] {
		b.versions[v] = true
		p.versions++
	}

	slices.Sort(s.lists[smallFields])
	e := entry{key: s.key(0), transport: s.transport, optionals: s.optionals, permutes: permutes}
	if permutes {
		slices.Sort(s.lists[extensions])
	}
	for f, list := range s.lists {
		e.lists[f] = b.pool(field(f), list)
	}
	g := b.index[e]
	if g == nil {
		g = &group{entry: e, scanner: true}
		b.index[e] = g
		b.groups = append(b.groups, g)
	}
	g.scanner = g.scanner && scanner
	g.clients = append(g.clients, c)
}

// pool returns the index of list among those of a field, and adds it first if it is
// new.
func (b *builder) pool(f field, list []uint16) uint32 {
	b.scratch = b.scratch[:0]
	for _, v := range list {
		b.scratch = binary.BigEndian.AppendUint16(b.scratch, v)
	}
	i, ok := b.lists[f][string(b.scratch)]
	if !ok {
		i = uint32(len(b.db.lists[f]))
		b.lists[f][string(b.scratch)] = i
		b.db.lists[f] = append(b.db.lists[f], slices.Clone(list))
	}
	return i
}

// finish fills the database.
func (b *builder) finish() {
	b.dropMalware()
	slices.SortStableFunc(b.groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(btoi(a.permutes), btoi(b.permutes)),
			cmp.Compare(a.optionals, b.optionals),
			slices.Compare(a.lists[:], b.lists[:]))
	})
	families := make(map[string]uint32)
	var standing []Candidate // for the families of the groups of one key
	for i, g := range b.groups {
		if i == 0 || b.groups[i-1].key != g.key {
			standing = b.familiesFrom(i)
		}
		clients := merge(g.clients)
		var generic []Candidate
		if !g.scanner {
			generic = withFamily(standing, clients)
		}
		e := g.entry
		clients, e.generic = inOrder(clients, generic, b.programs)
		e.first, e.n = uint32(len(b.db.clients)), uint32(len(clients))
		e.scanner = g.scanner
		e.imitation = clients[0].Kind == KindImpersonator // they come last
		if _, ok := families[clients[0].Family]; !ok {
			families[clients[0].Family] = uint32(len(families))
		}
		e.family = families[clients[0].Family]
		b.db.clients = append(b.db.clients, clients...)
		b.db.shapes = append(b.db.shapes, e)
	}
	b.db.families = len(families)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// merge merges candidates that differ only in their version and library.
func merge(clients []Candidate) []Candidate {
	if len(clients) == 1 {
		return clients
	}
	type id struct {
		name string
		kind Kind
	}
	type seen struct {
		versions, libraries []string
		captured            bool
	}
	var out []Candidate
	all := make(map[id]*seen)
	for _, c := range clients {
		i := id{c.Name, c.Kind}
		s := all[i]
		if s == nil {
			s = new(seen)
			all[i] = s
			out = append(out, c)
		}
		if c.Version != "" {
			s.versions = append(s.versions, c.Version)
		}
		s.libraries = append(s.libraries, c.Library)
		s.captured = s.captured || !c.Recorded
	}
	for i := range out {
		s := all[id{out[i].Name, out[i].Kind}]
		slices.Sort(s.versions)
		out[i].Version, out[i].Library = versionRange(slices.Compact(s.versions)), libraryRange(s.libraries)
		out[i].Recorded = !s.captured
	}
	return out
}
