package main

import (
	"cmp"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
)

// A column is a field of an Event, found by its name in the JSON form.
type column struct {
	name  string
	path  [][]int // of indices, from struct to struct
	omits bool    // whether the JSON form leaves out what is zero
}

// columnOf returns the column of a name, as ja4 or carrier.segments. That of
// client.name has the name of each client.
func columnOf(name string) (column, error) {
	c := column{name: name}
	t := reflect.TypeFor[event.Event]()
	for part := range strings.SplitSeq(name, ".") {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		f, ok := fieldOf(t, part)
		if !ok {
			return c, fmt.Errorf("no field %q: fields have the names of the JSON form, as sni, client.name or carrier.segments", name)
		}
		c.path = append(c.path, f.Index)
		c.omits = strings.Contains(f.Tag.Get("json"), ",omit")
		t = f.Type
	}
	return c, nil
}

// fieldOf returns the field of a struct with a name in the JSON form.
func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	if t.Kind() != reflect.Struct {
		return reflect.StructField{}, false
	}
	for i := range t.NumField() {
		if name != "" && name == jsonName(t.Field(i)) {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

// jsonName returns the name of a field in the JSON form, if its tag has one.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// text returns the value that e has in the column, or nothing if it has none.
func (c *column) text(e *event.Event) string { return c.textAt(reflect.ValueOf(e).Elem(), c.path) }

// textAt returns the value at the end of a path. Where a list is on it, those of
// all that are in the list are joined.
func (c *column) textAt(v reflect.Value, path [][]int) string {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch {
	case len(path) > 0 && v.Kind() == reflect.Slice:
		texts := make([]string, v.Len())
		for i := range texts {
			texts[i] = c.textAt(v.Index(i), path)
		}
		return strings.Join(texts, ",")
	case len(path) > 0:
		return c.textAt(v.FieldByIndex(path[0]), path[1:])
	case c.omits && v.IsZero():
		return ""
	}
	return textOf(v)
}

func textOf(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return x
	case []string:
		return strings.Join(x, ",")
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case time.Time:
		return x.Format(time.RFC3339Nano)
	case fmt.Stringer: // an address, a kind of client
		return x.String()
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err != nil {
			return ""
		}
		return string(b)
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return ""
	}
	return string(b)
}

// A scanTable counts hellos by the value of a column.
type scanTable struct {
	mu    sync.Mutex
	key   column
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
	value := t.key.text(e)
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
		dst = append(o.appendValue(o.appendValue(dst, 0, "count"), 1, t.key.name), '\n')
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
		dst = fmt.Appendf(dst, `{"field":%q,"value":%s,"count":%s,"first":%q,"last":%q,"example":%s}`, t.key.name, value, n, first, last, row.example)
		dst = append(dst, '\n')
	}
	return dst, nil
}
