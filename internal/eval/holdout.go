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

// holdOuts say which entries are left out of the database when the hello of one of them
// is judged.
var holdOuts = []struct {
	name string
	same func(a, b *known.Entry) bool
}{
	{"its version", func(a, b *known.Entry) bool {
		return a.Name == b.Name && a.Version == b.Version && (a.Version != "" || a.OS == b.OS)
	}},
	{"its name and source", func(a, b *known.Entry) bool { return a.Name == b.Name && repository(a) == repository(b) }},
	{"its shape", func(a, b *known.Entry) bool { return a.JA4 == b.JA4 && a.Family == b.Family }},
}

// repository returns the first word of the source of an entry of others, and one word for
// all captures of this project.
func repository(e *known.Entry) string {
	if e.Grade == "" {
		return "captures"
	}
	name, _, _ := strings.Cut(e.Source, " ")
	return name
}

// holdOut judges the hellos of the clients that others published, which are not what
// weights were chosen on, with a database that lacks them.
func holdOut(w io.Writer, entries []known.Entry, verbose bool) error {
	for _, out := range holdOuts {
		h := newHeldOut()
		for i := range entries {
			e := &entries[i]
			if e.Grade == "" || e.Kind == known.KindImpersonator {
				continue
			}
			left := slices.DeleteFunc(slices.Clone(entries), func(other known.Entry) bool { return out.same(e, &other) })
			if !slices.ContainsFunc(left, func(o known.Entry) bool {
				return known.SameStack(o.Family, e.Family) && o.Transport == e.Transport && o.Kind != known.KindImpersonator
			}) {
				continue
			}
			hello, err := e.ModelHello()
			if err != nil {
				return err
			}
			db, err := known.NewDatabase(left)
			if err != nil {
				return err
			}
			m := known.Matcher{Database: db}
			candidates := m.AppendCandidates(nil, &known.Observation{Hello: hello, Index: 1})
			if right := h.add(e, candidates); !right && verbose {
				fmt.Fprintf(w, "missed: %s %s (%s, %s): %v\n", e.Name, e.Version, e.Family, e.JA4, brief(candidates))
			}
		}
		h.write(w, out.name)
	}
	return nil
}

// A heldOut counts hellos whose clients the database lacks.
type heldOut struct {
	hellos, first, strict, firstThree, imitation int
	families                                     map[string]*familyCount
	distances                                    map[int]*distanceCount // by the distance of the first candidate, in steps
}

// A distanceCount counts hellos by what is right in the first candidate.
type distanceCount struct{ hellos, family, library, name int }

func newHeldOut() *heldOut {
	return &heldOut{families: make(map[string]*familyCount), distances: make(map[int]*distanceCount)}
}

// step is the width of the ranges of distances.
const step = 50

// add counts the candidates of e. It reports whether the first has the right family.
func (h *heldOut) add(e *known.Entry, candidates []known.Candidate) bool {
	f := h.families[e.Family]
	if f == nil {
		f = &familyCount{takenFor: make(map[string]int)}
		h.families[e.Family] = f
	}
	h.hellos++
	f.hellos++
	if len(candidates) == 0 {
		f.takenFor["none"]++
		return false
	}
	first := &candidates[0]
	right := known.SameStack(first.Family, e.Family)
	inThree := number(slices.ContainsFunc(candidates[:min(3, len(candidates))], func(c known.Candidate) bool { return known.SameStack(c.Family, e.Family) }))
	h.first += number(right)
	h.strict += number(first.Family == e.Family)
	h.firstThree += inThree
	h.imitation += number(first.Kind == known.KindImpersonator)
	f.first += number(right)
	f.firstThree += inThree
	if !right {
		f.takenFor[first.Family]++
	}
	at := (int(first.Distance) + step - 1) / step * step
	d := h.distances[at]
	if d == nil {
		d = new(distanceCount)
		h.distances[at] = d
	}
	d.hellos++
	d.family += number(right)
	d.library += number(libraryOf(first.Library) == libraryOf(e.Library))
	d.name += number(first.Name == e.Name)
	return right
}

func (h *heldOut) write(w io.Writer, out string) {
	fmt.Fprintf(w, "\npublished by others, without %s: %d hellos, TLS stack right in first %.1f %%, in first three %.1f %%; family right in first %.1f %%; an impersonator first: %d\n",
		out, h.hellos, percent(h.first, h.hellos), percent(h.firstThree, h.hellos), percent(h.strict, h.hellos), h.imitation)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "family\thellos\tfirst\tin three\ttaken for")
	for _, name := range slices.Sorted(maps.Keys(h.families)) {
		f := h.families[name]
		fmt.Fprintf(t, "%s\t%d\t%.1f %%\t%.1f %%\t", name, f.hellos, percent(f.first, f.hellos), percent(f.firstThree, f.hellos))
		for _, other := range slices.SortedFunc(maps.Keys(f.takenFor), func(a, b string) int {
			return cmp.Or(f.takenFor[b]-f.takenFor[a], strings.Compare(a, b))
		}) {
			fmt.Fprintf(t, "%s %d  ", other, f.takenFor[other])
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintln(t, "\ndistance to\thellos\tstack\tlibrary\tname")
	for _, at := range slices.Sorted(maps.Keys(h.distances)) {
		d := h.distances[at]
		fmt.Fprintf(t, "%d\t%d\t%.0f %%\t%.0f %%\t%.0f %%\n", at, d.hellos, percent(d.family, d.hellos), percent(d.library, d.hellos), percent(d.name, d.hellos))
	}
	t.Flush()
}
