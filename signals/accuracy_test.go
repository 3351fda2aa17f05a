//go:build !race

// These take a minute with the race detector, which has nothing to find in them.

package signals

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of docs/signals.md")

// fifteen are the large fingerprints of TestMillionOnce: how many requests each has, of
// how many addresses, with how many User-Agents, paths and server names.
var fifteen = [...]struct{ requests, addresses, userAgents, paths, names int }{
	{200000, 80000, 400, 3000, 1}, {120000, 30000, 90, 2500, 2}, {80000, 15000, 60, 2000, 3}, {50000, 9000, 40, 1500, 1},
	{40000, 300, 1, 12000, 1}, {30000, 1, 1, 9000, 1}, {20000, 4000, 30, 800, 4}, {15000, 2500, 25, 600, 5},
	{10000, 10000, 9000, 7000, 6}, {8000, 1200, 15, 400, 40}, {6000, 900, 12, 300, 100}, {5000, 700, 10, 200, 9},
	{4000, 50, 3, 100, 1}, {3000, 400, 8, 9, 2}, {2000, 12, 2, 1, 1},
}

// TestMillionOnce: a million fingerprints that come once do not drive out fifteen large
// ones within an hour, and their distinct values are counted within four standard
// errors. docs/signals.md has the numbers. The secret of the table is pinned, so they
// are the same each time.
func TestMillionOnce(t *testing.T) {
	const once = 1000000
	table := newTable(sizeFor(DefaultMaxBytes, windowLayout), windowLayout, testStart)
	table.secret = secret{20, 26}
	var order []int32 // which fingerprint each request has, or -1
	for i, f := range fifteen {
		for range f.requests {
			order = append(order, int32(i))
		}
	}
	for range once {
		order = append(order, -1)
	}
	r := rand.New(rand.NewPCG(11, 30))
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var distinct [len(fifteen)][fingerprintSets]map[int]bool
	for i := range distinct {
		for s := range distinct[i] {
			distinct[i][s] = make(map[int]bool)
		}
	}
	step := (Window - bucketTime) / time.Duration(len(order))
	now := testStart
	for n, i := range order {
		now = testStart.Add(time.Duration(n) * step)
		if i < 0 {
			table.Observe(Sample{JA4: fmt.Sprint("once ", n), Addr: netip.AddrFrom4([4]byte{100, byte(n >> 16), byte(n >> 8), byte(n)})}, now)
			continue
		}
		f := &fifteen[i]
		of := [fingerprintSets]int{r.IntN(f.addresses), r.IntN(f.userAgents), r.IntN(f.paths), r.IntN(f.names)}
		for s := range of {
			distinct[i][s][of[s]] = true
		}
		table.Observe(Sample{
			JA4:       fmt.Sprint("large ", i),
			Addr:      netip.AddrFrom4([4]byte{10, byte(of[0] >> 16), byte(of[0] >> 8), byte(of[0])}),
			UserAgent: fmt.Sprint("agent ", of[1]), Path: fmt.Sprint("/", of[2]), ServerName: fmt.Sprint("name ", of[3]),
		}, now)
	}
	var doc strings.Builder
	doc.WriteString("| requests | counted | addresses | counted | User-Agents | counted | paths | counted | names | counted |\n|---|---|---|---|---|---|---|---|---|---|\n")
	var worst, squares float64
	var estimates int
	rows := table.Top(JA4, len(fifteen), now)
	for i, f := range fifteen {
		row, ok := table.Row(JA4, fmt.Sprint("large ", i), now)
		require.True(t, ok, i)
		assert.Equal(t, row.Value, rows[i].Value)
		assert.LessOrEqual(t, row.Requests, int64(f.requests))
		assert.GreaterOrEqual(t, row.AtMost, int64(f.requests))
		assert.GreaterOrEqual(t, float64(row.Requests), 0.99*float64(f.requests), i)
		assert.GreaterOrEqual(t, row.DistinctOf, row.Requests-10)
		fmt.Fprintf(&doc, "| %d | %d |", f.requests, row.Requests)
		for s, got := range [fingerprintSets]int64{row.Addresses, row.UserAgents, row.Paths, row.ServerNames} {
			want := len(distinct[i][s])
			off := math.Abs(float64(got)-float64(want)) / float64(want)
			if want <= exactly {
				assert.EqualValues(t, want, got, "%d %d", i, s)
			} else {
				assert.LessOrEqual(t, off, 4*1.04/math.Sqrt(1<<windowPrecision), "%d %d: %d, not %d", i, s, got, want)
				worst, estimates, squares = max(worst, off), estimates+1, squares+off*off
			}
			fmt.Fprintf(&doc, " %d | %d |", want, got)
		}
		doc.WriteString("\n")
	}
	t.Logf("%d estimates, %.1f %% off (root mean square), %.1f %% at most\n%s", estimates, 100*math.Sqrt(squares/float64(estimates)), 100*worst, &doc)
	const name = "../docs/signals.md"
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	if *update {
		before, rest, _ := strings.Cut(string(text), "| requests | counted |")
		_, after, _ := strings.Cut(rest, "\n\n")
		require.NoError(t, os.WriteFile(name, []byte(before+doc.String()+"\n"+after), 0o644))
		return
	}
	assert.Contains(t, string(text), doc.String(), "run the test with -update")
}

// TestEstimates: over many sets the estimates are not biased, and have the standard
// error that is stated, for sets of any size, in one bucket or many.
func TestEstimates(t *testing.T) {
	for _, n := range []int{1, 5, 8, 9, 12, 20, 50, 100, 300, 1000, 3000, 10000, 30000} {
		for _, l := range []layout{totalLayout, windowLayout} {
			spread, stated := l.buckets, 1.04/math.Sqrt(float64(int(1)<<l.precision))
			const sets = 40
			var sum, squares float64
			for seed := range uint64(sets) {
				key, s := secret{seed, 1}, &sketches{precision: l.precision}
				parts := make([]part, windowBuckets)
				for b := range spread {
					parts[b].sets = make([]distinct, 1)
				}
				for i := range n {
					for b := range spread { // each value is in some buckets
						if i%spread == b || i%2 == 0 {
							parts[b].sets[0].add(key.hash(fmt.Sprint(i)), s)
						}
					}
				}
				off := (float64(s.estimate(parts, 0)) - float64(n)) / float64(n)
				sum, squares = sum+off, squares+off*off
			}
			bias, deviation := sum/sets, math.Sqrt(squares/sets)
			t.Logf("%6d in %2d buckets: bias %+.2f %%, deviation %.2f %%", n, spread, 100*bias, 100*deviation)
			if n <= exactly {
				assert.Zero(t, deviation)
			}
			assert.LessOrEqual(t, math.Abs(bias), stated/2, n)
			assert.LessOrEqual(t, deviation, 1.25*stated, n)
		}
	}
}
