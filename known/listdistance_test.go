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
	ordinary := false
	var list []neighbour
	for _, n := range all { // the nearest of each family, and the nearest ordinary one
		e, family := &db.shapes[n.shape], db.firstClient(n).Family
		required := e.ordinary() && !ordinary
		ordinary = ordinary || required
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
	tied := make([]Entry, n) // as far from most hellos as all others
	for i := range tied {
		tied[i] = Entry{Name: fmt.Sprint(i), Family: "one", Kind: Kind(i % 5), Hello: hex.EncodeToString(numbered(t, i+1).Raw)}
	}
	var err error
	made["tied"], err = NewDatabase(tied)
	require.NoError(t, err)
	return made
}

// TestNeighboursOfLimits: the limits change no neighbour.
func TestNeighboursOfLimits(t *testing.T) {
	real := realHellos(t)
	all := databases(t, 2000)
	assert.NotNil(t, all["mixed"].signatures[suites])
	for name, db := range all {
		r := rand.New(rand.NewPCG(1, 2))
		var d listDistances
		for range 60 {
			var s shape
			s.read(unknownHello(r, real))
			require.ElementsMatch(t, slowNeighbours(db, &s), db.appendNeighbours(nil, &s, &d), name)
		}
	}
}

// TestLeast: the least distance is never more than the exact one.
func TestLeast(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	list := func() []uint16 {
		list := make([]uint16, r.IntN(40))
		for i := range list {
			list[i] = uint16(r.IntN(60))
		}
		return list
	}
	for range 20_000 {
		ours, theirs := list(), list()
		p := new(positions).read(ours)
		a, b := signatureOf(ours), signatureOf(theirs)
		set, _ := p.compare(theirs)
		assert.LessOrEqual(t, setDistance(p.n, len(theirs), b.common(&a, len(theirs))), set, "%v %v", ours, theirs)
	}
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
