package output

import (
	"io"

	"github.com/tlspeek/tlspeek/event"
)

// A Format is a way to write Events, a row of [Formats].
type Format struct {
	Name  string // as in the name of a flag: "csv"
	About string // what it is, for the help of a flag

	// separator stands between the values of a row. It is 0 in a format that is not
	// tabular.
	separator byte
	// escape replaces the value in dst[start:] with its form in a row. It is nil in a
	// format that has all values as they are.
	escape func(dst []byte, start int) []byte
	// appendEvent and appendObservation append an Event with its line end. They are
	// nil in a tabular format.
	appendEvent       func(dst []byte, e *event.Event) ([]byte, error)
	appendObservation func(dst []byte, ob *event.Observer, o *event.Observation, size event.Size) ([]byte, error)
}

// Formats are all formats. The first is the one that needs no flag.
var Formats = [...]*Format{JSONL, CSV, TSV}

// Tabular reports whether an Event is a row of columns.
func (f *Format) Tabular() bool { return f.separator != 0 }

// Options say what a Writer writes of an Event.
type Options struct {
	Size    event.Size // of the Events that WriteObservation makes
	Columns []Column   // of a tabular format; DefaultColumns(Size) if empty
}

// Open returns a Writer of Events on w.
func (f *Format) Open(w io.Writer, o Options) *Writer {
	if len(o.Columns) == 0 && f.Tabular() {
		o.Columns = DefaultColumns(o.Size)
	}
	return &Writer{format: f, options: o, w: w}
}
