package known

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// slowNeighbours is what [Database.appendNeighbours] returns, in another order. It
// computes the distance of every shape and sorts them all.
func slowNeighbours(db *Database, s *shape) []neighbour {
	var all, rest []neighbour
	for i := range db.shapes {
		if e := &db.shapes[i]; e.transport == s.transport {
			n := neighbour{shape: i}
			if e.scanner {
				n.distance = scannerWeight
			}
			for _, f := range listFields {
				d := slowDistance(f, s.lists[f], db.lists[f][e.lists[f]])
				n.distance += d
				if d != 0 {
					n.differs |= fieldOf(f)
				}
			}
			all = append(all, n)
		}
	}
	slices.SortFunc(all, db.compare)
	families := make(map[string]bool)
	ordinary, same := false, len(s.lists[suites]) < minSuites || len(all) == 0 || all[0].distance <= suitesDistance*1000
	var list []neighbour
	for _, n := range all { // the nearest of each family, the nearest ordinary one, and one with the same suites
		e, family := &db.shapes[n.shape], db.firstClient(n).Family
		required := e.ordinary() && !ordinary
		ordinary = ordinary || required
		if e.ordinary() && !same && slices.Equal(s.lists[suites], db.lists[suites][e.lists[suites]]) {
			same, required = true, true
		}
		if !e.imitation && !families[family] && len(families) < maxFamilies {
			families[family] = true
			required = true
		}
		if required {
			list = append(list, n)
		} else {
			rest = append(rest, n)
		}
	}
	return append(list, rest[:min(len(rest), maxNeighbours-len(list))]...)
}

func slowDistance(f field, ours, theirs []uint16) uint32 {
	if slices.Equal(ours, theirs) {
		return 0
	}
	set, order := new(positions).read(ours).compare(theirs)
	if f == extensions {
		order = 0
	}
	return set*weights[f].set + order*weights[f].order
}

// unknownHello returns a hello that is a real one with a few values that differ, or
// repeat, or are in another order.
func unknownHello(r *rand.Rand, real []*parser.ClientHello) *parser.ClientHello {
	h := real[r.IntN(len(real))].Clone()
	for range 1 + r.IntN(4) {
		switch i, j := r.IntN(len(h.CipherSuites)), r.IntN(len(h.CipherSuites)); r.IntN(8) {
		case 0:
			h.CipherSuites[i], h.CipherSuites[j] = h.CipherSuites[j], h.CipherSuites[i]
		case 1:
			h.CipherSuites[i] = h.CipherSuites[j] + parser.CipherSuite(r.IntN(2))
		case 2:
			h.CipherSuites = h.CipherSuites[:i+1]
		case 3:
			h.SupportedGroups = append(h.SupportedGroups, parser.NamedGroup(23+r.IntN(4)))
		case 4:
			h.SignatureAlgorithms = append(h.SignatureAlgorithms, parser.SignatureScheme(0x403+r.IntN(3)))
		case 5:
			r.Shuffle(len(h.Extensions), func(i, j int) { h.Extensions[i], h.Extensions[j] = h.Extensions[j], h.Extensions[i] })
		case 6:
			if len(h.Extensions) > 0 {
				h.Extensions = slices.Delete(h.Extensions, 0, 1+r.IntN(len(h.Extensions)))
			}
		case 7:
			h.RecordSizeLimit = uint16(r.IntN(3))
		}
	}
	return h
}

// realHellos returns the hellos of testdata, in the order of their names.
func realHellos(t testing.TB) (list []*parser.ClientHello) {
	real := hellotest.Real(t)
	for _, name := range slices.Sorted(maps.Keys(real)) {
		list = append(list, real[name])
	}
	return list
}

// databases returns databases that differ in how many families and lists they have,
// and in the kinds of their clients.
func databases(t testing.TB, n int) map[string]*Database {
	made := map[string]*Database{"built-in": &builtin, "empty": {}}
	for name, f := range map[string]func(e *Entry, i int){
		"mixed":            func(*Entry, int) {},
		"one family":       func(e *Entry, _ int) { e.Family = "one" },
		"each its own":     func(e *Entry, i int) { e.Family = fmt.Sprint(i) },
		"one of another":   func(e *Entry, i int) { e.Family = fmt.Sprint(i == 7) },
		"imitations only":  func(e *Entry, _ int) { e.Kind = KindImpersonator },
		"imitations, rare": func(e *Entry, i int) { e.Kind = KindTool; e.Scanner = i%50 != 0 },
	} {
		entries := manyEntries(t, n)
		for i := range entries {
			f(&entries[i], i)
		}
		db, err := NewDatabase(entries)
		require.NoError(t, err)
		made[name] = db
	}
	r := rand.New(rand.NewPCG(3, 4))
	random := make([]Entry, n) // with more values than the planes have, and repeated ones
	for i := range random {
		list := make([]parser.CipherSuite, 1+r.IntN(20))
		for i := range list {
			list[i] = parser.CipherSuite(0x4000 + r.IntN(1+r.IntN(1500)))
		}
		random[i] = Entry{Name: fmt.Sprint(i), Family: fmt.Sprint(i % 40), Kind: Kind(i % 5), Hello: hex.EncodeToString(message(list...))}
	}
	var err error
	made["random"], err = NewDatabase(random)
	require.NoError(t, err)
	tied := make([]Entry, n) // as far from most hellos as all others
	for i := range tied {
		tied[i] = Entry{Name: fmt.Sprint(i), Family: "one", Kind: Kind(i % 5), Hello: hex.EncodeToString(numbered(t, i+1).Raw)}
	}
	made["tied"], err = NewDatabase(tied)
	require.NoError(t, err)
	return made
}

// TestNeighbours: the neighbours are those of a search that computes every distance.
func TestNeighbours(t *testing.T) {
	real := realHellos(t)
	all := databases(t, 2000)
	require.NotEmpty(t, all["random"].searchIndex().fields[0].others)
	for name, db := range all {
		r := rand.New(rand.NewPCG(1, 2))
		var d search
		for range 30 {
			var s shape
			s.read(unknownHello(r, real))
			require.ElementsMatch(t, slowNeighbours(db, &s), db.appendNeighbours(nil, &s, &d), name)
			if len(db.shapes) == 0 {
				continue
			}
			s = unknownShape(r, db)
			require.ElementsMatch(t, slowNeighbours(db, &s), db.appendNeighbours(nil, &s, &d), name)
		}
	}
}

// unknownShape returns a shape of db in which a few values differ, repeat, are missing
// or are in another order.
func unknownShape(r *rand.Rand, db *Database) shape {
	e := &db.shapes[r.IntN(len(db.shapes))]
	s := shape{transport: e.transport, optionals: e.optionals}
	for f := range s.lists {
		s.lists[f] = slices.Clone(db.lists[f][e.lists[f]])
	}
	for range r.IntN(8) {
		f := r.IntN(int(numFields))
		list := s.lists[f]
		if len(list) == 0 || r.IntN(8) == 0 {
			s.lists[f] = append(list, uint16(r.IntN(1<<16)))
			continue
		}
		i, j := r.IntN(len(list)), r.IntN(len(list))
		switch r.IntN(5) {
		case 0:
			list[i], list[j] = list[j], list[i]
		case 1:
			list[i] = list[j]
		case 2:
			s.lists[f] = slices.Delete(list, i, i+1)
		case 3:
			other := db.lists[f][r.IntN(len(db.lists[f]))]
			s.lists[f] = slices.Clone(other)
		case 4:
			list[i] += uint16(r.IntN(3))
		}
	}
	for f := range s.lists {
		s.lists[f] = limit(s.lists[f])
	}
	return s
}

// The inverses give the quotients of setDistance for lists of any length.
func TestInverse(t *testing.T) {
	x := newSearchIndex(&Database{})
	for union := 1; union <= 2*maxValues; union++ {
		for common := range union {
			quotient := uint64(1000*(union-common)) * uint64(x.inverse[union]) >> inverseBits
			if want := uint64(setDistance(union, common, common)); want != quotient {
				require.Equal(t, want, quotient, "%d of %d", common, union)
			}
		}
	}
}

// TestNoDistance: all that the weights can add up to is below noDistance.
func TestNoDistance(t *testing.T) {
	sum := uint32(scannerWeight)
	for _, w := range weights {
		sum += 1000 * (w.set + w.order)
	}
	assert.Less(t, sum, uint32(noDistance))
}

// The fields whose order counts are those that have a weight for it, but for the
// extensions, whose order counts only when the neighbours are ranked.
func TestOrderedFields(t *testing.T) {
	var want []int
	for i, f := range listFields {
		if weights[f].order != 0 && f != extensions {
			want = append(want, i)
		}
	}
	assert.Equal(t, want, ordered[:])
}

// TestMatcherOfOtherDatabases: a Matcher whose databases are exchanged remembers
// nothing of the old ones.
func TestMatcherOfOtherDatabases(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	real := realHellos(t)
	all := databases(t, 300)
	names := slices.Sorted(maps.Keys(all))
	hellos := make([]*parser.ClientHello, 20)
	for i := range hellos {
		hellos[i] = unknownHello(r, real)
	}
	var m Matcher
	for range 1000 {
		o := &Observation{Hello: hellos[r.IntN(len(hellos))]}
		if r.IntN(10) == 0 {
			m.Database, m.Clients = all[names[r.IntN(len(names))]], all[names[r.IntN(len(names))]]
			if r.IntN(3) == 0 {
				m.Clients = nil
			}
		}
		fresh := Matcher{Database: m.Database, Clients: m.Clients}
		require.Equal(t, fresh.AppendCandidates(nil, o), m.AppendCandidates(nil, o))
	}
}
