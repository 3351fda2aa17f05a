package event

import (
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

// TestMemoKeepsWhatComesTwice: hellos of hostile length are not remembered, and hellos
// that come once do not replace entries.
func TestMemoKeepsWhatComesTwice(t *testing.T) {
	suites := make([]parser.CipherSuite, 3000)
	for i := range suites {
		suites[i] = parser.CipherSuite(i)
	}
	var ob Observer
	for _, n := range []int{len(suites), 600} {
		h, err := parser.Parse(hellotest.Message(parser.VersionTLS12, suites[:n]))
		require.NoError(t, err)
		for range 4 {
			assertFresh(t, &ob, observation(h))
		}
	}
	assert.Empty(t, keysIn(&ob.memo))
	real := hellotest.Real(t)
	for range 3 {
		for _, h := range real {
			ob.Event(observation(h), Compact)
		}
	}
	keys := keysIn(&ob.memo)
	assert.Greater(t, len(keys), len(real)/2)
	for i := range suites {
		h, err := parser.Parse(hellotest.Message(parser.VersionTLS12, suites[i:i+1]))
		require.NoError(t, err)
		ob.Event(observation(h), Compact)
	}
	assert.Subset(t, keysIn(&ob.memo), keys)
}

// entriesIn returns the entries of m.
func entriesIn(m *Memo) (list []*memoEntry) {
	for _, table := range []memoTable{m.exact, m.permuted} {
		for i := range table {
			for j := range table[i].entries {
				if e := table[i].entries[j].Load(); e != nil {
					list = append(list, e)
				}
			}
		}
	}
	return list
}

// TestMemoEntriesAreShort: the hellos of real clients are all remembered.
func TestMemoEntriesAreShort(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		var ob Observer
		for range 3 {
			ob.Event(observation(h), Compact)
		}
		entries := entriesIn(&ob.memo)
		require.NotEmpty(t, entries, name)
		for _, e := range entries {
			assert.NotNil(t, e.shape, name)
		}
	}
}

func keysIn(m *Memo) (keys []string) {
	for _, e := range entriesIn(m) {
		keys = append(keys, string(e.key))
	}
	return keys
}

// TestMemoIsShared: Observers that share a Memo give the right Events, also if they
// run at once, know other clients, or skip them.
func TestMemoIsShared(t *testing.T) {
	real := hellotest.Real(t)
	names := slices.Sorted(maps.Keys(real))
	db, err := known.NewDatabase([]known.Entry{{Name: "mine", Family: "mine", Kind: known.KindTool, JA4: fingerprint.JA4(real["chromium-156"])}})
	require.NoError(t, err)
	var m Memo
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			ob := Observer{Memo: &m, SkipClients: n%4 == 1}
			if n%4 == 2 {
				ob.Clients = db
			}
			for range 200 {
				o := observation(real[names[r.IntN(len(names))]])
				want, err := (&Observer{SkipClients: ob.SkipClients, Clients: ob.Clients}).AppendJSON(nil, o, Compact)
				assert.NoError(t, err)
				got, err := ob.AppendJSON(nil, o, Compact)
				assert.NoError(t, err)
				assert.Equal(t, string(want), string(got))
				e := ob.Event(o, Compact)
				got, err = e.AppendJSON(nil)
				assert.NoError(t, err)
				assert.Equal(t, string(want), string(got))
			}
		})
	}
	wg.Wait()
	assert.NotEmpty(t, entriesIn(&m))
}

// TestMemoIsBounded: the memory stays within the bound, whatever clients send.
func TestMemoIsBounded(t *testing.T) {
	for _, maxBytes := range []int{1, 64 << 10, 1 << 20} {
		m := Memo{MaxBytes: maxBytes}
		ob := Observer{Memo: &m}
		for i := range 1000 {
			suites := make([]parser.CipherSuite, 1+i%300)
			for j := range suites {
				suites[j] = parser.CipherSuite(i + j)
			}
			names := hellotest.Extension(parser.ExtALPN, hellotest.ALPN(string(make([]byte, 1+i%200)), "h2"))
			h, err := parser.Parse(hellotest.Message(parser.VersionTLS12, suites, names))
			require.NoError(t, err)
			for range 3 {
				_, err = ob.AppendJSON(nil, observation(h), Compact)
				require.NoError(t, err)
			}
		}
		n := 0
		for _, e := range entriesIn(&m) {
			assert.LessOrEqual(t, int64(e.size()), maxMemoEntry+e.extra)
			n += e.size()
		}
		assert.Greater(t, n, 0)
		assert.LessOrEqual(t, n, max(maxBytes, 2*waysPerSet*maxMemoEntry))
	}
}

// TestObserverOfOneHello: an Observer of one hello makes no Memo.
func TestObserverOfOneHello(t *testing.T) {
	var ob Observer
	o := observation(hellotest.Real(t)["chromium-156"])
	ob.Event(o, Compact)
	assert.Nil(t, ob.memo.exact)
	ob.Event(o, Compact)
	assert.NotNil(t, ob.memo.exact)
}

// TestMemoOfLargeEntries: hellos that hundreds of clients share are remembered, too,
// within the bound.
func TestMemoOfLargeEntries(t *testing.T) {
	real := hellotest.Real(t)
	var entries []known.Entry
	for i := range 300 {
		for _, name := range []string{"go-1.26", "curl-openssl-3.0"} {
			entries = append(entries, known.Entry{Name: fmt.Sprint(name, i), Kind: known.KindTool, JA4: fingerprint.JA4(real[name])})
		}
	}
	db, err := known.NewDatabase(entries)
	require.NoError(t, err)
	for maxBytes, want := range map[int]bool{defaultMemoBytes: true, 64 << 10: false} {
		m := Memo{MaxBytes: maxBytes}
		ob := Observer{Clients: db, Memo: &m}
		for i := range 100 {
			for _, name := range []string{"go-1.26", "curl-openssl-3.0"} {
				o := observation(real[name])
				o.RecordVersion = parser.Version(0x300 + i%60) // each has an entry of its own
				e := ob.Event(o, Compact)
				assert.GreaterOrEqual(t, len(e.Client), 300)
			}
		}
		o := observation(real["go-1.26"])
		o.RecordVersion = 0x300
		l := ob.lookup(o)
		assert.Equal(t, want, l.entry != nil && len(l.entry.shape.candidates.list) >= 300)
		size, extra := 0, int64(0)
		for _, e := range entriesIn(&m) {
			size += e.size()
			extra += e.extra
		}
		assert.LessOrEqual(t, size, maxBytes)
		assert.Equal(t, extra, m.large.Load())
	}
}
