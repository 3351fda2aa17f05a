package tally

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

// pair returns an Event with two texts.
func pair(version, session string) *event.Event {
	return &event.Event{Transport: "tls", Version: version, Session: session}
}

func TestTopCombinations(t *testing.T) {
	top := Top{Column: column(t, "version"), With: []output.Column{column(t, "session"), column(t, "transport")}}
	for _, e := range []*event.Event{
		pair("1.3", "psk"), pair("1.3", "fresh"), pair("1.3", "psk"), pair("", "1.3"), pair("1.3", ""), pair("", ""),
	} {
		top.Add(e)
	}
	assert.Equal(t, []Count{
		{Value: "1.3", Events: 2, With: []string{"psk", "tls"}},
		{Value: "", Events: 1, With: []string{"", "tls"}},
		{Value: "", Events: 1, With: []string{"1.3", "tls"}},
		{Value: "1.3", Events: 1, With: []string{"", "tls"}},
		{Value: "1.3", Events: 1, With: []string{"fresh", "tls"}},
	}, top.Counts(0))
	assert.Equal(t, "         2  1.3  psk  tls\n         1  -  -  tls\n", string(top.Append(nil, output.JSONL, 2)))
	assert.Equal(t, "count,version,session,transport\n2,1.3,psk,tls\n1,,,tls\n", string(top.Append(nil, output.CSV, 2)))
	assert.Equal(t, "count\tversion\tsession\ttransport\n2\t1.3\tpsk\ttls\n", string(top.Append(nil, output.TSV, 1)))
}

// TestCombinationsAreDistinct: whatever bytes the values have, two combinations have one
// row only if they are equal, and rows of one count are in the order of the values.
func TestCombinationsAreDistinct(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, r.IntN(4))
		for i := range b {
			b[i] = []byte{0, 1, 'a', 0xff}[r.IntN(4)]
		}
		return string(b)
	}
	top := Top{Column: column(t, "version"), With: []output.Column{column(t, "session")}}
	want := make(map[[2]string]int64)
	for range 20000 {
		a, b := text(), text()
		want[[2]string{a, b}]++
		top.Add(pair(a, b))
	}
	keys := slices.SortedFunc(maps.Keys(want), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(want[b], want[a]), strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
	counts := top.Counts(0)
	require.Len(t, counts, len(keys))
	for i, k := range keys {
		assert.Equal(t, Count{Value: k[0], Events: want[k], With: []string{k[1]}}, counts[i])
	}
}

// TestFullCombinations: a full table of combinations keeps the frequent ones, says how
// many Events are in no row, and stays within its bound.
func TestFullCombinations(t *testing.T) {
	const rows = 8
	top := Top{Column: column(t, "version"), With: []output.Column{column(t, "session")}, MaxBytes: rows * (topRowBytes + 8)}
	for i := range 1000 {
		top.Add(pair("old", "psk"))
		top.Add(pair("old", fmt.Sprintf("%03d", i)))
	}
	assert.LessOrEqual(t, top.bytes, top.MaxBytes)
	assert.Equal(t, Count{Value: "old", Events: 1000, With: []string{"psk"}}, top.Counts(1)[0])
	var events int64
	for _, c := range top.Counts(0) {
		events += c.Events
		assert.GreaterOrEqual(t, c.Missed, int64(0))
	}
	assert.Equal(t, int64(2000), events+top.Dropped())
	csv := string(top.Append(nil, output.CSV, 1))
	assert.Equal(t, fmt.Sprintf("count,version,session,at_most\n1000,old,psk,1000\n%d,(others),,\n", top.Dropped()), csv)
	assert.Regexp(t, `^      1000  old  psk\n +\d+  old  \d+  \(at most \d+\)\n`, string(top.Append(nil, output.JSONL, 2)))
}

// TestCombinationAllocates: a combination that the table has takes no memory.
func TestCombinationAllocates(t *testing.T) {
	top := Top{Column: column(t, "version"), With: []output.Column{column(t, "session"), column(t, "transport")}}
	e := pair("1.3", "psk")
	top.Add(e)
	assert.Zero(t, testing.AllocsPerRun(100, func() { top.Add(e) }))
}
