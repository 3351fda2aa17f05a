package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tlspeek/tlspeek/known"
)

// A split says which entries are left out of the database when a hello is judged.
type split struct {
	name     string
	leaveOut func(l *labelled, e *known.Entry) bool
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

// setting returns the name of a capture without the number of its run and without its
// form.
func setting(file string) string {
	file, _, _ = strings.Cut(file, ".pcap")
	file = strings.TrimSuffix(file, "-mtu1500")
	if i := strings.LastIndex(file, "-r"); i > 0 && len(file)-i == 3 {
		file = file[:i]
	}
	return file
}

// families writes, for each split, how often the first candidate is of the right
// family, and how often one of the first three is. It skips hellos if the database has
// no entry of their family and transport left.
func families(w io.Writer, all []labelled, entries []known.Entry, verbose bool) error {
	for _, s := range splits {
		counts := familyCounts{families: make(map[string]*familyCount)}
		matchers := make(map[string]*known.Matcher) // by what the split depends on
		for i := range all {
			l := &all[i]
			if l.entry.Family == "" || l.entry.Kind == known.KindImpersonator {
				continue
			}
			l.setJA4()
			left := s.entriesFor(l, entries)
			if !hasFamily(left, l) {
				continue
			}
			id := l.entry.Name + "\x00" + l.entry.Version + "\x00" + setting(l.file)
			if matchers[id] == nil {
				db, err := known.NewDatabase(left)
				if err != nil {
					return err
				}
				matchers[id] = &known.Matcher{Database: db}
			}
			candidates := matchers[id].AppendCandidates(nil, &l.observation)
			if right := counts.add(l, candidates); !right && verbose {
				fmt.Fprintf(w, "missed: %s %s (%s, %s): %v\n", l.entry.Name, l.entry.Version, l.entry.Family, l.file, brief(candidates))
			}
		}
		counts.write(w, s.name)
	}
	return nil
}

// entriesFor returns the entries that the database has when l is judged.
func (s *split) entriesFor(l *labelled, entries []known.Entry) (left []known.Entry) {
	for i := range entries {
		if !s.leaveOut(l, &entries[i]) {
			left = append(left, entries[i])
		}
	}
	return left
}

// hasFamily reports whether one of the entries has the family and the transport of l.
func hasFamily(entries []known.Entry, l *labelled) bool {
	transport := l.observation.Hello.Transport.String()
	return slices.ContainsFunc(entries, func(e known.Entry) bool { return e.Family == l.entry.Family && e.Transport == transport })
}

// familyCounts counts hellos by what is right in their candidates.
type familyCounts struct {
	hellos     int
	first      int // the first candidate has the family
	firstThree int // one of the first three has it
	name       int // the first candidate has the name, or that of the family
	library    int // likewise the TLS library
	exact      int // likewise the shape
	families   map[string]*familyCount
}

type familyCount struct {
	hellos, first, firstThree int
	takenFor                  map[string]int // the families of wrong first candidates
}

// add counts the candidates of l. It reports whether the first has the right family.
func (c *familyCounts) add(l *labelled, candidates []known.Candidate) bool {
	f := c.families[l.entry.Family]
	if f == nil {
		f = &familyCount{takenFor: make(map[string]int)}
		c.families[l.entry.Family] = f
	}
	c.hellos++
	f.hellos++
	first := "none"
	if len(candidates) > 0 {
		best := &candidates[0]
		first = best.Family
		c.name += number(best.Name == l.entry.Name || best.Name == l.entry.Family)
		c.exact += number(best.Distance == 0)
		c.library += number(libraryOf(best.Library) == libraryOf(l.entry.Library))
	}
	right := first == l.entry.Family
	c.first += number(right)
	f.first += number(right)
	inThree := number(slices.ContainsFunc(candidates[:min(3, len(candidates))], func(c known.Candidate) bool { return c.Family == l.entry.Family }))
	c.firstThree += inThree
	f.firstThree += inThree
	if !right {
		f.takenFor[first]++
	}
	return right
}

func (c *familyCounts) write(w io.Writer, split string) {
	fmt.Fprintf(w, "\n%s: %d hellos, family right in first %.1f %%, in first three %.1f %%; TLS library right in first %.1f %%, name %.1f %%; shape known %.1f %%\n",
		split, c.hellos, percent(c.first, c.hellos), percent(c.firstThree, c.hellos), percent(c.library, c.hellos), percent(c.name, c.hellos), percent(c.exact, c.hellos))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "family\thellos\tfirst\tin three\ttaken for")
	for _, name := range slices.Sorted(maps.Keys(c.families)) {
		f := c.families[name]
		fmt.Fprintf(t, "%s\t%d\t%.1f %%\t%.1f %%\t", name, f.hellos, percent(f.first, f.hellos), percent(f.firstThree, f.hellos))
		for _, other := range slices.SortedFunc(maps.Keys(f.takenFor), func(a, b string) int {
			return cmp.Or(f.takenFor[b]-f.takenFor[a], strings.Compare(a, b))
		}) {
			fmt.Fprintf(t, "%s %d  ", other, f.takenFor[other])
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

// number returns 1 for true and 0 for false.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// libraryOf returns the name of a TLS library without its version.
func libraryOf(s string) string {
	name, _, _ := strings.Cut(s, " ")
	return name
}

// brief returns the names, families and distances of candidates.
func brief(candidates []known.Candidate) (texts []string) {
	for _, c := range candidates {
		texts = append(texts, fmt.Sprintf("%s/%s %d", c.Name, c.Family, c.Distance))
	}
	return texts
}

func percent(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return 100 * float64(n) / float64(of)
}
