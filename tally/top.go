package tally

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

// A Top counts how often each value of a column occurs.
//
// When the table is full, it forgets the quarter of the values that occurred least, and
// goes on. So it always has the most frequent values. The count of a value that comes, or
// comes again, after that may be too low: Count.Missed says by how much at most. For k
// rows and n Events that is about n/k.
type Top struct {
	Column   output.Column
	With     []output.Column // what is counted are combinations of values in Column and in these
	MaxBytes int64           // of rows; 0 stands for DefaultMaxBytes

	table[topRow]
	floor int64 // a value without a row has occurred no more often
}

// A Count says how many Events have a value, or a combination of values.
type Count struct {
	Value  string
	Events int64
	Missed int64    // at most how many more there were, while the table had no row for the value
	With   []string // the values in the columns of [Top.With]
}

type topRow struct{ events, missed int64 }

// topRowBytes is what a row takes besides its value.
const topRowBytes = 24 + overhead

// Add counts e.
func (t *Top) Add(e *event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value = appendCombination(t.value[:0], &t.Column, t.With, e)
	r, hash := t.find()
	if r == nil {
		size := textBytes(len(t.value)) + topRowBytes
		for !t.reserve(size, t.MaxBytes) {
			if t.n == 0 {
				t.dropped++
				return
			}
			t.makeRoom()
		}
		r = t.add(hash)
		r.missed = t.floor
	}
	r.events++
}

// makeRoom removes a quarter of the rows, and all that are as low.
//
// The floor rises by no more than n/(3k/4) in all, for n Events and k rows: each time
// that it rises by d, three quarters of the rows are as high or higher and come d nearer
// to it, and it takes an Event to raise one of them above it by 1.
func (t *Top) makeRoom() {
	highs := make([]int64, t.n)
	for i := range highs {
		r := &t.at(i).data
		highs[i] = r.events + r.missed
	}
	slices.Sort(highs)
	t.floor = highs[len(highs)/4]
	t.keep(topRowBytes, func(r *topRow) bool {
		if r.events+r.missed > t.floor {
			return true
		}
		t.dropped += r.events
		return false
	})
}

// sorted returns the numbers of the rows, that of the highest count first and equal
// ones by value: at most limit of them, or all if limit is 0.
func (t *Top) sorted(limit int) []uint32 {
	numbers := t.numbers()
	slices.SortFunc(numbers, func(i, j uint32) int {
		a, b := t.at(int(i)), t.at(int(j))
		return cmp.Or(cmp.Compare(b.data.events, a.data.events), bytes.Compare(t.values.at(a.value), t.values.at(b.value)))
	})
	return first(numbers, limit)
}

// count returns a row by its number.
func (t *Top) count(i uint32) Count {
	r := t.at(int(i))
	c := Count{Events: r.data.events, Missed: r.data.missed}
	c.Value, c.With = splitCombination(t.values.at(r.value), len(t.With))
	return c
}

// Counts returns the counts, the highest first and equal ones by value: at most limit
// of them, or all if limit is 0.
func (t *Top) Counts(limit int) []Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	numbers := t.sorted(limit)
	counts := make([]Count, len(numbers))
	for i, n := range numbers {
		counts[i] = t.count(n)
	}
	return counts
}

// Append appends the lines that [Top.Write] writes.
func (t *Top) Append(dst []byte, f *output.Format, limit int) []byte {
	b := bytes.NewBuffer(dst)
	t.Write(b, f, limit) // no error, as a Buffer has none
	return b.Bytes()
}

// Write writes the lines of [Top.Counts] to w: in a tabular format its rows, after a
// header, and in others a count and a value for people to read, with "-" for the empty
// value. The values of a combination are columns of their own, and have two spaces between
// them in a text.
//
// If the table was full, rows have in a column "at_most" the highest that the count can
// be, and a last row "(others)" has the number of the Events that are in no row.
func (t *Top) Write(w io.Writer, f *output.Format, limit int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := blockWriter{w: w}
	full := t.dropped > 0
	if f.Tabular() {
		header := []string{"count", t.Column.Name}
		for i := range t.With {
			header = append(header, t.With[i].Name)
		}
		if full {
			header = append(header, "at_most")
		}
		out.buf = f.AppendRow(out.buf, header, nil)
	}
	for _, n := range t.sorted(limit) {
		out.buf = t.appendCount(out.buf, f, t.count(n), full)
		out.wrote()
	}
	if full {
		out.buf = t.appendOthers(out.buf, f)
	}
	return out.flush()
}

func (t *Top) appendCount(dst []byte, f *output.Format, c Count, full bool) []byte {
	atMost := strconv.FormatInt(c.Events+c.Missed, 10)
	if f.Tabular() {
		row := append([]string{strconv.FormatInt(c.Events, 10), c.Value}, c.With...)
		if full {
			row = append(row, atMost)
		}
		return f.AppendRow(dst, row, nil)
	}
	dst = fmt.Appendf(dst, "%10d  %s", c.Events, cmp.Or(c.Value, "-"))
	for _, value := range c.With {
		dst = fmt.Appendf(dst, "  %s", cmp.Or(value, "-"))
	}
	if c.Missed > 0 {
		dst = fmt.Appendf(dst, "  (at most %s)", atMost)
	}
	return append(dst, '\n')
}

func (t *Top) appendOthers(dst []byte, f *output.Format) []byte {
	if f.Tabular() {
		row := make([]string, 3+len(t.With))
		row[0], row[1] = strconv.FormatInt(t.dropped, 10), "(others)"
		return f.AppendRow(dst, row, nil)
	}
	return fmt.Appendf(dst, "%10d  (others)\n", t.dropped)
}

// A blockWriter writes what is appended to buf in blocks. It keeps the first error.
type blockWriter struct {
	w   io.Writer
	buf []byte
	err error
}

// wrote writes buf if it is long.
func (b *blockWriter) wrote() {
	if len(b.buf) >= maxBlock {
		b.flush()
	}
}

func (b *blockWriter) flush() error {
	if b.err == nil {
		_, b.err = b.w.Write(b.buf)
	}
	b.buf = b.buf[:0]
	return b.err
}
