package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// A Route says which requests go to a backend.
type Route struct {
	// Host is the name in the Host field, in lower case and without a port. "*.example"
	// is for all names below example, and "" for every host.
	Host string

	// Path is the beginning of the path, in whole segments and decoded: "/api" is for
	// /api and /api/users, and not for /apis. "" is for every path.
	Path string

	Backend *Backend
}

// String returns host and path, or "default" for the route of all the rest.
func (r Route) String() string {
	if r.Host == "" && r.Path == "" {
		return "default"
	}
	return r.Host + r.Path
}

// ParseRoute parses "host=URL", "host/path=URL" or "/path=URL", with the URL of a
// backend. Of several routes that fit a request, that with the exact host is taken, then
// that with the longest wildcard, and then that for every host; among these the one with
// the longest path.
func ParseRoute(s string) (Route, error) {
	r, err := parseRoute(s)
	if err != nil {
		return Route{}, fmt.Errorf("route %q: %w", s, err)
	}
	return r, nil
}

func parseRoute(s string) (r Route, err error) {
	what, to, ok := strings.Cut(s, "=")
	if !ok {
		return r, errors.New("not host/path=URL")
	}
	if what == "" {
		return r, errors.New("neither host nor path: that is the default backend")
	}
	host, path := what, ""
	if i := strings.IndexByte(what, '/'); i >= 0 {
		host, path = what[:i], what[i:]
	}
	if r.Host, err = parseRouteHost(host); err != nil {
		return r, err
	}
	if r.Path, err = parseRoutePath(path); err != nil {
		return r, err
	}
	if r.Host == "" && r.Path == "" {
		return r, errors.New("for every host and path: that is the default backend")
	}
	r.Backend, err = ParseBackend(to)
	return r, err
}

func parseRouteHost(host string) (string, error) {
	if host == "" {
		return "", nil
	}
	name, isWildcard := strings.CutPrefix(host, "*.")
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, "."))
	if err != nil { // such as one with an underscore
		ascii = strings.ToLower(strings.TrimSuffix(name, "."))
	}
	if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && !isWildcard && addr.Zone() == "" {
		if addr.Is6() {
			return "[" + addr.String() + "]", nil
		}
		return addr.String(), nil
	}
	switch {
	case strings.Contains(ascii, "*"):
		return "", errors.New("a wildcard is the whole first label: *.example; for every host, write the path alone")
	case strings.Contains(ascii, ":"):
		return "", errors.New("write the host without scheme and port, such as shop.example")
	case ascii == "" || !validHost(ascii):
		return "", errors.New("no valid host")
	}
	if isWildcard {
		ascii = "*." + ascii
	}
	return ascii, nil
}

func parseRoutePath(path string) (string, error) {
	decoded, err := url.PathUnescape(path)
	switch {
	case err != nil:
		return "", err
	case strings.ContainsAny(path, "?#"):
		return "", errors.New("a path without query and fragment")
	case strings.HasSuffix(path, "*"):
		return "", errors.New("a path is for all below it: write /api in the place of /api/*, and %2A for an asterisk")
	case decoded != "" && canonicalPath(decoded) != decoded || hasDots(decoded):
		return "", errors.New("a path without empty segments, dots and parameters")
	}
	return strings.TrimRight(decoded, "/"), nil
}

// A target is a Route with what serves it.
type target struct {
	Route
	name string
	*upstream
}

// A routeTable finds the target of a request.
type routeTable struct {
	exact, below map[string][]*target // by host; in order of their paths, the longest first
	any          []*target
}

func (t *routeTable) add(to *target) {
	longestFirst := func(list []*target) []*target {
		list = append(list, to)
		slices.SortStableFunc(list, func(a, b *target) int { return len(b.Path) - len(a.Path) })
		return list
	}
	switch name, isWildcard := strings.CutPrefix(to.Host, "*."); {
	case to.Host == "":
		t.any = longestFirst(t.any)
	case isWildcard:
		t.below[name] = longestFirst(t.below[name])
	default:
		t.exact[name] = longestFirst(t.exact[name])
	}
}

// lists calls yield with the targets of host, those that count first coming first, until
// it returns false.
func (t *routeTable) lists(host string, yield func([]*target) bool) {
	if !yield(t.exact[host]) {
		return
	}
	for rest := host; len(t.below) > 0; {
		_, parent, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		if !yield(t.below[parent]) {
			return
		}
		rest = parent
	}
	yield(t.any)
}

// find returns the target for a host, as routeHost returns it, and a path, or nil.
func (t *routeTable) find(host, path string) (found *target) {
	t.lists(host, func(list []*target) bool {
		for _, to := range list {
			if hasSegments(path, to.Path) {
				found = to
				return false
			}
		}
		return true
	})
	return found
}

// resolve is find for the path of a request. It returns false for one that a backend may
// read as another that it should not get: with other routes, or outside its own path.
func (t *routeTable) resolve(host, path string) (*target, bool) {
	to := t.find(host, path)
	if !isAmbiguous(path) {
		return to, true
	}
	if t.find(host, canonicalPath(path)) != to {
		return nil, false
	}
	if (hasDots(path) || strings.Contains(unescape(path), "\x00")) && (t.hasPaths(host) || to != nil && to.Backend.path.Path != "") {
		return nil, false
	}
	return to, true
}

// hasPaths reports whether the target depends on the path.
func (t *routeTable) hasPaths(host string) (has bool) {
	t.lists(host, func(list []*target) bool {
		has = len(list) > 0 && list[0].Path != ""
		return !has
	})
	return has
}

// hasSegments reports whether path begins with the segments of prefix.
func hasSegments(path, prefix string) bool {
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || prefix == "" || path[len(prefix)] == '/')
}

// isAmbiguous reports whether servers may read a decoded path differently.
func isAmbiguous(path string) bool {
	for i := range len(path) {
		switch path[i] {
		case '%', '\\', ';', 0:
			return true
		case '/':
			if i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.') {
				return true
			}
		}
	}
	return false
}

// unescape decodes path until nothing in it is encoded. Like many servers, it leaves what
// is no valid escape.
func unescape(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	decoded := make([]byte, 0, len(path))
	for i := range len(path) {
		decoded = append(decoded, path[i])
		for n := len(decoded); n >= 3 && decoded[n-3] == '%'; n = len(decoded) { // which may complete another one
			high, low := hexDigit(decoded[n-2]), hexDigit(decoded[n-1])
			if high < 0 || low < 0 {
				break
			}
			decoded = append(decoded[:n-3], byte(high<<4|low))
		}
	}
	return string(decoded)
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// decodePath decodes what a server could decode of a decoded path: what was encoded
// several times, and backslashes. It ends the path at a NUL byte, and removes parameters of
// segments.
func decodePath(path string) string {
	path = unescape(path)
	path, _, _ = strings.Cut(path, "\x00")
	path = strings.ReplaceAll(path, `\`, "/")
	if !strings.Contains(path, ";") {
		return path
	}
	var b strings.Builder
	inParameter := false
	for i := range len(path) {
		switch path[i] {
		case ';':
			inParameter = true
		case '/':
			inParameter = false
		}
		if !inParameter {
			b.WriteByte(path[i])
		}
	}
	return b.String()
}

// canonicalPath returns path, decoded once, as the most lenient server reads it.
func canonicalPath(path string) string {
	decoded := decodePath(path)
	var kept []string
	for segment := range strings.SplitSeq(decoded, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	path = "/" + strings.Join(kept, "/")
	if strings.HasSuffix(decoded, "/") && len(kept) > 0 {
		path += "/"
	}
	return path
}

// hasDots reports whether a server may find a segment . or .. in a decoded path.
func hasDots(path string) bool {
	for segment := range strings.SplitSeq(decodePath(path), "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
