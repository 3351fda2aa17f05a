package policy

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/idna"
)

// A nameKind says which names an entry of a nameSet stands for.
type nameKind uint8

const (
	exactName  nameKind = 1 << iota // itself
	namesUnder                      // those under it
)

// A nameSet is a set of server names with wildcards.
type nameSet struct {
	kinds  map[string]nameKind // by the name in lower case, without a wildcard
	labels int                 // the most labels of a name that stands for those under it
}

func (s *nameSet) init(n int) { s.kinds = make(map[string]nameKind, n) }

func (s *nameSet) add(name string, kind nameKind) {
	s.kinds[name] |= kind
	if kind&namesUnder != 0 {
		s.labels = max(s.labels, strings.Count(name, ".")+1)
	}
}

const maxHostName = 253 // bytes, RFC 1035, section 2.3.4, without the root

// contains reports whether name is in s. One full stop at its end counts for nothing.
func (s *nameSet) contains(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if len(s.kinds) == 0 || name == "" || len(name) > maxHostName {
		return false
	}
	var buf [maxHostName]byte
	lower := buf[:len(name)]
	for i := range lower {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	if s.kinds[string(lower)]&exactName != 0 {
		return true
	}
	labels := 0
	for i := len(lower) - 1; i > 0 && labels < s.labels; i-- {
		if lower[i] != '.' {
			continue
		}
		labels++
		if s.kinds[string(lower[i+1:])]&namesUnder != 0 {
			return true
		}
	}
	return false
}

// parseName returns the name of an entry in lower case, without its wildcard.
func parseName(text string) (name string, kind nameKind, err error) {
	name, kind = text, exactName
	if rest, ok := strings.CutPrefix(text, "*."); ok {
		name, kind = rest, namesUnder
	} else if rest, ok := strings.CutPrefix(text, "."); ok {
		name, kind = rest, exactName|namesUnder
	}
	name = strings.TrimSuffix(name, ".")
	switch {
	case name == "":
		return "", 0, errors.New("has no name")
	case strings.Contains(text, "://"):
		return "", 0, errors.New("is a URL, not a server name")
	case strings.Contains(name, "*"):
		return "", 0, errors.New("has a * elsewhere than in *. at its beginning")
	}
	for i := range len(name) {
		if name[i] >= 0x80 {
			if name, err = idna.Lookup.ToASCII(name); err != nil {
				return "", 0, fmt.Errorf("is no server name: %w", err)
			}
			break
		}
	}
	if len(name) > maxHostName {
		return "", 0, fmt.Errorf("is no server name: it has %d bytes, and may have %d", len(name), maxHostName)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return "", 0, errors.New("is no server name: a part between full stops has 1 to 63 bytes")
		}
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		case c == ':':
			return "", 0, errors.New("is no server name: leave the port out")
		default:
			return "", 0, fmt.Errorf("is no server name: it has %q", c)
		}
	}
	return strings.ToLower(name), kind, nil
}
