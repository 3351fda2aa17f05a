package filter

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/internal/nearest"
)

// maxNear is how many names Near returns at most, and maxNearText how long a text is that
// it looks at.
const (
	maxNear     = 3
	maxNearText = 64
)

// HasName reports whether a pattern matches one of the names.
func HasName(pattern string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return matchAny([]string{pattern}, name) })
}

// Near returns the names that are most likely meant by text, which is none of them: those
// that it is a part of, at best at the beginning of a word, the shortest first; or else
// those that [nearest.Names] finds.
func Near(text string, names []string) (near []string) {
	if text == "" || len(text) > maxNearText {
		return nil
	}
	text = strings.ToLower(text)
	inside := make(map[string]int) // 1 for a name in which a word does not begin with text
	for _, name := range names {
		lower := strings.ToLower(name)
		i := strings.Index(lower, text)
		if i < 0 {
			continue
		}
		if i > 0 && !strings.ContainsAny(lower[i-1:i], " -/") {
			inside[name] = 1
		}
		near = append(near, name)
	}
	if len(near) == 0 {
		return nearest.Names(text, names)
	}
	slices.SortStableFunc(near, func(a, b string) int {
		return cmp.Or(cmp.Compare(inside[a], inside[b]), cmp.Compare(len(a), len(b)))
	})
	return near[:min(len(near), maxNear)]
}
