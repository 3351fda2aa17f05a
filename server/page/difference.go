package page

import (
	"strconv"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
	"github.com/tlspeek/tlspeek/parser"
)

// A difference is how two hellos differ, by field.
type difference struct {
	explain.Difference
	Fields []fieldChanges
	Same   []string // fingerprints that do not change
}

// fieldChanges are the changes of one field.
type fieldChanges struct {
	Field   string
	Changes []explain.Change
	Moved   []explain.Change
	Beyond  int
}

func newDifference(before, after *parser.ClientHello) *difference {
	d := &difference{Difference: explain.Diff(&fingerprint.Input{Hello: before}, &fingerprint.Input{Hello: after})}
	for _, c := range d.Changes {
		if n := len(d.Fields); n == 0 || d.Fields[n-1].Field != c.Field {
			d.Fields = append(d.Fields, fieldChanges{Field: c.Field})
		}
		f := &d.Fields[len(d.Fields)-1]
		switch {
		case len(f.Changes)+len(f.Moved) == maxChangeRow:
			f.Beyond++
		case c.Kind == explain.Moved:
			f.Moved = append(f.Moved, c)
		default:
			f.Changes = append(f.Changes, c)
		}
	}
	for _, c := range d.Fingerprints {
		if c.Same() && c.Name != "session" {
			d.Same = append(d.Same, c.Name)
		}
	}
	return d
}

// Summary says in a sentence how much differs.
func (d *difference) Summary() string {
	if len(d.Fields) == 0 {
		return "They differ in nothing but what changes on each connection."
	}
	s := "They differ in " + strconv.Itoa(len(d.Fields)) + " fields."
	if len(d.Fields) == 1 {
		s = "They differ in one field."
	}
	return s
}
