package event

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// realHellos returns the hellos of testdata, in the order of their names.
func realHellos(t testing.TB) (list []*parser.ClientHello) {
	real := hellotest.Real(t)
	for _, name := range slices.Sorted(maps.Keys(real)) {
		list = append(list, real[name])
	}
	return list
}

// edited returns h with another list of cipher suites.
func edited(t testing.TB, r *rand.Rand, h *parser.ClientHello) *parser.ClientHello {
	t.Helper()
	list := slices.Clone(h.CipherSuites)
	i, j := r.IntN(len(list)), r.IntN(len(list))
	if r.IntN(2) == 0 {
		list[i], list[j] = list[j], list[i]
	} else {
		list[i] = list[j] + parser.CipherSuite(r.IntN(3))
	}
	return hellotest.Rebuild(t, h, list, h.Extensions)
}

// permuted returns h with its extensions in another order.
func permuted(t testing.TB, r *rand.Rand, h *parser.ClientHello) *parser.ClientHello {
	t.Helper()
	if h.Transport == parser.DTLS || !h.ExtensionsPresent {
		return h
	}
	all := slices.Clone(h.Extensions)
	part := inner(all)
	r.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
	return hellotest.Rebuild(t, h, h.CipherSuites, all)
}

// userClients returns n entries with hellos that are edits of real ones.
func userClients(t testing.TB, n int) []known.Entry {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	real := realHellos(t)
	entries := make([]known.Entry, n)
	for i := range entries {
		h := edited(t, r, edited(t, r, real[i%len(real)]))
		entries[i] = known.Entry{
			Name: fmt.Sprint("app ", i), Family: fmt.Sprint("family ", i%50), Kind: known.Kind(i % 5),
			Transport: h.Transport.String(), Permutes: i%3 == 0, Scanner: i%7 == 0, Hello: hex.EncodeToString(h.Raw),
		}
	}
	return entries
}

// userDatabases returns databases in which clients are known in all possible ways, and
// hellos that these clients send. Some of them are nil or have no clients.
func userDatabases(t testing.TB) (made map[string]*known.Database, sent []*parser.ClientHello) {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	all := map[string][]known.Entry{"empty": {}, "edited": userClients(t, 500)}
	for i, h := range append(realHellos(t), realHellos(t)...) {
		order := permuted(t, r, h)
		sent = append(sent, order)
		kind := known.KindTool
		if i%2 == 0 {
			kind = known.KindImpersonator
		}
		add := func(name string, e known.Entry) {
			e.Name, e.Family, e.Kind, e.Transport = fmt.Sprint(name, " ", i), fmt.Sprint(name, " ", i%3), kind, h.Transport.String()
			all[name] = append(all[name], e)
			if i%5 == 0 {
				all["all"] = append(all["all"], e)
			}
		}
		message := hex.EncodeToString(order.Raw)
		add("ordered", known.Entry{Hello: message})
		add("permuted", known.Entry{Hello: message, Permutes: true})
		add("scanner", known.Entry{Hello: message, Scanner: true})
		add("ja3", known.Entry{JA3: fingerprint.JA3(order)})
		add("ja4", known.Entry{JA4: fingerprint.JA4(order)})
		add("npf", known.Entry{NPF: fingerprint.NPF(order)})
		add("npf1", known.Entry{NPF: fingerprint.NPF1(order)})
		add("npf2", known.Entry{NPF: fingerprint.NPF2(order)})
	}
	made = map[string]*known.Database{"none": nil, "zero": {}}
	for name, entries := range all {
		entries = slices.DeleteFunc(entries, func(e known.Entry) bool { return e.Hello+e.JA3+e.JA4+e.NPF == "" }) // no NPF of QUIC
		db, err := known.NewDatabase(entries)
		require.NoError(t, err)
		made[name] = db
	}
	return made, sent
}

// variant returns a hello that differs from h in what may count for one of the
// databases, or in what counts for none.
func variant(t testing.TB, r *rand.Rand, h *parser.ClientHello) *parser.ClientHello {
	t.Helper()
	c := h
	switch r.IntN(5) {
	case 0:
		c = edited(t, r, h)
	case 1, 2:
		c = permuted(t, r, h)
	case 3:
		if len(h.Extensions) == 0 {
			break
		}
		e := h.Extensions[r.IntN(len(h.Extensions))]
		at := e.Offset + r.IntN(4+len(e.Data))
		c = change(h, func(raw []byte) { raw[at] ^= 1 << r.IntN(8) })
	}
	if c == nil {
		return h
	}
	return c
}

// TestMemoOfUserClients: Observers with different databases, which share a Memo, give
// the Events that Observers without memory give.
func TestMemoOfUserClients(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	databases, sent := userDatabases(t)
	names := slices.Sorted(maps.Keys(databases))
	var m Memo
	observers := make(map[string]*Observer)
	for _, name := range names {
		observers[name] = &Observer{Clients: databases[name], Memo: &m}
	}
	remembered := make(map[string]int)
	check := func(name string, o *Observation) {
		ob := observers[name]
		if l := ob.lookup(o); l.entry != nil && l.entry.shape.hasCandidates {
			remembered[name]++
		}
		fresh := (&Observer{Clients: ob.Clients}).Event(o, Compact)
		want, err := fresh.AppendJSON(nil)
		require.NoError(t, err)
		got, err := ob.AppendJSON(nil, o, Compact)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s: %x", name, o.Hello.Raw)
		require.Equal(t, fresh, ob.Event(o, Compact), "%s: %x", name, o.Hello.Raw)
	}
	for _, h := range append(realHellos(t), sent...) {
		hellos := []*parser.ClientHello{h}
		for range 16 {
			hellos = append(hellos, variant(t, r, h))
		}
		for range 300 {
			o := observation(hellos[r.IntN(len(hellos))])
			if r.IntN(6) == 0 {
				o.Index = 2
			}
			if r.IntN(6) == 0 {
				o.RecordVersion = parser.VersionTLS12
			}
			check(names[r.IntN(len(names))], o)
		}
	}
	for _, name := range names {
		assert.Greater(t, remembered[name], 100, name)
	}
}

// TestMemoOfPermutedUserClients: hellos in ever new orders are remembered where the
// order counts for no client.
func TestMemoOfPermutedUserClients(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := hellotest.Real(t)["chromium-156"]
	databases, _ := userDatabases(t)
	for name, db := range databases {
		var m Memo
		ob := Observer{Clients: db, Memo: &m}
		last := false
		for range 10 {
			o := observation(permuted(t, r, h))
			l := ob.lookup(o)
			last = l.entry != nil && l.entry.shape.hasCandidates
			ob.Event(o, Compact)
		}
		assert.Equal(t, name != "ordered" && name != "scanner" && name != "all", last, name)
	}
}

// TestMemoOfReloadedClients: an Observer whose clients are replaced gives those of the
// new database, and so it does when the old one comes back.
func TestMemoOfReloadedClients(t *testing.T) {
	h := hellotest.Real(t)["go-1.26"]
	var ob Observer
	var databases []*known.Database
	for i := range 20 {
		db, err := known.NewDatabase([]known.Entry{{Name: fmt.Sprint("release ", i), Family: "mine", JA4: fingerprint.JA4(h)}})
		require.NoError(t, err)
		databases = append(databases, db)
	}
	for range 3 {
		for i, db := range databases {
			ob.Clients = db
			for range 3 {
				e := ob.Event(observation(h), Compact)
				require.NotEmpty(t, e.Client)
				assert.Equal(t, fmt.Sprint("release ", i), e.Client[0].Name)
			}
		}
		ob.Clients = nil
		e := ob.Event(observation(h), Compact)
		require.NotEmpty(t, e.Client)
		assert.Equal(t, "Go net/http", e.Client[0].Name)
	}
}

// TestMemoOfKnownAndNew: some goroutines have hellos that are known, others have ever
// new ones, with several databases.
func TestMemoOfKnownAndNew(t *testing.T) {
	real := realHellos(t)
	databases, _ := userDatabases(t)
	names := slices.Sorted(maps.Keys(databases))
	m := Memo{MaxBytes: 1 << 20}
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			for i := range 200 {
				db := databases[names[(n/2+i)%len(names)]]
				ob := Observer{Clients: db, Memo: &m}
				h := real[r.IntN(len(real))]
				if n%2 == 0 {
					h = edited(t, r, h)
				}
				want, err := (&Observer{Clients: db}).AppendJSON(nil, observation(h), Compact)
				assert.NoError(t, err)
				got, err := ob.AppendJSON(nil, observation(h), Compact)
				assert.NoError(t, err)
				assert.Equal(t, string(want), string(got))
			}
		})
	}
	wg.Wait()
}

// TestMemoWaitsForNobody: a hello is observed while another Observer is in the middle
// of one.
func TestMemoWaitsForNobody(t *testing.T) {
	real := hellotest.Real(t)
	db, err := known.NewDatabase(userClients(t, 100))
	require.NoError(t, err)
	var m Memo
	begun, release := make(chan bool), make(chan bool)
	slow := Observer{Clients: db, Memo: &m, appendTells: func(dst []known.Tell, _ *known.Observation) []known.Tell {
		close(begun)
		<-release
		return dst
	}}
	var wg sync.WaitGroup
	wg.Go(func() { slow.Event(observation(real["go-1.26"]), Compact) })
	<-begun
	ob := Observer{Clients: db, Memo: &m}
	for range 3 {
		for _, name := range []string{"go-1.26", "chromium-156"} {
			e := ob.Event(observation(real[name]), Compact)
			assert.NotEmpty(t, e.Client)
		}
	}
	close(release)
	wg.Wait()
}

// BenchmarkUserClients has 10,000 user-supplied clients, and without them for
// comparison.
func BenchmarkUserClients(b *testing.B) {
	db, err := known.NewDatabase(userClients(b, 10_000))
	require.NoError(b, err)
	h := hellotest.Real(b)["chromium-156"]
	orders := make([]*parser.ClientHello, 64)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range orders {
		orders[i] = permuted(b, r, h)
	}
	for _, c := range []struct {
		name    string
		clients *known.Database
	}{{"without", nil}, {"with", db}} {
		benchmark := func(name string, edit func(h *parser.ClientHello, i int)) {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				ob := Observer{Clients: c.clients, Memo: new(Memo)}
				o := *observation(h)
				var dst []byte
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					o.Hello = orders[i%len(orders)]
					suite := o.Hello.CipherSuites[4]
					edit(o.Hello, i)
					if dst, err = ob.AppendJSON(dst[:0], &o, Compact); err != nil {
						b.Fatal(err)
					}
					o.Hello.CipherSuites[4] = suite
				}
			})
		}
		benchmark("known", func(*parser.ClientHello, int) {})
		benchmark("unknown", func(h *parser.ClientHello, _ int) { h.CipherSuites[4] = 0xfefe })
		benchmark("new", func(h *parser.ClientHello, i int) { h.CipherSuites[4] = parser.CipherSuite(i) })
	}
}
