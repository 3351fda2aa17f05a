package output

import "github.com/tlspeek/tlspeek/event"

// AppendRow appends a row of a tabular format to dst: the values, and then rest,
// which is another row, with its line end. Without rest the row ends after the
// values.
func (f *Format) AppendRow(dst []byte, values []string, rest []byte) []byte {
	r := row{Format: f, start: len(dst)}
	for _, v := range values {
		dst = r.end(append(r.begin(dst), v...))
	}
	if rest != nil {
		return append(r.begin(dst), rest...)
	}
	return r.line(dst)
}

func (f *Format) appendHeader(dst []byte, columns []Column) []byte {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].Name
	}
	return f.AppendRow(dst, names, nil)
}

func (f *Format) appendColumns(dst []byte, columns []Column, e *event.Event) []byte {
	r := row{Format: f, start: len(dst)}
	for i := range columns {
		dst = r.end(columns[i].Append(r.begin(dst), e))
	}
	return r.line(dst)
}

// A row is one that is being appended to a slice.
type row struct {
	*Format
	start  int // of the row in the slice
	value  int // likewise of the value at hand
	values int // before it
}

// begin appends what stands before a value.
func (r *row) begin(dst []byte) []byte {
	if r.values > 0 {
		dst = append(dst, r.separator)
	}
	r.value = len(dst)
	r.values++
	return dst
}

// end escapes the value that was appended since begin.
func (r *row) end(dst []byte) []byte {
	if r.escape != nil {
		dst = r.escape(dst, r.value)
	}
	return dst
}

// line ends the row.
func (r *row) line(dst []byte) []byte {
	if len(dst) == r.start && r.escape != nil { // readers of CSV skip empty lines
		dst = append(dst, `""`...)
	}
	return append(dst, '\n')
}
