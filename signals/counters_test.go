package signals

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// small is the size of tables that are soon full.
func small(n int) size { return size{counters: n, holders: [Kinds]int{4, 4, 4, 4}} }

var testStart = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// checkCounters checks what the parts of t say of one another.
func checkCounters(t *testing.T, c *counters) {
	t.Helper()
	indexed := 0
	for at, n := range c.index {
		if n == 0 {
			continue
		}
		indexed++
		require.Equal(t, n-1, c.find(c.all[n-1].key, c.all[n-1].hash), "at %d", at)
	}
	require.Equal(t, len(c.all), indexed)
	require.Len(t, c.heap, len(c.all))
	for at, i := range c.heap {
		require.EqualValues(t, at, c.all[i].place)
		if at > 0 {
			require.LessOrEqual(t, c.all[c.heap[(at-1)/2]].rank(), c.all[i].rank())
		}
	}
	for i := range c.all {
		var sum cell
		for _, cell := range c.row(int32(i)) {
			sum.requests += cell.requests
			sum.missed += cell.missed
			sum.inherited += cell.inherited
		}
		require.EqualValues(t, sum.requests, c.all[i].requests)
		require.EqualValues(t, sum.missed, c.all[i].missed)
		require.EqualValues(t, sum.inherited, c.all[i].inherited)
	}
}

// TestSpaceSaving compares counters with exact ones: of a key with a counter, the count
// is between Requests and AtMost; one without has not occurred more often than what is
// said of those that lost theirs. It holds for each moment of a sliding window and for
// totals.
func TestSpaceSaving(t *testing.T) {
	for _, l := range []layout{totalLayout, windowLayout} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%d buckets, seed %d", l.buckets, seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				zipf := rand.NewZipf(r, 1.05+float64(seed)/5, 1, 300)
				table := newTable(small(24), l, testStart)
				k := &table.kinds[JA4]
				exact := make(map[string]map[int64]int64) // by key and bucket
				now := testStart
				once := 0
				for step := range 12000 {
					now = now.Add(time.Duration(r.Int64N(int64(2 * time.Second))))
					if r.IntN(4000) == 0 { // silence
						now = now.Add(time.Duration(r.Int64N(int64(2 * Window))))
					}
					key := fmt.Sprint("key ", zipf.Uint64())
					if r.IntN(2) == 0 {
						once++
						key = fmt.Sprint("once ", once)
					}
					table.Observe(Sample{JA4: key}, now)
					bucket := int64(now.Sub(testStart) / bucketTime)
					if exact[key] == nil {
						exact[key] = make(map[int64]int64)
					}
					exact[key][bucket]++
					if step%400 != 0 {
						continue
					}
					checkCounters(t, &k.counters)
					limit, least := int64(0), int64(0)
					for _, lost := range k.counters.lost {
						limit = max(limit, lost)
					}
					least = k.counters.all[k.counters.heap[0]].atMost()
					for key, in := range exact {
						var count int64
						for b, n := range in {
							if l.buckets == 1 || b > bucket-windowBuckets {
								count += n
							}
						}
						row, ok := table.Row(JA4, key, now)
						if !ok {
							require.LessOrEqual(t, count, limit, key)
							if l.buckets == 1 {
								require.LessOrEqual(t, count, least, key)
							}
							continue
						}
						require.LessOrEqual(t, row.Requests, count, key)
						require.GreaterOrEqual(t, row.AtMost, count, key)
					}
				}
				assert.Positive(t, table.Stats(JA4, now).Replaced)
				assert.Equal(t, 24, table.Stats(JA4, now).Slots)
			})
		}
	}
}

// FuzzCounters has the input choose keys and times, back and forth.
func FuzzCounters(f *testing.F) {
	f.Add([]byte("abcabcabc\x00\x01\xff\x80zzz"))
	f.Add([]byte{1, 0, 200, 1, 255, 3, 7, 7, 7, 90, 91, 92, 93, 94, 95, 96, 97})
	f.Fuzz(func(t *testing.T, data []byte) {
		table := newTable(small(6), windowLayout, testStart)
		now := testStart
		data = data[:min(len(data), 1000)]
		for i, b := range data {
			switch {
			case b >= 0xf8: // the clock is set back
				now = now.Add(-time.Duration(b-0xf7) * 7 * time.Minute)
			case b >= 0xe0:
				now = now.Add(time.Duration(b-0xdf) * 3 * time.Minute)
			default:
				key := fmt.Sprint(b % 32)
				before, _ := table.Lookup(key, now)
				table.Observe(Sample{JA4: key, Path: fmt.Sprint(i)}, now)
				after, ok := table.Lookup(key, now)
				require.True(t, ok)
				require.Equal(t, before.Requests+1, after.Requests)
				require.LessOrEqual(t, after.Paths, after.Requests)
			}
			if i%16 == 0 || i == len(data)-1 {
				checkCounters(t, &table.kinds[JA4].counters)
				checkHolders(t, &table.kinds[JA4])
			}
		}
	})
}

// checkHolders checks that holders and counters name one another.
func checkHolders(t *testing.T, k *keys) {
	t.Helper()
	held := 0
	for i := range k.holders.all {
		if c := k.holders.all[i].counter; c != none {
			held++
			require.EqualValues(t, i, k.counters.all[c].holder)
		}
	}
	require.Equal(t, len(k.holders.all), held+len(k.holders.free))
	for i := range k.counters.all {
		if n := k.counters.all[i].holder; n != none {
			require.EqualValues(t, i, k.holders.all[n].counter)
		}
	}
}

// TestLongKeys: a key of any length takes no more than maxKey bytes, and is found by its
// text and by the one that is shown.
func TestLongKeys(t *testing.T) {
	long := strings.Repeat("ü", 32<<10)
	table := newTable(small(8), windowLayout, testStart)
	for range 3 {
		table.Observe(Sample{Client: long, UserAgent: long, Path: long, ServerName: long}, testStart)
	}
	table.Observe(Sample{Client: long + "x"}, testStart)
	rows := table.Top(Client, 0, testStart)
	require.Len(t, rows, 2)
	assert.LessOrEqual(t, len(rows[0].Value), maxKey)
	assert.True(t, strings.HasPrefix(rows[0].Value, "üü"))
	assert.NotContains(t, strings.ToValidUTF8(rows[0].Value, "?"), "?")
	assert.EqualValues(t, 3, rows[0].Requests)
	assert.EqualValues(t, 1, rows[0].Paths)
	for _, key := range []string{long, rows[0].Value} {
		v, ok := table.Lookup(key, testStart)
		assert.True(t, ok)
		assert.EqualValues(t, 3, v.Requests)
	}
}

// TestLargeKeysStay: over days of keys that come once, and of others that come and go,
// a key keeps its counter, and its exact count, that is twice as frequent as the average
// of a full table.
func TestLargeKeysStay(t *testing.T) {
	const (
		slots   = 64
		perHour = 4000
	)
	r := rand.New(rand.NewPCG(3, 4))
	table := newTable(small(slots), windowLayout, testStart)
	now := testStart
	var times [5][]time.Time
	for n := range 48 * perHour {
		now = now.Add(time.Hour / perHour)
		key := fmt.Sprint("once ", n)
		switch i := r.IntN(slots); {
		case i < 2*len(times):
			key = fmt.Sprint("large ", i/2)
			times[i/2] = append(times[i/2], now)
		case i < 30: // others for ten minutes each
			key = fmt.Sprint("for a time ", n/(perHour/6), i)
		}
		table.Observe(Sample{JA4: key}, now)
		if n%97 != 0 || n < perHour {
			continue
		}
		for i := range times {
			bucket := int64(now.Sub(testStart) / bucketTime)
			for len(times[i]) > 0 && int64(times[i][0].Sub(testStart)/bucketTime) <= bucket-windowBuckets {
				times[i] = times[i][1:]
			}
			row, ok := table.Row(JA4, fmt.Sprint("large ", i), now)
			require.True(t, ok)
			require.GreaterOrEqual(t, float64(row.Requests), 0.9*float64(len(times[i])), "%d at %s", i, now)
			require.LessOrEqual(t, row.Requests, int64(len(times[i])))
		}
	}
	least := &table.kinds[JA4].counters.all[table.kinds[JA4].counters.heap[0]]
	assert.LessOrEqual(t, least.rank(), int64(perHour/slots))
}
