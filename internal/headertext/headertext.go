// Package headertext writes what is known of a client as text for a backend: in header
// fields and in the PROXY protocol.
package headertext

import (
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/known"
)

// Near is the distance within which a client counts as the one that sent a hello, and
// maxClients how many that are as near are named.
const (
	near       = 100
	maxClients = 8
)

// NearestNames returns the names of those candidates that are as near as the
// first, each once. It returns none if that one is far.
func NearestNames(candidates []known.Candidate) (names []string) {
	for i := range candidates {
		c := &candidates[i]
		if c.Distance != candidates[0].Distance || c.Distance >= near || len(names) == maxClients {
			break
		}
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// List returns names as the value of a field: separated by a comma and a space, with \x2c
// for a comma within a name.
func List(names []string) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = strings.ReplaceAll(ASCII(name), ",", `\x2c`)
	}
	return strings.Join(texts, ", ")
}

// ASCII returns s with \xNN for each byte that is not printable ASCII, which
// neither a string of RFC 9651 nor a portable header field may have.
// parser.UnescapeText reads them back.
func ASCII(s string) string {
	isPrintable := func(b byte) bool { return ' ' <= b && b <= '~' }
	i := 0
	for i < len(s) && isPrintable(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	const digits = "0123456789abcdef"
	b := append(make([]byte, 0, len(s)+16), s[:i]...)
	for ; i < len(s); i++ {
		if isPrintable(s[i]) {
			b = append(b, s[i])
		} else {
			b = append(b, '\\', 'x', digits[s[i]>>4], digits[s[i]&15])
		}
	}
	return string(b)
}
