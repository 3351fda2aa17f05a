package server

import (
	"net/http"
	"strings"
)

// A nameSet has the names of header fields that only [Headers] may set, in a list
// for each length, modulo the number of lists. That of most fields of a request is
// empty.
type nameSet [32][]string

func (s *nameSet) add(names ...string) {
	for _, name := range names {
		list := &s[len(name)%len(s)]
		*list = append(*list, name)
	}
}

// has reports whether a backend may take name for one of the set.
func (s *nameSet) has(name string) bool {
	list := s[len(name)%len(s)]
	return len(list) > 0 && isOneOf(name, list) // inlined up to the call
}

func isOneOf(name string, list []string) bool {
	for _, own := range list {
		if sameCGIName(name, own) {
			return true
		}
	}
	return false
}

// removeFrom removes the names from fields.
func (s *nameSet) removeFrom(fields http.Header) {
	for name := range fields {
		if s.has(name) {
			delete(fields, name)
		}
	}
}

// removeFromConnection removes the names from the Connection field. With it a
// client asks proxies to remove fields (RFC 9110, section 7.6.1).
func (s *nameSet) removeFromConnection(fields http.Header) {
	named := false
	var kept []string
	for _, value := range fields["Connection"] {
		for option := range strings.SplitSeq(value, ",") {
			option = strings.Trim(option, " \t")
			if s.has(option) {
				named = true
			} else if option != "" {
				kept = append(kept, option)
			}
		}
	}
	switch {
	case !named:
	case len(kept) == 0:
		delete(fields, "Connection")
	default:
		fields["Connection"] = []string{strings.Join(kept, ", ")}
	}
}

// sameCGIName reports whether a backend may take name for own. Backends that put
// fields into the environment replace a hyphen, or every byte that is neither
// letter nor digit, by an underscore.
func sameCGIName(name, own string) bool {
	if len(name) != len(own) {
		return false
	}
	for i := range len(name) {
		if cgiByte(name[i]) != cgiByte(own[i]) {
			return false
		}
	}
	return true
}

// cgiByte returns the byte that b, of a field's name, becomes in the name of a
// CGI variable (RFC 3875, section 4.1.18).
func cgiByte(b byte) byte {
	switch {
	case 'a' <= b && b <= 'z':
		return b - 'a' + 'A'
	case 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return b
	}
	return '_'
}
