package event

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Column is a value of an Event under a name: the key of a field, or, of a
// field with parts, the names down to one, as in "carrier.segments". Where a list
// is on the way, as in "client.name", it has the value of each element.
type Column struct {
	Name  string
	Size  Size // of the Events to make for it
	field *Field
	path  [][]int // in the field: indices, from struct to struct
	omits bool    // the JSON form leaves out a value that is zero
}

// ColumnOf returns the column of the given name.
func ColumnOf(name string) (Column, error) {
	fail := fmt.Errorf("no field %q: fields have the names of the JSON form, as sni, client.name or carrier.segments", name)
	parts := strings.Split(name, ".")
	i := slices.IndexFunc(Fields, func(f Field) bool { return f.Key == parts[0] })
	if i < 0 {
		return Column{}, fail
	}
	c := Column{Name: name, Size: Fields[i].Size, field: &Fields[i], omits: true}
	if len(c.field.Columns) == 0 { // so rare that an example should show everything
		c.Size = max(c.Size, Full)
	}
	t := c.field.typ()
	for _, part := range parts[1:] {
		f, ok := partOf(t, part)
		if !ok {
			return Column{}, fail
		}
		c.path = append(c.path, f.Index)
		c.omits = strings.Contains(f.Tag.Get("json"), ",omit")
		t = f.Type
	}
	return c, nil
}

// Text returns the value that e has in the column, in the form of [Field.Text].
func (c *Column) Text(e *Event) string {
	if len(c.path) == 0 {
		return c.field.Text(e)
	}
	return textAt(reflect.ValueOf(c.field.value(e)), c.path, c.omits)
}

// ColumnNames returns the names of all columns.
func ColumnNames() (names []string) {
	for i := range Fields {
		names = appendPartNames(append(names, Fields[i].Key), Fields[i].Key, Fields[i].typ())
	}
	return names
}

// DefaultColumns returns the names of the columns of Events of a size from
// captures. Those of larger sizes come after those of a compact Event, and so do
// the parts of fields.
func DefaultColumns(size Size) (names []string) {
	var more []string
	for i := range Fields {
		f := &Fields[i]
		switch {
		case f.Size == Compact && slices.Contains(f.Columns, f.Key):
			names = append(names, f.Columns...)
		case f.Size <= size:
			more = append(more, f.Columns...)
		}
	}
	if size == Compact {
		return names
	}
	return append(names, more...)
}

// typ returns the type of a field with parts, or nil of another.
func (f *Field) typ() reflect.Type {
	if f.value == nil {
		return nil
	}
	return reflect.TypeOf(f.value(new(Event)))
}

// partOf returns the part of t, which is a struct, a pointer to one or a list of
// them, with the given name in the JSON form.
func partOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for _, f := range partsOf(t) {
		if name == jsonName(f) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// partsOf returns the parts of t that the JSON form has.
func partsOf(t reflect.Type) (parts []reflect.StructField) {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if jsonName(t.Field(i)) != "" {
			parts = append(parts, t.Field(i))
		}
	}
	return parts
}

func appendPartNames(dst []string, of string, t reflect.Type) []string {
	for _, f := range partsOf(t) {
		name := of + "." + jsonName(f)
		dst = appendPartNames(append(dst, name), name, f.Type)
	}
	return dst
}

// jsonName returns the name of a struct's field in the JSON form, if its tag has
// one.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// textAt returns the value at the end of a path from v. Where a list is on it,
// the values of all elements are joined. A zero value is empty if it is omitted.
func textAt(v reflect.Value, path [][]int, omitted bool) string {
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
			texts[i] = textAt(v.Index(i), path, omitted)
		}
		return strings.Join(texts, ",")
	case len(path) > 0:
		return textAt(v.FieldByIndex(path[0]), path[1:], omitted)
	case omitted && v.IsZero():
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
