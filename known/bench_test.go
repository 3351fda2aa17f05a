package known

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func BenchmarkCandidates(b *testing.B) {
	for name, h := range hellotest.Real(b) {
		b.Run(name, func(b *testing.B) {
			var m Matcher
			o := Observation{Hello: h, Index: 1, RecordVersion: parser.VersionTLS10}
			dst := m.AppendCandidates(nil, &o)
			if len(dst) > 0 {
				b.ReportMetric(float64(dst[0].Distance), "distance")
			}
			b.ReportAllocs()
			for b.Loop() {
				dst = m.AppendCandidates(dst[:0], &o)
			}
		})
	}
}

// BenchmarkNearest has hellos of different unknown shapes, so the Matcher cannot use
// an answer that it remembers.
func BenchmarkNearest(b *testing.B) { benchmarkNearest(b, nil) }

// BenchmarkNearestOfMore has three times the shapes of the built-in clients.
func BenchmarkNearestOfMore(b *testing.B) {
	entries, err := BuiltinEntries()
	require.NoError(b, err)
	db, err := NewDatabase(append(entries, manyEntries(b, 2*len(builtin.shapes))...))
	require.NoError(b, err)
	benchmarkNearest(b, db)
}

func benchmarkNearest(b *testing.B, db *Database) {
	h := hellotest.Real(b)["chromium-156"].Clone()
	m := Matcher{Database: db}
	var dst []Candidate
	o := Observation{Hello: h}
	var v uint16
	b.ReportAllocs()
	for b.Loop() {
		v++
		h.CipherSuites[3] = parser.CipherSuite(v)
		dst = m.AppendCandidates(dst[:0], &o)
	}
}

// TestIndexSize bounds the memory that the first search takes.
func TestIndexSize(t *testing.T) {
	x := newSearchIndex(&builtin)
	size := binary.Size(x.inverse)
	for i := range x.fields {
		f := &x.fields[i]
		size += 2*len(f.lengths) + 8*(len(f.slots)+len(f.planes)) + 4*(len(f.others)+len(f.from))
	}
	for _, rows := range x.rows {
		size += 4 * (len(listFields) + 2) * len(rows)
	}
	assert.Less(t, size, 80<<10)
}

func BenchmarkTells(b *testing.B) {
	for name, h := range hellotest.Real(b) {
		b.Run(name, func(b *testing.B) {
			o := Observation{Hello: h, Index: 1, RecordVersion: parser.VersionTLS10}
			var dst []Tell
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendTells(dst[:0], &o)
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		var m Matcher
		o := Observation{Hello: h, Index: 1}
		candidates := make([]Candidate, 0, 64)
		tells := make([]Tell, 0, 8)
		got := testing.AllocsPerRun(100, func() {
			candidates = m.AppendCandidates(candidates[:0], &o)
			tells = AppendTells(tells[:0], &o)
		})
		assert.Zero(t, got, name)
	}

	h := hellotest.Real(t)["chromium-156"].Clone()
	var m Matcher
	var candidates []Candidate
	o := Observation{Hello: h}
	got := testing.AllocsPerRun(2000, func() {
		h.CipherSuites[3]++ // no two are of one shape
		candidates = m.AppendCandidates(candidates[:0], &o)
	})
	assert.Zero(t, got, "nearest")
}

// BenchmarkClients has 10,000 user-supplied clients, and without them for comparison.
func BenchmarkClients(b *testing.B) {
	db, err := NewDatabase(manyEntries(b, 10_000))
	require.NoError(b, err)
	for _, c := range []struct {
		name    string
		clients *Database
	}{{"without", nil}, {"with", db}} {
		known := hellotest.Real(b)["chromium-156"]
		unknown := known.Clone()
		unknown.CipherSuites[3] = 0xfefe
		benchmark := func(name string, h *parser.ClientHello, f func()) {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				m := Matcher{Clients: c.clients}
				o := Observation{Hello: h}
				var dst []Candidate
				b.ReportAllocs()
				for b.Loop() {
					f()
					dst = m.AppendCandidates(dst[:0], &o)
				}
			})
		}
		benchmark("known", known, func() {})
		benchmark("unknown", unknown, func() {})
		benchmark("permuted", unknown, func() {
			inner := unknown.Extensions[1 : len(unknown.Extensions)-1]
			first := inner[0]
			copy(inner, inner[1:])
			inner[len(inner)-1] = first
		})
		var v uint16
		benchmark("new", unknown, func() {
			v++
			unknown.CipherSuites[4] = parser.CipherSuite(v)
		})
	}
}
