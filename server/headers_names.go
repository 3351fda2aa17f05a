package server

import (
	"net/http"
	"strings"

	"github.com/tlspeek/tlspeek/internal/fieldname"
)

// A nameSet has the names of header fields that only [Headers] may set, or that it
// drops.
type nameSet struct{ fieldname.Set }

// removeFrom removes the names from fields.
func (s nameSet) removeFrom(fields http.Header) {
	for name := range fields {
		if s.Has(name) {
			delete(fields, name)
		}
	}
}

// without returns fields without the names, and with room for more. A map that has to grow
// for them takes longer.
func (s nameSet) without(fields http.Header, more int) http.Header {
	const moreOfProxies = 4 // X-Forwarded-For and the like
	kept := make(http.Header, len(fields)+more+moreOfProxies)
	for name, values := range fields {
		if !s.Has(name) {
			kept[name] = values
		}
	}
	return kept
}

// removeFromConnection removes the names from the Connection field. With it a
// client asks proxies to remove fields (RFC 9110, section 7.6.1). Old ones obey
// Proxy-Connection.
func (s nameSet) removeFromConnection(fields http.Header) {
	s.removeFromOptions(fields, "Connection")
	s.removeFromOptions(fields, "Proxy-Connection")
}

func (s nameSet) removeFromOptions(fields http.Header, field string) {
	values := fields[field]
	named := false
	for _, value := range values {
		for option := range strings.SplitSeq(value, ",") {
			named = named || s.isNamedIn(option)
		}
	}
	if !named {
		return
	}
	var kept []string
	for _, value := range values {
		for option := range strings.SplitSeq(value, ",") {
			if option = strings.Trim(option, " \t"); option != "" && !s.isNamedIn(option) {
				kept = append(kept, option)
			}
		}
	}
	if len(kept) == 0 {
		delete(fields, field)
		return
	}
	fields[field] = []string{strings.Join(kept, ", ")}
}

// isNamedIn reports whether the set has option, or a name in it: a proxy may begin
// anew after a byte that no name has.
func (s nameSet) isNamedIn(option string) bool {
	notInName := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }
	for name := range strings.FieldsFuncSeq(option, notInName) {
		if s.Has(name) {
			return true
		}
	}
	return false
}
