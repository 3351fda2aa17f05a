package tally

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

func column(t *testing.T, name string) output.Column {
	c, err := output.ColumnOf(name)
	require.NoError(t, err)
	return c
}

// at returns an Event with a version, so many seconds after midnight.
func at(second int, version string) *event.Event {
	return &event.Event{Time: time.Date(2026, 11, 22, 0, 0, second, 0, time.UTC), Transport: "tls", Version: version}
}

func TestTop(t *testing.T) {
	top := Top{Column: column(t, "version")}
	for i, version := range []string{"1.3", "1.2", "", "1.3", "1.1", "1.1", "1.3", `a,b "c"`} {
		top.Add(at(i, version))
	}
	assert.Equal(t, []Count{{Value: "1.3", Events: 3}, {Value: "1.1", Events: 2}, {Value: "", Events: 1}, {Value: "1.2", Events: 1}, {Value: `a,b "c"`, Events: 1}}, top.Counts(0))
	assert.Equal(t, []Count{{Value: "1.3", Events: 3}, {Value: "1.1", Events: 2}}, top.Counts(2))
	assert.Len(t, top.Counts(10), 5)
	assert.Equal(t, "before\n         3  1.3\n         2  1.1\n         1  -\n", string(top.Append([]byte("before\n"), output.JSONL, 3)))
	assert.Equal(t, "count,version\n3,1.3\n2,1.1\n1,\n1,1.2\n1,\"a,b \"\"c\"\"\"\n", string(top.Append(nil, output.CSV, 0)))
	assert.Equal(t, "count\tversion\n3\t1.3\n", string(top.Append(nil, output.TSV, 1)))
	assert.Zero(t, top.Dropped())
}

func TestUnique(t *testing.T) {
	add := func(u *Unique) {
		require.NoError(t, u.Add(at(5, "1.3")))
		require.NoError(t, u.Add(at(4, "<1.2>")))
		require.NoError(t, u.Add(at(9, "1.3")))
		require.NoError(t, u.Add(at(4, "")))
		require.NoError(t, u.Add(at(3, "1.3"))) // the earliest is the example
		require.NoError(t, u.Add(at(3, "1.3"))) // of equal ones the one that came first
	}
	jsonl := &Unique{Column: column(t, "version"), Format: output.JSONL}
	add(jsonl)
	got, err := jsonl.Append([]byte("before\n"), 0)
	require.NoError(t, err)
	assert.Equal(t, "before\n"+
		`{"field":"version","value":"1.3","count":4,"first":"2026-11-22T00:00:03Z","last":"2026-11-22T00:00:09Z","example":{"time":"2026-11-22T00:00:03Z","transport":"tls","version":"1.3"}}`+"\n"+
		`{"field":"version","value":"","count":1,"first":"2026-11-22T00:00:04Z","last":"2026-11-22T00:00:04Z","example":{"time":"2026-11-22T00:00:04Z","transport":"tls"}}`+"\n"+
		`{"field":"version","value":"\u003c1.2\u003e","count":1,"first":"2026-11-22T00:00:04Z","last":"2026-11-22T00:00:04Z","example":{"time":"2026-11-22T00:00:04Z","transport":"tls","version":"<1.2>"}}`+"\n", string(got))

	rows := &Unique{Column: column(t, "version"), Format: output.CSV, Columns: []output.Column{column(t, "version"), column(t, "transport")}}
	add(rows)
	got, err = rows.Append(nil, 2)
	require.NoError(t, err)
	assert.Equal(t, "count,first,last,version,transport\n"+
		"4,2026-11-22T00:00:03Z,2026-11-22T00:00:09Z,1.3,tls\n"+
		"1,2026-11-22T00:00:04Z,2026-11-22T00:00:04Z,,tls\n", string(got))

	empty := &Unique{Column: column(t, "version"), Format: output.CSV, Columns: []output.Column{column(t, "sni")}}
	require.NoError(t, empty.Add(at(1, "1.3")))
	got, err = empty.Append(nil, 0)
	require.NoError(t, err)
	assert.Equal(t, "count,first,last,sni\n1,2026-11-22T00:00:01Z,2026-11-22T00:00:01Z,\"\"\n", string(got))

	byDefault := &Unique{Column: column(t, "version"), Format: output.TSV}
	got, err = byDefault.Append(nil, 0)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(got), "count\tfirst\tlast\ttime\ttransport\t"), "%s", got)
}

// TestExampleInAnyOrder: of Events at one time the example is that of the first file
// and packet, in whatever order workers add them.
func TestExampleInAnyOrder(t *testing.T) {
	events := []*event.Event{at(1, "1.3"), at(1, "1.3"), at(1, "1.3"), at(2, "1.3")}
	events[0].File, events[0].Packet = "a.pcap", 7
	events[1].File, events[1].Packet = "a.pcap", 9
	events[2].File, events[2].Packet = "b.pcap", 1
	events[3].File, events[3].Packet = "a.pcap", 1
	for shift := range events {
		for _, backward := range []bool{false, true} {
			order := slices.Concat(events[shift:], events[:shift])
			if backward {
				slices.Reverse(order)
			}
			u := &Unique{Column: column(t, "version"), Format: output.JSONL}
			for _, e := range order {
				require.NoError(t, u.Add(e))
			}
			got, err := u.Append(nil, 0)
			require.NoError(t, err)
			assert.Contains(t, string(got), `"file":"a.pcap","packet":7,`)
			assert.Contains(t, string(got), `"count":4,`)
		}
	}
}

// TestTablesAreShared: several goroutines add to one table.
func TestTablesAreShared(t *testing.T) {
	top := Top{Column: column(t, "version")}
	unique := Unique{Column: column(t, "version"), Format: output.JSONL}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 100 {
				e := at(10*n+i, fmt.Sprint(n%10))
				top.Add(e)
				assert.NoError(t, unique.Add(e))
			}
		})
	}
	wg.Wait()
	for _, c := range top.Counts(0) {
		assert.Equal(t, int64(40), c.Events)
	}
	got, err := unique.Append(nil, 1)
	require.NoError(t, err)
	assert.Contains(t, string(got), `"value":"0","count":40,"first":"2026-11-22T00:00:00Z","last":"2026-11-22T00:15:03Z"`)
}

// TestKnownValuesTakeNoMemory: counting a value that is in the table does not
// allocate.
func TestKnownValuesTakeNoMemory(t *testing.T) {
	top := Top{Column: column(t, "version")}
	unique := Unique{Column: column(t, "version"), Format: output.JSONL}
	e := at(0, "1.3")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		top.Add(e)
		unique.Add(e)
	}))
}
