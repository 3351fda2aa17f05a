package tally

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

// A Top counts how often each value of a column occurs.
type Top struct {
	Column   output.Column
	MaxBytes int64 // of rows; 0 stands for DefaultMaxBytes

	table[Count]
}

// A Count says how many Events have a value.
type Count struct {
	Value  string
	Events int64
}

// Add counts e.
func (t *Top) Add(e *event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value = t.Column.Append(t.value[:0], e)
	row := t.rows[string(t.value)]
	if row == nil {
		if !t.reserve(len(t.value)+rowBytes, t.MaxBytes) {
			return
		}
		row = new(Count)
		row.Value = t.put(row)
	}
	row.Events++
}

// Counts returns the counts, the highest first and equal ones by value: at most limit
// of them, or all if limit is 0.
func (t *Top) Counts(limit int) []Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make([]Count, 0, len(t.rows))
	for _, row := range t.rows {
		counts = append(counts, *row)
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Value, b.Value))
	})
	return first(counts, limit)
}

// Append appends the lines of [Top.Counts]: in a tabular format its rows, after a
// header, and in others a count and a value for people to read, with "-" for the
// empty value.
func (t *Top) Append(dst []byte, f *output.Format, limit int) []byte {
	if f.Tabular() {
		dst = f.AppendRow(dst, []string{"count", t.Column.Name}, nil)
	}
	for _, c := range t.Counts(limit) {
		if f.Tabular() {
			dst = f.AppendRow(dst, []string{strconv.FormatInt(c.Events, 10), c.Value}, nil)
		} else {
			dst = fmt.Appendf(dst, "%10d  %s\n", c.Events, cmp.Or(c.Value, "-"))
		}
	}
	return dst
}
