package known

import (
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// A hello does not show which program sent it where the program's library sends the
// same by itself. So such a shape has one more client, which comes before the programs:
// their family, as a library.

// maxGeneric is the number of clients of a shape of which it can be told that they stand
// for a family.
const maxGeneric = 64

// familiesOf returns the clients that stand for the families of a shape's clients:
// for each family of which several programs send the shape; and for each with one
// program, if the family is a TLS library, and the program is not a part of it. Over
// QUIC such a program is more than its library, from which the transport parameters are
// not. Browsers' families have none, nor has one whose library itself is among the clients.
func familiesOf(clients []Candidate, t parser.Transport) (generic []Candidate) {
	var families []*family // in the order of their first client
	byName := make(map[string]*family)
	for i := range clients {
		c := &clients[i]
		if c.Family == "" || isBrowserName(c.Family) || c.Kind != KindLibrary && c.Kind != KindTool {
			continue
		}
		f := byName[c.Family]
		if f == nil {
			f = &family{name: c.Family}
			byName[c.Family] = f
			families = append(families, f)
		}
		f.add(c)
	}
	for _, f := range families {
		if !f.hasLibrary && (f.programs > 1 || f.isLibrary && !f.hasPart && t != parser.QUIC) {
			generic = append(generic, f.candidate())
		}
	}
	return generic
}

// familiesFrom returns familiesOf all clients of the groups from index i on that have the
// key of the first: a hello that does not show the optional parts has the shape of all.
func (b *builder) familiesFrom(i int) []Candidate {
	var clients []Candidate
	for _, g := range b.groups[i:] {
		if g.key != b.groups[i].key {
			break
		}
		if !g.scanner {
			clients = append(clients, g.clients...)
		}
	}
	return familiesOf(merge(clients), b.groups[i].transport)
}

// withFamily returns those of standing, which stand for families, whose family one of the
// clients belongs to.
func withFamily(standing, clients []Candidate) (generic []Candidate) {
	if len(standing) == 0 {
		return nil
	}
	families := make(map[string]bool)
	for i := range clients {
		if c := &clients[i]; c.Kind == KindLibrary || c.Kind == KindTool {
			families[c.Family] = true
		}
	}
	for _, s := range standing {
		if families[s.Family] {
			generic = append(generic, s)
		}
	}
	return generic
}

// A family collects what is known of a family from its clients of one shape.
type family struct {
	name       string
	isLibrary  bool // it is that of a TLS library
	hasLibrary bool // the library itself is among the clients
	hasPart    bool // a part of it is, such as Go net/http
	captured   bool // one is not known from records of others alone
	programs   int
	libraries  []string
	versions   []string // distinct, at most two
}

func (f *family) add(c *Candidate) {
	f.isLibrary = f.isLibrary || beginsWithName(c.Library, f.name)
	f.hasLibrary = f.hasLibrary || isLibraryItself(c)
	f.hasPart = f.hasPart || c.Kind == KindLibrary && beginsWithName(c.Name, f.name)
	f.captured = f.captured || !c.Recorded
	f.programs++
	f.libraries = append(f.libraries, c.Library)
	if len(f.versions) < 2 && !slices.Contains(f.versions, c.Version) {
		f.versions = append(f.versions, c.Version)
	}
}

// candidate returns the client that stands for the family.
func (f *family) candidate() Candidate {
	c := Candidate{Name: f.name, Family: f.name, Library: libraryRange(f.libraries), Kind: KindLibrary, Recorded: !f.captured}
	switch name, _ := cutVersion(c.Library); {
	case f.isLibrary && !strings.Contains(c.Library, ", "):
		c.Version = strings.TrimPrefix(c.Library[len(name):], " ")
	case !f.isLibrary && len(f.versions) == 1: // then it is that of the runtime whose parts they are
		c.Version = f.versions[0]
	}
	return c
}

// isLibraryItself reports whether a client is what makes the hellos of its family: the
// family has its name, as rustls and OpenSSL+curl have, or its TLS library has.
func isLibraryItself(c *Candidate) bool {
	_, user, _ := strings.Cut(c.Family, "+")
	return c.Name == c.Family || c.Name == user || c.Kind != KindImpersonator && beginsWithName(c.Library, c.Name)
}

// beginsWithName reports whether text begins with a name and a character that is not
// part of it.
func beginsWithName(text, name string) bool {
	rest, ok := strings.CutPrefix(text, name)
	return ok && name != "" && (rest == "" || rest[0] == ' ' || rest[0] == '/')
}

func isBrowserName(s string) bool {
	return s == chromium.name() || s == firefox.name() || s == safari.name()
}
