package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
)

// A scanTable counts hellos by the value of a column.
type scanTable struct {
	mu    sync.Mutex
	key   event.Column
	rows  map[string]*scanRow // nil if they are only counted
	keep  bool                // whether rows have an example
	total int64
}

// A scanRow is what is known of one value.
type scanRow struct {
	value       string
	count       int64
	first, last time.Time
	example     []byte // the first hello, as a line without its end
}

// addOne counts a hello of which nothing else is to be told.
func (t *scanTable) addOne() {
	t.mu.Lock()
	t.total++
	t.mu.Unlock()
}

// add counts an Event.
func (o *scanOutput) add(e *event.Event) (err error) {
	t := o.table
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total++
	if t.rows == nil {
		return nil
	}
	value := t.key.Text(e)
	row := t.rows[value]
	if row == nil {
		row = &scanRow{value: strings.Clone(value)}
		t.rows[row.value] = row
	}
	if row.count++; !t.keep {
		return nil
	}
	if row.count == 1 || e.Time.After(row.last) {
		row.last = e.Time
	}
	if row.count > 1 && !e.Time.Before(row.first) {
		return nil
	}
	row.first = e.Time
	if o.columns != nil {
		row.example = o.appendRow(row.example[:0], e)
	} else {
		row.example, err = e.AppendJSON(row.example[:0])
	}
	return err
}

// appendTable appends the lines of the table.
func (o *scanOutput) appendTable(dst []byte) ([]byte, error) {
	t := o.table
	if t.rows == nil {
		return append(strconv.AppendInt(dst, t.total, 10), '\n'), nil
	}
	rows := make([]*scanRow, 0, len(t.rows))
	for _, row := range t.rows {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b *scanRow) int {
		if t.keep {
			return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.value, b.value))
		}
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.value, b.value))
	})
	if o.limit > 0 {
		rows = rows[:min(o.limit, len(rows))]
	}
	if t.keep {
		return o.appendUnique(dst, rows)
	}
	if o.columns != nil {
		dst = append(o.appendValue(o.appendValue(dst, 0, "count"), 1, t.key.Name), '\n')
	}
	for _, row := range rows {
		switch n := strconv.FormatInt(row.count, 10); {
		case o.columns != nil:
			dst = append(o.appendValue(o.appendValue(dst, 0, n), 1, row.value), '\n')
		default:
			dst = fmt.Appendf(dst, "%10s  %s\n", n, cmp.Or(row.value, "-"))
		}
	}
	return dst, nil
}

// appendUnique appends a line for each value, with an example.
func (o *scanOutput) appendUnique(dst []byte, rows []*scanRow) ([]byte, error) {
	t := o.table
	if o.columns != nil {
		dst = o.appendHeader(dst, "count", "first", "last")
	}
	for _, row := range rows {
		n, first, last := strconv.FormatInt(row.count, 10), row.first.Format(time.RFC3339Nano), row.last.Format(time.RFC3339Nano)
		if o.columns != nil {
			dst = o.appendValue(o.appendValue(o.appendValue(dst, 0, n), 1, first), 2, last)
			dst = append(o.separate(dst), row.example...)
			continue
		}
		value, err := json.Marshal(row.value)
		if err != nil {
			return dst, err
		}
		dst = fmt.Appendf(dst, `{"field":%q,"value":%s,"count":%s,"first":%q,"last":%q,"example":%s}`, t.key.Name, value, n, first, last, row.example)
		dst = append(dst, '\n')
	}
	return dst, nil
}
