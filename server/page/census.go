package page

import (
	"strings"

	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A census knows which values the hellos of the known clients have.
type census struct {
	hellos []knownHello
	groups []clientGroup
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
		root := parser.Dissect(h)
		c.add(&root)
		k := knownHello{e, h}
		if c.client(k.ID()) == nil {
			c.hellos = append(c.hellos, k)
		}
	}
	c.group()
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

// ID names the client and what is special about the hello, as a form sends it.
func (k *knownHello) ID() string {
	return strings.Join([]string{k.Name, k.Version, k.hello.Transport.String(), k.Flags}, "|")
}

// title names the client in words.
func (k *knownHello) title() string {
	s := k.Name
	if k.Version != "" {
		s += " " + k.Version
	}
	if k.hello.Transport != parser.TLS {
		s += " over " + strings.ToUpper(k.hello.Transport.String())
	}
	return s
}

// client returns the hello with an ID, or nil.
func (c *census) client(id string) *knownHello {
	for i := range c.hellos {
		if c.hellos[i].ID() == id {
			return &c.hellos[i]
		}
	}
	return nil
}

// like returns the ID of a hello that the candidate sends, or "".
func (c *census) like(k *known.Candidate, transport string) string {
	for i := range c.hellos {
		h := &c.hellos[i]
		if h.Name == k.Name && h.hello.Transport.String() == transport && strings.HasPrefix(k.Version, h.Version) {
			return h.ID()
		}
	}
	return ""
}

// A clientGroup is clients of one kind, for a form.
type clientGroup struct {
	Kind    string
	Clients []clientChoice
}

// A clientChoice is a client that a form offers.
type clientChoice struct{ ID, Text string }

func (c *census) group() {
	for _, kind := range []known.Kind{known.KindBrowser, known.KindTool, known.KindLibrary, known.KindImpersonator, known.KindOther} {
		g := clientGroup{Kind: kind.String()}
		for i := range c.hellos {
			k := &c.hellos[i]
			if k.Kind != kind {
				continue
			}
			text := k.title()
			if k.Flags != "" {
				text += " (" + cut(k.Flags, 60) + ")"
			}
			g.Clients = append(g.Clients, clientChoice{k.ID(), text})
		}
		if len(g.Clients) > 0 {
			c.groups = append(c.groups, g)
		}
	}
}
