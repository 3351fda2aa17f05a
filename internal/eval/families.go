package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tlspeek/tlspeek/known"
)

// A split says which entries the database may not have when a hello is judged.
type split struct {
	name string
	out  func(l *labelled, e *known.Entry) bool
}

var splits = []split{
	{"all in the database", func(*labelled, *known.Entry) bool { return false }},
	{"without the client's version", func(l *labelled, e *known.Entry) bool {
		return e.Name == l.entry.Name && e.Version == l.entry.Version
	}},
	{"without the client", func(l *labelled, e *known.Entry) bool { return e.Name == l.entry.Name }},
	{"without the client's setting", func(l *labelled, e *known.Entry) bool {
		return e.Name == l.entry.Name && e.Version == l.entry.Version && setting(e.Source) == setting(l.file)
	}},
}

// setting returns the name of a capture without its run and its form.
func setting(file string) string {
	file, _, _ = strings.Cut(file, ".pcap")
	file = strings.TrimSuffix(file, "-mtu1500")
	if i := strings.LastIndex(file, "-r"); i > 0 && len(file)-i == 3 {
		file = file[:i]
	}
	return file
}

// families writes how often the first candidate, or one of the first three, is
// of the right family, for each split: where a client of that family and of
// the same transport is left in the database at all.
func families(w io.Writer, all []labelled, entries []known.Entry, verbose bool) error {
	for _, s := range splits {
		var n, top1, top3, name1, exact, library1 int
		confusion := make(map[[2]string]int)
		perFamily := make(map[string][3]int)
		matchers := make(map[string]*known.Matcher)
		for i := range all {
			l := &all[i]
			if l.entry.Family == "" || l.entry.Kind == known.KindImpersonator {
				continue
			}
			l.setJA4()
			var left []known.Entry
			id := l.entry.Name + "\x00" + l.entry.Version + "\x00" + setting(l.file)
			known1 := false
			for _, e := range entries {
				if s.out(l, &e) {
					continue
				}
				left = append(left, e)
				known1 = known1 || e.Family == l.entry.Family && e.Transport == l.observation.Hello.Transport.String()
			}
			if !known1 {
				continue
			}
			m := matchers[id]
			if m == nil {
				db, err := known.NewDatabase(left)
				if err != nil {
					return err
				}
				m = &known.Matcher{Database: db}
				matchers[id] = m
			}
			got := m.AppendCandidates(nil, &l.observation)
			n++
			f := perFamily[l.entry.Family]
			f[0]++
			first := "none"
			if len(got) > 0 {
				first = got[0].Family
				if got[0].Name == l.entry.Name {
					name1++
				}
				if got[0].Distance == 0 {
					exact++
				}
				if libraryOf(got[0].Library) == libraryOf(l.entry.Library) {
					library1++
				}
			}
			if first == l.entry.Family {
				top1++
				f[1]++
			}
			if slices.ContainsFunc(got[:min(3, len(got))], func(c known.Candidate) bool { return c.Family == l.entry.Family }) {
				top3++
				f[2]++
			}
			if first != l.entry.Family && verbose {
				fmt.Fprintf(w, "missed: %s %s (%s, %s): %v\n", l.entry.Name, l.entry.Version, l.entry.Family, l.file, brief(got))
			}
			perFamily[l.entry.Family] = f
			confusion[[2]string{l.entry.Family, first}]++
		}
		fmt.Fprintf(w, "\n%s: %d hellos, family right in first %.1f %%, in first three %.1f %%; TLS library right in first %.1f %%, name %.1f %%; shape known %.1f %%\n",
			s.name, n, percent(top1, n), percent(top3, n), percent(library1, n), percent(name1, n), percent(exact, n))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "family\thellos\tfirst\tin three\ttaken for")
		for _, family := range slices.Sorted(maps.Keys(perFamily)) {
			f := perFamily[family]
			fmt.Fprintf(t, "%s\t%d\t%.1f %%\t%.1f %%\t", family, f[0], percent(f[1], f[0]), percent(f[2], f[0]))
			for _, k := range slices.SortedFunc(maps.Keys(confusion), func(a, b [2]string) int { return confusion[b] - confusion[a] }) {
				if k[0] == family && k[1] != family {
					fmt.Fprintf(t, "%s %d  ", k[1], confusion[k])
				}
			}
			fmt.Fprintln(t)
		}
		t.Flush()
	}
	return nil
}

// libraryOf returns the name of a TLS library without its version.
func libraryOf(s string) string {
	name, _, _ := strings.Cut(s, " ")
	return name
}

func brief(list []known.Candidate) (out []string) {
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s/%s %d", c.Name, c.Family, c.Distance))
	}
	return out
}

func percent(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return 100 * float64(n) / float64(of)
}
