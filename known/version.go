package known

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// versionRange returns the versions as one text: all of them if they are few
// or are not numbers, and else the lowest and the highest.
func versionRange(versions []string) string {
	slices.SortFunc(versions, compareVersions)
	numbers := !slices.ContainsFunc(versions, func(v string) bool { return v[0] < '0' || v[0] > '9' })
	if len(versions) > 2 && numbers {
		return versions[0] + " to " + versions[len(versions)-1]
	}
	return strings.Join(versions, ", ")
}

// compareVersions compares number by number, and else as text.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		if errX != nil || errY != nil {
			return strings.Compare(a, b)
		}
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(as), len(bs))
}
