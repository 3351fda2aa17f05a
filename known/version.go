package known

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// versionRange returns the versions of one client as one text, and sorts them: a single
// one as it is; several as the lowest and the highest, "92 to 117", each as short as
// shortVersion makes it, or once if they are then the same; and a list of all where they
// are no numbers, such as the profiles of an impersonator.
func versionRange(versions []string) string {
	if len(versions) == 0 {
		return ""
	}
	slices.SortFunc(versions, compareVersions)
	if slices.ContainsFunc(versions, func(v string) bool { return !isNumber(v) }) {
		return strings.Join(versions, ", ")
	}
	low, high := versions[0], versions[len(versions)-1]
	if low == high {
		return low
	}
	low, high = shortVersion(low), shortVersion(high)
	if low == high || strings.HasPrefix(high, low+".") {
		return low
	}
	return low + rangeWord + high
}

// rangeWord is between the lowest and the highest of several versions.
const rangeWord = " to "

// isNumber reports whether a version begins with a digit.
func isNumber(v string) bool { return v != "" && '0' <= v[0] && v[0] <= '9' }

// shortVersion returns the numbers of a version that distinguish releases: the first
// one of programs that have reached 10 and so count by it, such as browsers and Node, and
// the first two of others.
func shortVersion(v string) string {
	major, rest, ok := strings.Cut(v, ".")
	if n, err := strconv.Atoi(major); !ok || err == nil && n >= 10 {
		return major
	}
	minor, _, _ := strings.Cut(rest, ".")
	return major + "." + minor
}

// joinVersions returns the range of the versions of two texts that versionRange made.
func joinVersions(a, b string) string {
	var versions []string
	for _, text := range [...]string{a, b} {
		for part := range strings.SplitSeq(text, ", ") {
			low, high, isRange := strings.Cut(part, rangeWord)
			if low != "" {
				versions = append(versions, low)
			}
			if isRange {
				versions = append(versions, high)
			}
		}
	}
	slices.SortFunc(versions, compareVersions)
	return versionRange(slices.Compact(versions))
}

// libraryRange returns TLS libraries as one text: those of one name with the range of
// their versions, "OpenSSL 3.0 to 3.5". It sorts the list.
func libraryRange(libraries []string) string {
	slices.Sort(libraries)
	libraries = slices.Compact(libraries)
	var names []string
	versions := make(map[string][]string)
	for _, l := range libraries {
		if l == "" {
			continue
		}
		name, version := cutVersion(l)
		if version == "" || len(libraries) == 1 {
			name, version = l, ""
		}
		if _, ok := versions[name]; !ok {
			names = append(names, name)
			versions[name] = nil
		}
		if version != "" {
			versions[name] = append(versions[name], version)
		}
	}
	for i, name := range names {
		if v := versionRange(versions[name]); v != "" {
			names[i] += " " + v
		}
	}
	return strings.Join(names, ", ")
}

// cutVersion returns the name of a library and its version, which is its first word
// that begins with a digit, or empty.
func cutVersion(library string) (name, version string) {
	words := strings.Fields(library)
	for i, w := range words {
		if i > 0 && isNumber(w) {
			return strings.Join(words[:i], " "), w
		}
	}
	return library, ""
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
