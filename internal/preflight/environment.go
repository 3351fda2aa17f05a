package preflight

import (
	"regexp"
	"strings"

	"github.com/tlspeek/tlspeek/internal/nearest"
)

// injected matches the variables that Kubernetes and Docker set for a service of the
// name of this program: TLSPEEK_SERVICE_HOST, TLSPEEK_PORT_443_TCP_ADDR.
var injected = regexp.MustCompile(`_(SERVICE_(HOST|PORT)|PORT$|PORT_\d+_(TCP|UDP))`)

// Environment warns of variables that begin with prefix and are not in names.
// environ is as os.Environ returns it.
func (r *Report) Environment(environ []string, prefix string, names []string) {
	known := make(map[string]bool)
	for _, n := range names {
		known[n] = true
	}
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, prefix) || known[name] || injected.MatchString(name) {
			continue
		}
		advice := "remove it"
		if near := nearestVariable(name, prefix, names); near != "" {
			advice = "did you mean " + near + "?"
		}
		r.Warn(name, "is not the variable of any flag, and has no effect", advice)
	}
}

// nearestVariable returns the name that s is most likely meant to be, or "": one that is the
// same in more than half of what follows the prefix.
func nearestVariable(s, prefix string, names []string) (best string) {
	s = strings.ToUpper(strings.TrimPrefix(s, prefix))
	limit := (len(s) + 1) / 2
	for _, n := range names {
		if d := nearest.Distance(s, strings.TrimPrefix(n, prefix)); d < limit {
			best, limit = n, d
		}
	}
	return best
}
