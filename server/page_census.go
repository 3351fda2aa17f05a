package server

import (
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A census knows which values the hellos of the known clients have.
type census struct {
	hellos []knownHello
	values map[censusKey]bool
}

type censusKey struct {
	field string
	value uint64
}

// A knownHello is a client of the database with the hello that it sends.
type knownHello struct {
	known.Entry
	hello *parser.ClientHello
}

// takeCensus reads the built-in clients that come with a hello.
func takeCensus() (*census, error) {
	entries, err := known.BuiltinEntries()
	if err != nil {
		return nil, err
	}
	c := &census{values: make(map[censusKey]bool)}
	for _, e := range entries {
		h, err := e.ParseHello()
		if err != nil {
			return nil, err
		}
		if h == nil {
			continue
		}
		c.hellos = append(c.hellos, knownHello{e, h})
		root := parser.Dissect(h)
		c.add(&root)
	}
	return c, nil
}

func (c *census) add(f *parser.Field) {
	if v, ok := f.Value.(uint64); ok && registered[f.Name] {
		c.values[censusKey{f.Name, v}] = true
	}
	for i := range f.Children {
		c.add(&f.Children[i])
	}
}

// never reports whether no known client sends the value.
func (c *census) never(field string, v uint64) bool { return !c.values[censusKey{field, v}] }
