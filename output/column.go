package output

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/event"
)

// A Column is a value of an Event under a name. The name is a key of the JSON form
// or, for a part of its value, the keys that lead to it, as in "carrier.segments".
// If a list is on the way, as in "client.name", the column has the value of each
// element.
type Column struct {
	Name string
	Size event.Size // of the Events to make for it

	inTables inTables
	appendTo func(dst []byte, e *event.Event) []byte
}

// inTables says which tables have a column by default.
type inTables uint8

const (
	inNone inTables = iota
	inAll
	inFull // those of full Events and larger
)

// Append appends the value that e has in the column to dst: text as it is, numbers
// in decimal, lists with commas between the elements, and other values in JSON. It
// appends nothing if the JSON form of e leaves the value out.
func (c *Column) Append(dst []byte, e *event.Event) []byte { return c.appendTo(dst, e) }

// Text returns what Append appends.
func (c *Column) Text(e *event.Event) string { return string(c.appendTo(nil, e)) }

// NeedsClients reports whether the column is empty if [event.Observer.SkipClients]
// is set.
func (c *Column) NeedsClients() bool {
	key, _, _ := strings.Cut(c.Name, ".")
	return key == "client" || key == "tells" || key == "claim"
}

// ColumnOf returns the column of the given name.
func ColumnOf(name string) (Column, error) {
	i := slices.IndexFunc(Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, fmt.Errorf("unknown field %q: use a key of the JSON form, such as sni, client.name or carrier.segments", name)
	}
	return Columns[i], nil
}

// ColumnsOf returns the columns of the given names.
func ColumnsOf(names []string) ([]Column, error) {
	columns := make([]Column, len(names))
	for i, name := range names {
		var err error
		if columns[i], err = ColumnOf(name); err != nil {
			return nil, err
		}
	}
	return columns, nil
}

// ColumnNames returns the names of all columns.
func ColumnNames() []string {
	names := make([]string, len(Columns))
	for i := range Columns {
		names[i] = Columns[i].Name
	}
	return names
}

// DefaultColumns returns the columns that a table of Events of the given size has by
// default. A table of larger Events begins with the columns of a compact one.
func DefaultColumns(size event.Size) []Column {
	columns := columnsIn(inAll)
	if size > event.Compact {
		columns = append(columns, columnsIn(inFull)...)
	}
	return columns
}

func columnsIn(in inTables) (columns []Column) {
	for _, c := range Columns {
		if c.inTables == in {
			columns = append(columns, c)
		}
	}
	return columns
}
