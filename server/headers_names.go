package server

import (
	"net/http"
	"strings"
)

// A nameSet has the names of header fields that only [Headers] may set, or that it
// drops. It is a tree by the letters and digits of the names: the first node is the
// root. What it costs to look for a name depends on its length, not on how many
// names the set has, and most are not found at their first letter.
type nameSet []nameNode

type nameNode struct {
	next  [36]uint32 // the nodes after this one, for A to Z and 0 to 9; 0 is for none
	ends  bool       // a name of the set ends here
	opens bool       // any name that begins so is in the set
	parts bool       // any name that goes on with another byte than a letter or digit is
}

// add adds names to the set. An asterisk at the end of one stands for any ending.
func (s *nameSet) add(names ...string) {
	if len(*s) == 0 {
		*s = append(*s, nameNode{})
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		start, isPrefix := strings.CutSuffix(name, "*")
		at, inPart := uint32(0), false
		for i := range len(start) {
			c := nameByte(start[i])
			if inPart = c < 0; inPart {
				continue
			}
			if (*s)[at].next[c] == 0 {
				*s = append(*s, nameNode{})
				(*s)[at].next[c] = uint32(len(*s) - 1)
			}
			at = (*s)[at].next[c]
		}
		switch node := &(*s)[at]; {
		case !isPrefix:
			node.ends = true
		case inPart:
			node.parts = true
		default:
			node.opens = true
		}
	}
}

// has reports whether a backend may take name for one of the set. Backends that put
// fields into the environment replace a hyphen, or every byte that is neither letter
// nor digit, by an underscore (RFC 3875, section 4.1.18), and others drop such bytes:
// only letters and digits count, in any case.
func (s nameSet) has(name string) bool {
	node := &s[0]
	if node.opens {
		return true
	}
	for i := range len(name) {
		c := nameByte(name[i])
		if c < 0 {
			if node.parts {
				return true
			}
			continue
		}
		next := node.next[c]
		if next == 0 {
			return false
		}
		if node = &s[next]; node.opens {
			return true
		}
	}
	return node.ends
}

// nameByte returns the place of a letter or digit in a node, and -1 for any other
// byte.
func nameByte(b byte) int {
	switch {
	case 'a' <= b && b <= 'z':
		return int(b - 'a')
	case 'A' <= b && b <= 'Z':
		return int(b - 'A')
	case '0' <= b && b <= '9':
		return int(b-'0') + 26
	}
	return -1
}

// removeFrom removes the names from fields.
func (s nameSet) removeFrom(fields http.Header) {
	for name := range fields {
		if s.has(name) {
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
		if !s.has(name) {
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
		if s.has(name) {
			return true
		}
	}
	return false
}
