// Package fieldname finds names of header fields that a backend may take for those of a set.
package fieldname

import "strings"

// A Set has names of header fields. It is a tree by the letters and digits of the names: the
// first node is the root. What it costs to look for a name depends on its length, not on how
// many names the set has, and most are not found at their first letter. Make one with New, or
// add a name to the zero value before asking it.
type Set []node

type node struct {
	next  [36]uint32 // the nodes after this one, for A to Z and 0 to 9; 0 is for none
	ends  bool       // a name of the set ends here
	opens bool       // any name that begins so is in the set
	parts bool       // any name that goes on with another byte than a letter or digit is
}

// Add adds names to the set. An asterisk at the end of one stands for any ending; behind a
// hyphen or the like, for endings that such a byte parts from the rest: "X-Forwarded-*" has
// X-Forwarded-For, and not X-ForwardedFor.
func (s *Set) Add(names ...string) {
	if len(*s) == 0 {
		*s = append(*s, node{})
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		start, isPrefix := strings.CutSuffix(name, "*")
		at, inPart := uint32(0), false
		for i := range len(start) {
			c := place(start[i])
			if inPart = c < 0; inPart {
				continue
			}
			if (*s)[at].next[c] == 0 {
				*s = append(*s, node{})
				(*s)[at].next[c] = uint32(len(*s) - 1)
			}
			at = (*s)[at].next[c]
		}
		switch last := &(*s)[at]; {
		case !isPrefix:
			last.ends = true
		case inPart:
			last.parts = true
		default:
			last.opens = true
		}
	}
}

// Has reports whether a backend may take name for one of the set. Backends that put
// fields into the environment replace a hyphen, or every byte that is neither letter
// nor digit, by an underscore (RFC 3875, section 4.1.18), and others drop such bytes:
// only letters and digits count, in any case.
func (s Set) Has(name string) bool {
	at := &s[0]
	if at.opens {
		return true
	}
	for i := range len(name) {
		c := place(name[i])
		if c < 0 {
			if at.parts {
				return true
			}
			continue
		}
		next := at.next[c]
		if next == 0 {
			return false
		}
		if at = &s[next]; at.opens {
			return true
		}
	}
	return at.ends
}

// place returns the place of a letter or digit in a node, and -1 for any other
// byte.
func place(b byte) int {
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

// New returns the set of names, as Add takes them.
func New(names ...string) Set {
	s := Set{{}}
	s.Add(names...)
	return s
}
