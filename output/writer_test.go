package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// writes counts what is written to it, and fails if err is set.
type writes struct {
	bytes.Buffer
	calls int
	err   error
}

func (w *writes) Write(b []byte) (int, error) {
	w.calls++
	if w.err != nil {
		return 0, w.err
	}
	return w.Buffer.Write(b)
}

// TestFormats: every format has a name of its own and a help text, and writes the
// Event of an Observation as it writes that Event.
func TestFormats(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Formats {
		assert.False(t, seen[f.Name], f.Name)
		seen[f.Name] = true
		assert.NotEmpty(t, f.About, f.Name)
		for size := event.Compact; size <= event.Detail; size++ {
			var events, direct bytes.Buffer
			we, wo := f.Open(&events, Options{Size: size}), f.Open(&direct, Options{Size: size})
			require.NoError(t, we.WriteHeader())
			require.NoError(t, wo.WriteHeader())
			var ob event.Observer
			for range 3 { // the Observer remembers from the second time on
				for _, o := range observations(t) {
					e := new(event.Observer).Event(o, size)
					require.NoError(t, we.WriteEvent(&e))
					require.NoError(t, wo.WriteObservation(&ob, o))
				}
			}
			require.NoError(t, we.Flush())
			require.NoError(t, wo.Flush())
			assert.Equal(t, events.String(), direct.String(), f.Name)
			lines := 3 * len(observations(t))
			if f.Tabular() {
				lines++
			}
			assert.Equal(t, lines, strings.Count(events.String(), "\n"), f.Name)
		}
	}
}

func TestJSONL(t *testing.T) {
	var b bytes.Buffer
	w := JSONL.Open(&b, Options{})
	require.NoError(t, w.WriteHeader())
	e := event.Event{Transport: "tls", Version: "1.3"}
	require.NoError(t, w.WriteEvent(&e))
	require.NoError(t, w.Flush())
	assert.Equal(t, `{"transport":"tls","version":"1.3"}`+"\n", b.String())
}

// TestRowsReadBack: encoding/csv reads the values of all columns back.
func TestRowsReadBack(t *testing.T) {
	for _, f := range []*Format{CSV, TSV} {
		var b bytes.Buffer
		w := f.Open(&b, Options{Columns: Columns})
		require.NoError(t, w.WriteHeader())
		want := [][]string{ColumnNames()}
		for _, e := range detailed(t) {
			var row []string
			for i := range Columns {
				row = append(row, Columns[i].Text(&e))
			}
			want = append(want, row)
			require.NoError(t, w.WriteEvent(&e))
		}
		require.NoError(t, w.Flush())
		r := csv.NewReader(&b)
		r.Comma = rune(f.separator)
		r.LazyQuotes = f == TSV // which has quotes as they are
		got, err := r.ReadAll()
		require.NoError(t, err, f.Name)
		assert.Equal(t, want, got, f.Name)
	}
}

func TestAppendRow(t *testing.T) {
	for _, test := range []struct {
		f      *Format
		values []string
		rest   string
		want   string
	}{
		{CSV, []string{"a", "b"}, "", "a,b\n"},
		{CSV, []string{"a,b", `say "hi"`, "two\nlines"}, "", "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n"},
		{CSV, []string{""}, "", "\"\"\n"},
		{CSV, []string{"", ""}, "", ",\n"},
		{CSV, nil, "", "\"\"\n"},
		{CSV, []string{"1"}, "\"\"\n", "1,\"\"\n"},
		{CSV, []string{"1", "x,"}, "c,d\n", "1,\"x,\",c,d\n"},
		{TSV, []string{"a,b", `"`}, "", "a,b\t\"\n"},
		{TSV, []string{""}, "", "\n"},
		{TSV, []string{"1"}, "c\td\n", "1\tc\td\n"},
	} {
		var rest []byte
		if test.rest != "" {
			rest = []byte(test.rest)
		}
		assert.Equal(t, "before\n"+test.want, string(test.f.AppendRow([]byte("before\n"), test.values, rest)))
	}
}

// TestWriterHoldsBack: a Writer writes whole lines, at most bufferSize and a line at
// a time.
func TestWriterHoldsBack(t *testing.T) {
	for _, f := range Formats {
		var b writes
		w := f.Open(&b, Options{})
		e := event.Event{Transport: "tls", File: "f"}
		for b.calls == 0 {
			require.NoError(t, w.WriteEvent(&e))
		}
		assert.GreaterOrEqual(t, b.Len(), bufferSize)
		assert.Less(t, b.Len(), bufferSize+200)
		assert.True(t, bytes.HasSuffix(b.Bytes(), []byte("\n")))
		n := b.Len()
		require.NoError(t, w.WriteEvent(&e))
		assert.Equal(t, n, b.Len())
		require.NoError(t, w.Flush())
		assert.Greater(t, b.Len(), n)
		assert.Equal(t, 2, b.calls)
		require.NoError(t, w.Flush())
		assert.Equal(t, 2, b.calls, "there is nothing to write")
	}
}

func TestWriterKeepsItsError(t *testing.T) {
	b := writes{err: errors.New("full")}
	w := CSV.Open(&b, Options{})
	require.NoError(t, w.WriteHeader())
	assert.EqualError(t, w.Flush(), "full")
	b.err = nil
	e := event.Event{Transport: "tls"}
	assert.EqualError(t, w.WriteEvent(&e), "full")
	assert.EqualError(t, w.WriteHeader(), "full")
	assert.EqualError(t, w.Flush(), "full")
	assert.Equal(t, 1, b.calls)
}

// TestWriterAllocates: JSON lines of remembered hellos and rows take no memory.
func TestWriterAllocates(t *testing.T) {
	o := observations(t)[1]
	var ob event.Observer
	e := ob.Event(o, event.Compact)
	for _, f := range []*Format{CSV, TSV} {
		w := f.Open(io.Discard, Options{Columns: DefaultColumns(event.Compact)})
		require.NoError(t, w.WriteEvent(&e))
		assert.Zero(t, testing.AllocsPerRun(1000, func() { w.WriteEvent(&e) }), f.Name)
	}
	w := JSONL.Open(io.Discard, Options{})
	require.NoError(t, w.WriteObservation(&ob, o))
	buf, err := ob.AppendJSON(nil, o, event.Compact)
	require.NoError(t, err)
	require.True(t, json.Valid(buf))
	want := testing.AllocsPerRun(1000, func() { buf, _ = ob.AppendJSON(buf[:0], o, event.Compact) })
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, func() { w.WriteObservation(&ob, o) }), want)
}

// benchmarkWriter measures the whole way from an Observation to its line.
func benchmarkWriter(b *testing.B, f *Format, size event.Size) {
	o := observation(hellotest.Real(b)["chromium-156"])
	var ob event.Observer
	w := f.Open(io.Discard, Options{Size: size})
	b.ReportAllocs()
	for b.Loop() {
		w.WriteObservation(&ob, o)
	}
}

func BenchmarkJSONL(b *testing.B)  { benchmarkWriter(b, JSONL, event.Compact) }
func BenchmarkCSV(b *testing.B)    { benchmarkWriter(b, CSV, event.Compact) }
func BenchmarkTSV(b *testing.B)    { benchmarkWriter(b, TSV, event.Compact) }
func BenchmarkFull(b *testing.B)   { benchmarkWriter(b, JSONL, event.Full) }
func BenchmarkDetail(b *testing.B) { benchmarkWriter(b, JSONL, event.Detail) }
