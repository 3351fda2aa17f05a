package tally

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

// TestFullTop: a full Top keeps the values that occur often, and says what it does not
// have.
func TestFullTop(t *testing.T) {
	const rows = 8
	top := Top{Column: column(t, "version"), MaxBytes: rows * (topRowBytes + 3)}
	for i := range 1000 {
		top.Add(at(0, "old")) // from the beginning
		top.Add(at(0, fmt.Sprintf("%03d", i)))
		if i >= 500 {
			top.Add(at(0, "new"))
		}
	}
	assert.LessOrEqual(t, top.bytes, top.MaxBytes)
	counts := top.Counts(2)
	assert.Equal(t, Count{Value: "old", Events: 1000}, counts[0])
	assert.Equal(t, "new", counts[1].Value)
	assert.LessOrEqual(t, counts[1].Events, int64(500))
	assert.GreaterOrEqual(t, counts[1].Events+counts[1].Missed, int64(500))
	assert.LessOrEqual(t, counts[1].Missed, int64(2500*4/3/rows))

	var events int64
	for _, c := range top.Counts(0) {
		events += c.Events
	}
	assert.Equal(t, int64(2500), events+top.Dropped())
	others := fmt.Sprint(top.Dropped())
	csv := string(top.Append(nil, output.CSV, 1))
	assert.Equal(t, "count,version,at_most\n1000,old,1000\n"+others+",(others),\n", csv)
	text := string(top.Append(nil, output.JSONL, 2))
	assert.Regexp(t, `^      1000  old\n +\d+  new  \(at most \d+\)\n +`+others+`  \(others\)\n$`, text)
}

// TestFullUnique: a full Unique counts the values that it has, and says how many Events
// have others.
func TestFullUnique(t *testing.T) {
	for _, f := range output.Formats {
		u := &Unique{Column: column(t, "version"), Format: f, Columns: []output.Column{column(t, "sni"), column(t, "error")}, MaxBytes: 10 * (uniqueRowBytes + 2000)}
		for i := range 100 {
			require.NoError(t, u.Add(at(i, fmt.Sprintf("%1000d", i))))
		}
		n := u.n
		assert.Greater(t, n, 5)
		assert.Less(t, n, 25)
		assert.Equal(t, int64(100-n), u.Dropped())
		assert.LessOrEqual(t, u.bytes, u.MaxBytes)

		e := at(0, fmt.Sprintf("%1000d", 0))
		e.Time = e.Time.Add(-time.Second)
		e.Error = strings.Repeat("x", int(2*u.MaxBytes)) // an example for which there is no room
		require.NoError(t, u.Add(e))
		assert.Equal(t, int64(100-n), u.Dropped(), "counted")
		got, err := u.Append(nil, 1)
		require.NoError(t, err)
		lines := strings.SplitAfter(string(got), "\n")
		last := lines[len(lines)-2]
		if f.Tabular() {
			require.Len(t, lines, 4)
			assert.Regexp(t, `^2.2026-11-21T23:59:59Z.2026-11-22T00:00:00Z.`, lines[1])
			separator := strings.TrimPrefix(lines[0], "count")[:1]
			assert.Equal(t, fmt.Sprint(100-n)+strings.Repeat(separator, 4)+"\n", last)
			continue
		}
		require.Len(t, lines, 3)
		assert.Contains(t, lines[0], `"count":2,"first":"2026-11-21T23:59:59Z","last":"2026-11-22T00:00:00Z"`)
		assert.Equal(t, fmt.Sprintf(`{"field":"version","others":%d}`+"\n", 100-n), last)
	}
}

// checkTop adds values to a Top and compares it with a map.
func checkTop(t *testing.T, values []string, maxBytes int64) {
	top := Top{Column: column(t, "version"), MaxBytes: maxBytes}
	want := make(map[string]int64)
	for _, v := range values {
		top.Add(at(0, v))
		want[v]++
		require.LessOrEqual(t, top.bytes, cmp.Or(maxBytes, DefaultMaxBytes))
	}
	counts := top.Counts(0)
	var total int64
	have := make(map[string]bool)
	for i, c := range counts {
		require.False(t, have[c.Value])
		have[c.Value] = true
		total += c.Events
		require.LessOrEqual(t, c.Events, want[c.Value])
		require.GreaterOrEqual(t, c.Events+c.Missed, want[c.Value])
		require.LessOrEqual(t, c.Missed, top.floor)
		if i > 0 {
			before := counts[i-1]
			require.Negative(t, cmp.Or(cmp.Compare(c.Events, before.Events), cmp.Compare(before.Value, c.Value)))
		}
	}
	require.Equal(t, int64(len(values)), total+top.Dropped())
	for v, n := range want {
		if !have[v] && textBytes(len(v))+topRowBytes <= int(cmp.Or(maxBytes, DefaultMaxBytes)) {
			require.LessOrEqual(t, n, top.floor, "%q", v)
		}
	}
	if maxBytes == 0 {
		require.Len(t, counts, len(want))
		require.Zero(t, top.Dropped())
	}
}

// skewed returns values of which some are frequent and most are rare, of various
// lengths.
func skewed(r *rand.Rand, n int) []string {
	z := rand.NewZipf(r, 1.1, 1, 1<<20)
	values := make([]string, n)
	for i := range values {
		v := z.Uint64()
		length := v * 7919 % 50
		if v%97 == 0 {
			length = v * 7919 % 3000
		}
		if v%1009 == 0 {
			length = v * 7919 % 100000
		}
		values[i] = fmt.Sprintf("%0*d", length, v)
	}
	return values
}

func TestTopIsThatOfAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, maxBytes := range []int64{0, 1, 200, 5000, 100_000, 1_000_000} {
		checkTop(t, skewed(r, 20_000), maxBytes)
	}
	distinct := make([]string, 10_000)
	for i := range distinct {
		distinct[i] = fmt.Sprint(i)
	}
	checkTop(t, distinct, 20_000)
}

// uniqueOracle is a Unique without a bound, in plain Go.
type uniqueOracle map[string]*struct {
	count       int
	first, last time.Time
	example     event.Event
}

// checkUnique adds Events to a Unique and compares its lines with those of an oracle.
func checkUnique(t *testing.T, events []*event.Event, maxBytes int64) {
	u := Unique{Column: column(t, "version"), Format: output.JSONL, MaxBytes: maxBytes}
	oracle := make(uniqueOracle)
	for _, e := range events {
		dropped := u.dropped
		require.NoError(t, u.Add(e))
		require.LessOrEqual(t, u.bytes, cmp.Or(maxBytes, DefaultMaxBytes))
		if u.dropped > dropped {
			require.NotContains(t, oracle, e.Version)
			continue
		}
		o := oracle[e.Version]
		if o == nil {
			oracle[e.Version] = &struct {
				count       int
				first, last time.Time
				example     event.Event
			}{1, e.Time, e.Time, *e}
			continue
		}
		o.count++
		if e.Time.After(o.last) {
			o.last = e.Time
		}
		if cmp.Or(e.Time.Compare(o.first), cmp.Compare(e.File, o.example.File), cmp.Compare(e.Packet, o.example.Packet)) < 0 {
			o.first, o.example = e.Time, *e
		}
	}
	got, err := u.Append(nil, 0)
	require.NoError(t, err)
	lines := bytes.SplitAfter(got, []byte("\n"))
	values := slices.SortedFunc(maps.Keys(oracle), func(a, b string) int {
		return cmp.Or(oracle[a].first.Compare(oracle[b].first), cmp.Compare(a, b))
	})
	for i, v := range values {
		o := oracle[v]
		value, err := json.Marshal(v)
		require.NoError(t, err)
		example, err := o.example.AppendJSON(nil)
		require.NoError(t, err)
		want := fmt.Sprintf(`{"field":"version","value":%s,"count":%d,"first":%q,"last":%q,"example":`, value, o.count,
			o.first.Format(time.RFC3339Nano), o.last.Format(time.RFC3339Nano))
		require.True(t, strings.HasPrefix(string(lines[i]), want), "%s\n%s", want, lines[i])
		if maxBytes == 0 { // otherwise an earlier example may have had no room
			require.Equal(t, want+string(example)+"}\n", string(lines[i]))
		}
	}
}

func TestUniqueIsThatOfAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, maxBytes := range []int64{0, 1, 5000, 300_000} {
		for _, spread := range []int{1, 1000, 1_000_000} { // how far times are out of order
			var events []*event.Event
			for i, v := range skewed(r, 5000) {
				e := at(i+r.IntN(spread), v)
				e.File, e.Packet = "file "+fmt.Sprint(r.IntN(5)), int64(i)
				events = append(events, e)
			}
			checkUnique(t, events, maxBytes)
		}
	}
}

// TestEarlierExamples: each Event is earlier than those before. The examples that are
// replaced take no memory for long.
func TestEarlierExamples(t *testing.T) {
	u := Unique{Column: column(t, "version"), Format: output.JSONL, MaxBytes: 1 << 20}
	for i := range 200_000 {
		e := at(-i, fmt.Sprint(i%10))
		e.Error = strings.Repeat("x", 1+i%50)
		require.NoError(t, u.Add(e))
	}
	assert.Less(t, u.raw, int64(12*linesBlock))
	got, err := u.Append(nil, 1)
	require.NoError(t, err)
	first := at(-199_999, "").Time.Format(time.RFC3339Nano)
	assert.Contains(t, string(got), `"value":"9","count":20000,"first":"`+first+`"`)
	assert.Contains(t, string(got), `"example":{"time":"`+first+`"`)
}

// FuzzTables compares tables with maps. Each byte of the input adds an Event.
func FuzzTables(f *testing.F) {
	f.Add([]byte("abracadabra"), uint16(400))
	f.Add(bytes.Repeat([]byte("0123456789"), 20), uint16(2000))
	f.Add([]byte("aaaaaaaaaaaaaaaaaa"), uint16(0))
	f.Fuzz(func(t *testing.T, in []byte, maxBytes uint16) {
		var values []string
		var events []*event.Event
		for i, b := range in {
			v := strings.Repeat(string(rune('a'+b%16)), int(b)*int(b)/16)
			e := at(int(b)*7%64, v)
			e.Packet = int64(i)
			values, events = append(values, v), append(events, e)
		}
		checkTop(t, values, int64(maxBytes))
		checkUnique(t, events, int64(maxBytes))
	})
}

// TestTablesAreSmall: 100,000 server names take what the tables count for them.
func TestTablesAreSmall(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const n = 100_000
	name := func(e *event.Event, i int) {
		e.Time = e.Time.Add(time.Millisecond)
		*e.SNI = fmt.Sprintf("host-%d.example.com", i)
		e.ID = event.ID{byte(i), byte(i >> 8), byte(i >> 16)}
		e.Packet++
	}
	e := at(0, "1.3")
	e.SNI = new(string)
	e.ALPN = []string{"h2", "http/1.1"}
	e.Error = strings.Repeat("what events have in common, ", 20)
	before := heap()
	top := &Top{Column: column(t, "sni")}
	for i := range n {
		name(e, i)
		top.Add(e)
	}
	size := heap() - before
	assert.Less(t, size, int64(n*90))
	assert.Less(t, size, top.bytes+top.bytes/4)
	runtime.KeepAlive(top)

	before = heap()
	u := &Unique{Column: column(t, "sni"), Format: output.JSONL}
	for i := range n {
		name(e, i)
		require.NoError(t, u.Add(e))
	}
	size = heap() - before
	assert.Less(t, size, int64(n*300))
	assert.Less(t, size, u.bytes+u.bytes/4)
	runtime.KeepAlive(u)
}
