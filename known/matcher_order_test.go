package known

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// TestOrderOfHellos: the answer for a hello does not depend on what a Matcher has seen
// before, nor on how many Matchers share the databases.
func TestOrderOfHellos(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	real := realHellos(t)
	all := databases(t, 500)
	var hellos []*parser.ClientHello
	for range 150 { // of one cached shape each: more than the cache has
		h := unknownHello(r, real)
		hellos = append(hellos, h, edit(h, func(h *parser.ClientHello) {
			r.Shuffle(len(h.Extensions), func(i, j int) { h.Extensions[i], h.Extensions[j] = h.Extensions[j], h.Extensions[i] })
		}), edit(h, func(h *parser.ClientHello) {
			h.KeyShares = h.KeyShares[:len(h.KeyShares)/2]
		}), edit(h, func(h *parser.ClientHello) {
			if !h.HasExtension(parser.ExtSessionTicket) {
				h.Extensions = append(h.Extensions, parser.Extension{Type: parser.ExtSessionTicket})
			}
		}))
	}
	for name, databases := range map[string][2]*Database{
		"built-in": {nil, nil}, "with clients": {nil, all["mixed"]}, "tied": {all["tied"], all["imitations, rare"]},
	} {
		want := make([][]Candidate, len(hellos))
		for i, h := range hellos {
			m := Matcher{Database: databases[0], Clients: databases[1]}
			want[i] = m.AppendCandidates(nil, &Observation{Hello: h})
		}
		var workers sync.WaitGroup
		for worker := range uint64(4) {
			workers.Go(func() {
				r := rand.New(rand.NewPCG(7, worker))
				m := Matcher{Database: databases[0], Clients: databases[1]}
				for range 2 {
					for _, i := range r.Perm(len(hellos)) {
						assert.Equal(t, want[i], m.AppendCandidates(nil, &Observation{Hello: hellos[i]}), "%s: hello %d", name, i)
					}
				}
			})
		}
		workers.Wait()
	}
}

// Of shapes at one distance those are kept that more people may use, and of these the
// first, whatever stands between them in the database.
func TestTies(t *testing.T) {
	db := databases(t, 2000)["tied"]
	var s shape
	s.read(numbered(t, 0))
	near := db.appendNeighbours(nil, &s, new(search))
	require.Len(t, near, maxNeighbours)
	var r ranker
	r.rank(db, near, &s)
	first, browsers := near[0].distance, 0
	for i := range db.shapes {
		if browsers == maxNeighbours {
			break
		}
		n := neighbour{shape: i}
		for _, f := range listFields {
			n.distance += slowDistance(f, s.lists[f], db.lists[f][db.shapes[i].lists[f]])
		}
		if db.shapes[i].transport == s.transport && n.distance == first && db.firstClient(n).Kind == KindBrowser {
			assert.Equal(t, i, near[browsers].shape)
			browsers++
		}
	}
	assert.Equal(t, maxNeighbours, browsers)
}
