package tally

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

// A Unique has one Event for each value of a column, the earliest, with how often and
// when the value occurs.
type Unique struct {
	Column   output.Column
	Format   *output.Format  // of the examples and the lines
	Columns  []output.Column // of a tabular format, as in output.Options
	MaxBytes int64           // of rows; 0 stands for DefaultMaxBytes

	table[uniqueRow]
	line   bytes.Buffer // of the Event at hand
	writer *output.Writer
}

type uniqueRow struct {
	value       string
	events      int64
	first, last time.Time
	file        string // that the first Event is from
	packet      int64  // likewise
	example     []byte // the line of the first Event
}

// isBefore reports whether e comes before the first Event of r: by its time or, of
// several at one time, by its file and packet, in whatever order they are added.
func (r *uniqueRow) isBefore(e *event.Event) bool {
	return cmp.Or(e.Time.Compare(r.first), cmp.Compare(e.File, r.file), cmp.Compare(e.Packet, r.packet)) < 0
}

// Add counts e.
func (u *Unique) Add(e *event.Event) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.value = u.Column.Append(u.value[:0], e)
	row := u.rows[string(u.value)]
	if row != nil && !row.isBefore(e) {
		row.events++
		if e.Time.After(row.last) {
			row.last = e.Time
		}
		return nil
	}
	line, err := u.lineOf(e)
	if err != nil {
		return err
	}
	if row == nil {
		if !u.reserve(len(u.value)+len(line)+rowBytes, u.MaxBytes) {
			return nil
		}
		row = &uniqueRow{last: e.Time}
		row.value = u.put(row)
	} else if !u.reserve(len(line)-len(row.example), u.MaxBytes) {
		return nil
	}
	row.events++
	row.first, row.file, row.packet, row.example = e.Time, e.File, e.Packet, bytes.Clone(line)
	return nil
}

// lineOf returns e as a line, or the header if e is nil. It is valid until the next
// call.
func (u *Unique) lineOf(e *event.Event) ([]byte, error) {
	if u.writer == nil {
		u.writer = u.Format.Open(&u.line, output.Options{Columns: u.Columns})
	}
	u.line.Reset()
	write := u.writer.WriteHeader
	if e != nil {
		write = func() error { return u.writer.WriteEvent(e) }
	}
	if err := write(); err != nil {
		return nil, err
	}
	err := u.writer.Flush()
	return u.line.Bytes(), err
}

// Append appends a line for each value, by the first time it occurs and then by
// value: at most limit of them, or all if limit is 0. In a tabular format a line is a
// row of the count, the times and the columns of the example, after a header; in
// others it is a JSON object.
func (u *Unique) Append(dst []byte, limit int) ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	rows := make([]*uniqueRow, 0, len(u.rows))
	for _, row := range u.rows {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b *uniqueRow) int {
		return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.value, b.value))
	})
	rows = first(rows, limit)
	if u.Format.Tabular() {
		return u.appendRows(dst, rows)
	}
	for _, row := range rows {
		value, err := json.Marshal(row.value)
		if err != nil {
			return dst, err
		}
		dst = fmt.Appendf(dst, `{"field":%q,"value":%s,"count":%d,"first":%q,"last":%q,"example":%s}`, u.Column.Name, value,
			row.events, timeText(row.first), timeText(row.last), bytes.TrimSuffix(row.example, []byte{'\n'}))
		dst = append(dst, '\n')
	}
	return dst, nil
}

func (u *Unique) appendRows(dst []byte, rows []*uniqueRow) ([]byte, error) {
	header, err := u.lineOf(nil)
	if err != nil {
		return dst, err
	}
	dst = u.Format.AppendRow(dst, []string{"count", "first", "last"}, header)
	for _, row := range rows {
		dst = u.Format.AppendRow(dst, []string{strconv.FormatInt(row.events, 10), timeText(row.first), timeText(row.last)}, row.example)
	}
	return dst, nil
}

func timeText(t time.Time) string { return t.Format(time.RFC3339Nano) }
