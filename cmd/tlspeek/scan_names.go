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

func (n *clientNames) checkClient(pattern string) error {
	return checkName(pattern, "client", known.NamesOf(n.clients).Clients, func() []string {
		return n.alsoNamed(pattern, func(e *known.Entry) string { return e.Name })
	})
}

func (n *clientNames) checkFamily(pattern string) error {
	return checkName(pattern, "family", known.NamesOf(n.clients).Families, func() []string {
		return n.alsoNamed(pattern, func(e *known.Entry) string { return e.Family })
	})
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
