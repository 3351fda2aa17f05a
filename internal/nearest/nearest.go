// Package nearest finds the name that somebody may have meant.
package nearest

import (
	"slices"
	"strings"
)

// maxNames is how many names are as near as each other at most: more are no help.
const maxNames = 3

// Names returns the names that are most like name, in their order: those that differ
// from it in the fewest characters, whatever their case, and in at most a third of its
// own, or in one. Those that differ in more than one begin like it, or with its first two
// characters swapped. It returns nil if there is none.
func Names(name string, names []string) (found []string) {
	limit := max(1, len([]rune(name))/3)
	lower := strings.ToLower(name)
	for _, n := range names {
		switch d := Distance(lower, strings.ToLower(n)); {
		case d > limit, d > 1 && !beginsLike(lower, strings.ToLower(n)):
		case d < limit:
			found, limit = append(found[:0], n), d
		case !slices.Contains(found, n) && len(found) < maxNames:
			found = append(found, n)
		}
	}
	return found
}

// beginsLike reports whether a and b have the same first character, or the same first two
// the other way round.
func beginsLike(a, b string) bool {
	ra, rb := []rune(a), []rune(b)
	if len(ra) == 0 || len(rb) == 0 {
		return false
	}
	return ra[0] == rb[0] || len(ra) > 1 && len(rb) > 1 && ra[0] == rb[1] && ra[1] == rb[0]
}

// Hint returns "did you mean x or y?" with what Names returns, or "".
func Hint(name string, names []string) string {
	found := Names(name, names)
	if len(found) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(found, " or ") + "?"
}

// Distance returns how many characters have to be inserted, removed, replaced, or
// swapped with the next one, to turn a into b (optimal string alignment).
func Distance(a, b string) int {
	ra, rb := []rune(a), []rune(b)
	before, last, row := make([]int, len(rb)+1), make([]int, len(rb)+1), make([]int, len(rb)+1)
	for j := range last {
		last[j] = j
	}
	for i := range ra {
		row[0] = i + 1
		for j := range rb {
			replaced := last[j]
			if ra[i] != rb[j] {
				replaced++
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, replaced)
			if i > 0 && j > 0 && ra[i] == rb[j-1] && ra[i-1] == rb[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(rb)]
}
