package signals

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// liveBytes returns what is live.
func liveBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryBound fills a table: each slot has the longest key, and each set of each
// bucket of each holder has a sketch. Then nothing that is observed takes more.
func TestMemoryBound(t *testing.T) {
	for _, o := range []Options{{MaxBytes: MinMaxBytes}, {MaxBytes: MinMaxBytes, Total: true}, {MaxBytes: 4 << 20}, {MaxBytes: 16 << 20}, {MaxBytes: 16 << 20, Total: true}} {
		t.Run(fmt.Sprintf("%d MiB, total %v", o.MaxBytes>>20, o.Total), func(t *testing.T) {
			before := liveBytes()
			table := New(o)
			fill(table)
			used := liveBytes() - before
			t.Logf("%s: %d of %d bytes, %.1f %%", table, used, o.MaxBytes, 100*float64(used)/float64(o.MaxBytes))
			assert.LessOrEqual(t, used, o.MaxBytes)
			assert.Greater(t, used, o.MaxBytes*3/4)
			for k := range table.kinds {
				keys := &table.kinds[k]
				require.Len(t, keys.counters.all, cap(keys.counters.all))
				require.Empty(t, keys.holders.free)
				sketched := 0
				for i := range keys.holders.all {
					for _, part := range keys.holders.all[i].parts {
						for s := range part.sets {
							require.NotNil(t, part.sets[s].sketch)
							sketched++
						}
					}
				}
				assert.Equal(t, len(keys.holders.all)*keys.counters.buckets*keys.holders.sets, sketched)
			}
			runtime.KeepAlive(table)
		})
	}
}

// fill has each part of a table take as much as it can.
func fill(table *Table) {
	long := strings.Repeat("k", maxKey-8)
	request := &hashed{requests: 1}
	var at time.Duration
	for k := range table.kinds {
		keys := &table.kinds[k]
		observe := func(n int, value uint64) {
			key := fmt.Sprintf("%s%08d", long, n)
			keys.observe(key, table.secret.hash(key), request, &[fingerprintSets]uint64{value, value, value, value}, at)
		}
		for bucket := range keys.counters.buckets {
			at = time.Duration(bucket) * bucketTime
			for n := range keys.holders.all {
				for value := range uint64(exactly + 1) {
					observe(n, table.secret.hash(fmt.Sprint(value)))
				}
			}
		}
		for n := range 4 * cap(keys.counters.all) {
			observe(1000000+n, 1)
		}
		table.Top(Kind(k), 1, table.start.Add(at)) // has a sketch for unions
		free := &keys.holders.sketches
		for len(free.free) < free.maxFree {
			other := &sketches{precision: free.precision, maxFree: 1}
			free.give(other.take())
		}
	}
}

// TestMemoryStays: an hour of a flood that nothing is known of takes no more than the
// bound, and what it took is freed.
func TestMemoryStays(t *testing.T) {
	before := liveBytes()
	table := New(Options{MaxBytes: 8 << 20})
	r := rand.New(rand.NewPCG(7, 7))
	now := table.start
	var most int64
	for i := range 100000 {
		now = now.Add(60 * time.Millisecond)
		n := r.IntN(200)
		s := Sample{
			JA4: fmt.Sprint("ja4 ", n), Stable: fmt.Sprint("stable ", n), Client: fmt.Sprint("client ", n%20),
			Addr:      netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}),
			UserAgent: fmt.Sprint(r.Uint64()), Path: fmt.Sprint(r.Uint64()), ServerName: fmt.Sprint(r.Uint64()),
		}
		table.Observe(s, now)
		if i%20000 == 0 {
			most = max(most, liveBytes()-before)
		}
	}
	assert.LessOrEqual(t, most, int64(8<<20))
	table.Top(JA4, 0, now.Add(2*Window))
	for k := range Kind(Kinds) {
		table.Stats(k, now.Add(2*Window))
	}
	left := liveBytes() - before
	t.Logf("%d bytes, then %d", most, left)
	assert.Less(t, left, int64(4<<20))
	runtime.KeepAlive(table)
}

// TestRoomDocument: docs/signals.md says how much room there is by default.
func TestRoomDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/signals.md")
	require.NoError(t, err)
	window, total := sizeFor(DefaultMaxBytes, windowLayout), sizeFor(DefaultMaxBytes, totalLayout)
	for _, want := range []string{
		fmt.Sprintf("room for %d keys of each kind, and for the distinct values of %d of them (of %d networks)", window.counters, window.holders[JA4], window.holders[Prefix]),
		fmt.Sprintf("room for %d keys of a kind, and for the distinct values of %d of them.", total.counters, total.holders[JA4]),
	} {
		assert.True(t, strings.Contains(strings.ReplaceAll(string(text), ",", ""), strings.ReplaceAll(want, ",", "")), want)
	}
}
