package page

import (
	"strings"

	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A clientIndex has the known clients that come with a hello, and the values that
// their hellos have.
type clientIndex struct {
	hellos []knownHello
	groups []clientGroup
	values map[fieldValue]bool
}

// A fieldValue is a value in a field of a hello.
type fieldValue struct {
	field string
	value uint64
}

// A knownHello is a client of the database with the hello that it sends.
type knownHello struct {
	known.Entry
	hello *parser.ClientHello
}

// loadClients reads the built-in clients that come with a hello.
func loadClients() (*clientIndex, error) {
	entries, err := known.BuiltinEntries()
	if err != nil {
		return nil, err
	}
	c := &clientIndex{values: make(map[fieldValue]bool)}
	for _, e := range entries {
		h, err := e.ParseHello()
		if err != nil {
			return nil, err
		}
		if h == nil {
			continue
		}
		root := parser.Dissect(h)
		c.addValues(&root)
		k := knownHello{e, h}
		if c.byID(k.ID()) == nil {
			c.hellos = append(c.hellos, k)
		}
	}
	c.groupByKind()
	return c, nil
}

// addValues adds the values of f that a registry names.
func (c *clientIndex) addValues(f *parser.Field) {
	if v, ok := f.Value.(uint64); ok && registered[f.Name] {
		c.values[fieldValue{f.Name, v}] = true
	}
	for i := range f.Children {
		c.addValues(&f.Children[i])
	}
}

// isUnseen reports whether no known client sends the value.
func (c *clientIndex) isUnseen(field string, v uint64) bool { return !c.values[fieldValue{field, v}] }

// ID identifies the client and the variant of its hello in forms.
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

// byID returns the hello with an ID, or nil.
func (c *clientIndex) byID(id string) *knownHello {
	for i := range c.hellos {
		if c.hellos[i].ID() == id {
			return &c.hellos[i]
		}
	}
	return nil
}

// find returns the ID of a hello that the candidate sends, or "".
func (c *clientIndex) find(k *known.Candidate, transport string) string {
	first, _, _ := strings.Cut(k.Version, " to ")
	for i := range c.hellos {
		h := &c.hellos[i]
		if h.Name == k.Name && h.hello.Transport.String() == transport &&
			(strings.HasPrefix(k.Version, h.Version) || strings.HasPrefix(h.Version, first+".")) {
			return h.ID()
		}
	}
	return ""
}

// A clientGroup has the clients of one kind, for a form.
type clientGroup struct {
	Kind    string
	Clients []clientChoice
}

// A clientChoice is one client in a form.
type clientChoice struct{ ID, Text string }

func (c *clientIndex) groupByKind() {
	for _, kind := range []known.Kind{known.KindBrowser, known.KindTool, known.KindLibrary, known.KindImpersonator, known.KindProxy, known.KindMalware, known.KindOther} {
		g := clientGroup{Kind: kind.String()}
		for i := range c.hellos {
			k := &c.hellos[i]
			if k.Kind != kind {
				continue
			}
			text := k.title()
			if k.Flags != "" {
				text += " (" + truncate(k.Flags, 60) + ")"
			}
			g.Clients = append(g.Clients, clientChoice{k.ID(), text})
		}
		if len(g.Clients) > 0 {
			c.groups = append(c.groups, g)
		}
	}
}
