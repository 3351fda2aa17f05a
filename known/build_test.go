package known

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// manyEntries returns n clients of all kinds, whose hellos are those of the built-in
// clients with other cipher suites or in another order.
func manyEntries(t testing.TB, n int) []Entry {
	t.Helper()
	builtin, err := BuiltinEntries()
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	entries := make([]Entry, 0, n)
	for i := 0; len(entries) < n; i++ {
		e := builtin[i%len(builtin)]
		h, err := e.ModelHello()
		require.NoError(t, err)
		raw := h.Raw
		at := bytes.Index(raw[38:], binary.BigEndian.AppendUint16(nil, uint16(h.CipherSuites[0]))) + 38
		suites := raw[at : at+2*len(h.CipherSuites)]
		for range 1 + r.IntN(4) {
			a, b := 2*r.IntN(len(h.CipherSuites)), 2*r.IntN(len(h.CipherSuites))
			if r.IntN(2) == 0 {
				suites[a], suites[a+1], suites[b], suites[b+1] = suites[b], suites[b+1], suites[a], suites[a+1]
			} else {
				binary.BigEndian.PutUint16(suites[a:], uint16(h.CipherSuites[r.IntN(len(h.CipherSuites))])+uint16(r.IntN(3)))
			}
		}
		if h.Unmarshal(raw) != nil {
			continue
		}
		e.Name, e.Version, e.Hello = fmt.Sprint("app ", i), fmt.Sprint(i%7), hex.EncodeToString(raw)
		e.Kind, e.Scanner, e.JA3, e.JA4, e.NPF = Kind(i%5), i%11 == 0, "", "", ""
		if i%3 != 0 {
			e.Family = fmt.Sprint("family ", i%100)
		}
		entries = append(entries, e)
	}
	return entries
}

// beyond16 is a number of clients that 16 bits cannot count.
const beyond16 = 70_000

// TestManyShapes: more shapes, lists, families and clients than 16 bits can number are
// all found, and the nearest of them.
func TestManyShapes(t *testing.T) {
	entries := make([]Entry, beyond16)
	for i := range entries {
		h := numbered(t, i)
		entries[i] = Entry{Name: fmt.Sprint(i), Family: fmt.Sprint("of ", i), Kind: KindTool, Hello: hex.EncodeToString(h.Raw)}
	}
	db, err := NewDatabase(entries)
	require.NoError(t, err)
	require.Len(t, db.shapes, beyond16)
	require.Len(t, db.lists[suites], beyond16)
	require.Equal(t, beyond16, db.families)
	m := Matcher{Clients: db}
	for i := 0; i < beyond16; i += 999 {
		got := m.AppendCandidates(nil, &Observation{Hello: numbered(t, i)})
		require.Len(t, got, 1)
		assert.Equal(t, fmt.Sprint(i), got[0].Name)
		assert.Equal(t, fmt.Sprint("of ", i), got[0].Family)
	}
	for i := 1; i < beyond16; i += 9_999 {
		h := numbered(t, i)
		h.CipherSuites = append(h.CipherSuites, 0x4fff) // the nearest has both others, in this order
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		require.NotEmpty(t, got)
		assert.Equal(t, fmt.Sprint(i), got[0].Name)
		assert.Equal(t, FieldCipherSuites, got[0].Differs)
	}
}

// TestManyNamed: more clients that are known by a fingerprint alone than 16 bits can
// number are all found, and have keys of their own.
func TestManyNamed(t *testing.T) {
	entries := make([]Entry, beyond16, 2*beyond16)
	for i := range entries {
		entries[i] = Entry{Name: fmt.Sprint(i), JA3: fmt.Sprintf("%032x", i)}
	}
	last := numbered(t, 1)
	entries[beyond16-1].JA3, entries[beyond16-1-1<<16].JA3 = fingerprint.JA3(last), fingerprint.JA3(numbered(t, 2))
	for i := range beyond16 {
		entries = append(entries, Entry{Name: fmt.Sprint(i), JA4: "one"})
	}
	db, err := NewDatabase(entries)
	require.NoError(t, err)
	m := Matcher{Database: &Database{}, Clients: db}
	for i := 3; i < beyond16-1; i += 999 {
		got := m.AppendCandidates(nil, &Observation{Hello: last, JA3: fmt.Sprintf("%032x", i)})
		require.Len(t, got, 1)
		assert.Equal(t, fmt.Sprint(i), got[0].Name)
	}
	got := m.AppendCandidates(nil, &Observation{Hello: last, JA4: "one"})
	require.Len(t, got, beyond16)
	assert.Equal(t, fmt.Sprint(beyond16-1), got[beyond16-1].Name)
	assert.NotEqual(t, db.AppendKey(nil, last), db.AppendKey(nil, numbered(t, 2)))
}

// numbered returns a hello whose cipher suites are the digits of i.
func numbered(t testing.TB, i int) *parser.ClientHello {
	t.Helper()
	h, err := parser.Parse(message(parser.CipherSuite(i>>8|0x4000), parser.CipherSuite(i&0xff|0x4200)))
	require.NoError(t, err)
	return h
}

func message(suites ...parser.CipherSuite) []byte {
	return hellotest.Message(parser.VersionTLS12, suites)
}

// TestManyClientsOfOneShape: all clients that send one shape are found, those with
// several versions once.
func TestManyClientsOfOneShape(t *testing.T) {
	const n = beyond16
	var entries []Entry
	hello := hex.EncodeToString(message(0x1301, 0x1302))
	for i := range n {
		for _, version := range []string{"1", "2"} {
			entries = append(entries, Entry{Name: fmt.Sprint(i), Version: version, Kind: KindTool, Hello: hello})
		}
	}
	db, err := NewDatabase(entries)
	require.NoError(t, err)
	h, err := entries[0].ModelHello()
	require.NoError(t, err)
	m := Matcher{Database: db}
	got := m.AppendCandidates(nil, &Observation{Hello: h})
	require.Len(t, got, n)
	for i := range got {
		assert.Equal(t, "1 to 2", got[i].Version)
	}
}

// BenchmarkLoad reads a clients file with 10,000 hellos, and makes a database of it.
func BenchmarkLoad(b *testing.B) {
	var file []byte
	entries := manyEntries(b, 10_000)
	for i := range entries {
		var err error
		file, err = entries[i].AppendLine(file)
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		entries, err := ReadEntries(bytes.NewReader(file))
		if err == nil {
			_, err = NewDatabase(entries)
		}
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(entries)), "ns/entry")
}

// TestAppendKey: no two databases have the same key, and the key of one differs
// exactly if other clients have the JA3 or NPF of the hello.
func TestAppendKey(t *testing.T) {
	a, b := numbered(t, 1), numbered(t, 2)
	database := func(entries ...Entry) *Database {
		db, err := NewDatabase(entries)
		require.NoError(t, err)
		return db
	}
	key := func(db *Database, h *parser.ClientHello) string { return string(db.AppendKey(nil, h)) }
	byHello := Entry{Name: "hello", Hello: hex.EncodeToString(a.Raw)}
	byJA4 := Entry{Name: "ja4", JA4: fingerprint.JA4(a)}
	assert.NotEqual(t, key(database(byHello), a), key(database(byHello), a))
	same := database(byHello, byJA4)
	assert.Equal(t, key(same, a), key(same, b))
	for _, e := range []Entry{
		{Name: "ja3", JA3: fingerprint.JA3(a)}, {Name: "npf", NPF: fingerprint.NPF(a)},
		{Name: "npf1", NPF: fingerprint.NPF1(a)}, {Name: "npf2", NPF: fingerprint.NPF2(a)},
	} {
		db := database(byHello, byJA4, e)
		assert.NotEqual(t, key(db, a), key(db, b), e.Name)
		assert.Len(t, key(db, a), len(key(db, b)), e.Name)
		assert.Equal(t, key(db, b), key(db, numbered(t, 3)), e.Name)
	}
}
