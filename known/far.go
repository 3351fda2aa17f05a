package known

import (
	"cmp"
	"slices"
	"strings"
)

// namedDistance is how far, in thousandths, a hello may be from a known one to be named
// after its client. Of clients that others published and the database lacked, the nearest
// had the right name in two thirds of the hellos up to 150, in a quarter of those up to 200,
// and in a tenth beyond; make eval prints how many.
const namedDistance = 200

// nameLibraries puts a TLS library, or a family, in the place of each client that is
// farther than namedDistance, keeps one of each, and drops imitations and proxies, whose
// library nobody knows. It changes the list and returns what is left of it.
func nameLibraries(list []Candidate) []Candidate {
	kept := list[:0]
	for _, c := range list {
		if c.Distance > namedDistance {
			if c.Kind == KindImpersonator || c.Kind == KindProxy {
				continue
			}
			c.Name, c.Version, c.Kind = cmp.Or(libraryName(c.Library), c.Family, c.Name), "", KindLibrary
			if slices.ContainsFunc(kept, func(o Candidate) bool { return o.Distance > namedDistance && o.Name == c.Name && o.Family == c.Family }) {
				continue
			}
		}
		kept = append(kept, c)
	}
	return kept
}

// libraryName returns the name of a TLS library without its version and remarks.
func libraryName(library string) string {
	if i := strings.IndexAny(library, "(,"); i >= 0 {
		library = library[:i]
	}
	for i := 0; i+1 < len(library); i++ {
		if next := library[i+1]; library[i] == ' ' && next >= '0' && next <= '9' {
			library = library[:i]
		}
	}
	return strings.TrimSuffix(strings.TrimSpace(library), " OpenJDK")
}
