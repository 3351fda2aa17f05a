package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/filter"
	"github.com/tlspeek/tlspeek/known"
)

// clientNames has the names that clients and families may have.
type clientNames struct {
	clients *known.Database // the user's own; nil without any
	file    string          // of them
}

// checkClient checks a value of the flag --client or --not-client. prefix stands before
// the names of flags.
func (n *clientNames) checkClient(pattern, prefix string) error {
	if other := n.otherFlag(pattern, prefix, "client"); other != nil {
		return other
	}
	return checkName(pattern, "client", known.NamesOf(n.clients).Clients, func() []string {
		return n.alsoNamed(pattern, func(e *known.Entry) string { return e.Name })
	})
}

func (n *clientNames) checkFamily(pattern, prefix string) error {
	if other := n.otherFlag(pattern, prefix, "family"); other != nil {
		return other
	}
	return checkName(pattern, "family", known.NamesOf(n.clients).Families, func() []string {
		return n.alsoNamed(pattern, func(e *known.Entry) string { return e.Family })
	})
}

// otherFlag says that what is none of a kind of names is one of another kind.
func (n *clientNames) otherFlag(pattern, prefix, kind string) error {
	names := known.NamesOf(n.clients)
	kinds := []struct {
		flag  string
		names []string
	}{{"client", names.Clients}, {"family", names.Families}, {"kind", known.KindNames()}}
	for _, k := range kinds {
		if k.flag == kind && filter.HasName(pattern, k.names) {
			return nil
		}
	}
	for _, k := range kinds {
		i := slices.IndexFunc(k.names, func(name string) bool { return strings.EqualFold(name, pattern) })
		if k.flag != kind && i >= 0 {
			value := k.names[i]
			if strings.Contains(value, " ") {
				value = "'" + value + "'"
			}
			return fmt.Errorf("no such %s: %s is a %s: write %s%s %s", kind, k.names[i], k.flag, prefix, k.flag, value)
		}
	}
	return nil
}

func checkKind(pattern string) error {
	names := known.KindNames()
	err := checkName(pattern, "kind", names, nil)
	if err != nil {
		err = fmt.Errorf("%w: use one of %s", err, strings.Join(names, ", "))
	}
	return err
}

func checkTell(pattern string) error { return checkName(pattern, "tell", known.TellNames(), nil) }

// checkName returns an error unless the pattern matches one of the names of a kind. also
// returns those that are meant by other names; it may be nil.
func checkName(pattern, kind string, names []string, also func() []string) error {
	if pattern == known.Unknown && kind != "tell" || filter.HasName(pattern, names) {
		return nil
	}
	if filter.IsPattern(pattern) {
		return fmt.Errorf("matches no known %s", kind)
	}
	var meant []string
	if also != nil && len(pattern) > 2 {
		meant = also()
	}
	for _, name := range filter.Near(pattern, names) {
		if !slices.Contains(meant, name) {
			meant = append(meant, name)
		}
	}
	if len(meant) == 0 {
		return fmt.Errorf("no such %s", kind)
	}
	return fmt.Errorf("no such %s (did you mean %s?)", kind, strings.Join(meant[:min(len(meant), 3)], " or "))
}

// alsoNamed returns what nameOf returns of the clients that are also known by another name,
// such as Chromium for chrome: the two with the most known hellos.
func (n *clientNames) alsoNamed(name string, nameOf func(*known.Entry) string) []string {
	entries, err := clientfile.WithBuiltin(n.file)
	if err != nil {
		return nil // who reads the clients says so
	}
	hellos := make(map[string]int)
	var names []string
	for i := range entries {
		if e := &entries[i]; e.Kind != known.KindImpersonator && isNamed(e, name) {
			if hellos[nameOf(e)]++; hellos[nameOf(e)] == 1 {
				names = append(names, nameOf(e))
			}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(hellos[b], hellos[a]) })
	return names[:min(len(names), 2)]
}
