package explain

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A combination is deviations that together make a tool print a text for a hello.
type combination struct {
	rows []int    // of ja4Deviations, in rising order
	list []string // the tools that have all of them; empty if none is known to
}

// maxTries bounds how many combinations of deviations in the lists are tried for one hello.
// Known hellos have at most 200.
const maxTries = 4096

// maxNotes is how many explanations a text gets.
const maxNotes = 6

// addDeviations notes how tools that deviate from JA4 come to print e for the hello of a
// sample: the explanations with the fewest deviations, at most so many, and of these the
// ones of a single tool first.
func (e *Explanation) addDeviations(samples iter.Seq[Sample], most int) {
	type note struct {
		text  string
		known bool // one tool has all deviations
	}
	var notes []note
	combiner := newCombiner(e.Text)
	fewest := most
	for s := range samples {
		if s.Input.Hello == nil {
			continue
		}
		for _, c := range combiner.combinations(s.Input.Hello, fewest) {
			if len(c.rows) < fewest {
				fewest, notes = len(c.rows), notes[:0]
			}
			n := note{c.note(fingerprint.JA4(s.Input.Hello)), len(c.list) > 0}
			if !slices.Contains(notes, n) {
				notes = append(notes, n)
			}
		}
	}
	slices.SortStableFunc(notes, func(a, b note) int { return cmp.Compare(rank(a.known), rank(b.known)) })
	for _, n := range notes[:min(len(notes), maxNotes)] {
		e.Notes = append(e.Notes, n.text)
	}
	if more := len(notes) - maxNotes; more > 0 {
		e.Notes = append(e.Notes, fmt.Sprintf("%s of as many deviations left out.", count(more, "explanation")))
	}
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// addJA3Deviations notes the tools that print e as the JA3 of the hello of a sample.
func (e *Explanation) addJA3Deviations(samples iter.Seq[Sample]) {
	for s := range samples {
		if s.Input.Hello == nil {
			continue
		}
		for _, d := range JA3Deviations(s.Input.Hello) {
			note := fmt.Sprintf("Printed by %s for a hello whose JA3 is %s: %s (%s).", d.Tools, fingerprint.JA3(s.Input.Hello), d.Name, d.Why)
			if d.Text == e.Text && !slices.Contains(e.Notes, note) {
				e.Notes = append(e.Notes, note)
			}
		}
	}
}

// note says how a tool comes to print a text for a hello with the given JA4.
func (c *combination) note(ja4 string) string {
	who := strings.Join(c.list, ", ")
	if who == "" {
		who = fmt.Sprintf("a tool that deviates in %d ways", len(c.rows))
	}
	var ways []string
	for _, i := range c.rows {
		d := &ja4Deviations[i]
		as := ""
		if len(c.list) == 0 {
			as = ", as " + d.tools
		}
		ways = append(ways, fmt.Sprintf("%s%s (%s)", d.name, as, d.why))
	}
	return fmt.Sprintf("Printed by %s for a hello whose JA4 is %s: %s.", who, ja4, strings.Join(ways, "; "))
}

// A combiner finds combinations of deviations that make a text. It remembers what it has
// tried, because many hellos of a client differ only in what no deviation looks at.
type combiner struct {
	want  ja4Split
	text  string
	tried map[string][][]int // the sets of rows that make the lists of the text, by those of a hello
}

func newCombiner(text string) *combiner {
	return &combiner{want: splitJA4(text), text: text, tried: make(map[string][][]int)}
}

// combinations returns the smallest sets of at most limit deviations with which h has the
// text as JA4: none if h has it without, or if none gives it.
//
// Transport, version, SNI and ALPN have a place of their own in the text, so that for each of
// them one deviation explains what stands there. Only those that change the lists must be
// tried together.
func (c *combiner) combinations(h *parser.ClientHello, limit int) []combination {
	own := fingerprint.JA4(h)
	if h.SSLv2 || c.text == own {
		return nil
	}
	if n := len(h.CipherSuites); n > 0 && n <= 99 && own[10:24] != c.text[10:24] {
		return nil // no deviation changes the suites of such a hello
	}
	base := newJA4Parts(h)
	have := base.split()
	lists, places := sortDeviations(base, h)
	later := laterAlgorithms(h, base.algorithms)
	key := fmt.Sprint(fingerprint.JA4R(h), h.SignatureAlgorithms, later, len(h.Extensions))
	sets, ok := c.tried[key]
	if !ok {
		sets = c.makeLists(base, h, lists)
		c.tried[key] = sets
	}
	sets = slices.Clone(sets)
	for place, want := range c.want.places {
		if have.places[place] == want {
			continue
		}
		var more [][]int
		for _, d := range places {
			if d.split.places[place] == want {
				for _, set := range sets {
					more = append(more, append(slices.Clone(set), d.row))
				}
			}
		}
		sets = more
	}
	var found []combination
	for _, rows := range sets {
		if len(rows) > limit || len(rows) == 0 {
			continue
		}
		if len(rows) < limit {
			found, limit = found[:0], len(rows)
		}
		slices.Sort(rows)
		found = append(found, combination{rows, toolsOfAll(rows)})
	}
	return found
}

// makeLists returns the smallest sets of deviations that make the lists of the text.
func (c *combiner) makeLists(base *ja4Parts, h *parser.ClientHello, lists []applied) (sets [][]int) {
	tries := 0
	for size := range len(lists) + 1 {
		for set := range subsets(len(lists), size) {
			rows := make([]int, size)
			for i, n := range set {
				rows[i] = lists[n].row
			}
			if c.makes(*base, h, lists, set, &tries) {
				sets = append(sets, rows)
			}
			if tries > maxTries {
				return sets
			}
		}
		if len(sets) > 0 {
			break
		}
	}
	return sets
}

// makes reports whether p has the lists of the text after some form of each deviation in the
// set.
func (c *combiner) makes(p ja4Parts, h *parser.ClientHello, lists []applied, set []int, tries *int) bool {
	if len(set) == 0 {
		*tries++
		return p.counts() == c.want.counts && p.digests() == c.want.digests
	}
	for _, change := range lists[set[0]].forms {
		q := p
		change(&q, h)
		if c.makes(q, h, lists, set[1:], tries) {
			return true
		}
	}
	return false
}

// An applied is a deviation, and what it makes of a hello by itself.
type applied struct {
	row   int
	forms []func(p *ja4Parts, h *parser.ClientHello) // what it may be on other connections of the client
	split ja4Split
}

// sortDeviations returns the deviations that change a hello: those that change its lists,
// and those that change another place in its text.
func sortDeviations(base *ja4Parts, h *parser.ClientHello) (lists, places []applied) {
	own := base.split()
	for row, d := range ja4Deviations {
		p := *base
		d.change(&p, h)
		a := applied{row, []func(*ja4Parts, *parser.ClientHello){d.change}, p.split()}
		if d.name == keepsGREASE {
			a.forms = append(a.forms, keptGREASE()...)
		}
		switch {
		case a.split.counts != own.counts || a.split.digests != own.digests:
			lists = append(lists, a)
		case a.split != own:
			places = append(places, a)
		}
	}
	return lists, places
}

// A ja4Split is a JA4 in its places: transport, version, SNI and ALPN, and what follows from
// the lists.
type ja4Split struct {
	places          [4]string
	counts, digests string
}

// splitJA4 splits a JA4 that is well formed.
func splitJA4(text string) ja4Split {
	return ja4Split{[4]string{text[:1], text[1:3], text[3:4], text[8:10]}, text[4:8], text[10:]}
}

// subsets returns the subsets of 0 to n-1 with the given size, each in rising order. They
// are valid until the next one.
func subsets(n, size int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		set := make([]int, size)
		for i := range set {
			set[i] = i
		}
		for yield(set) {
			i := size - 1
			for i >= 0 && set[i] == n-size+i {
				i--
			}
			if i < 0 {
				return
			}
			set[i]++
			for j := i + 1; j < size; j++ {
				set[j] = set[j-1] + 1
			}
		}
	}
}

// toolsOfAll returns the tools that have all of the deviations.
func toolsOfAll(rows []int) []string {
	tools := strings.Split(ja4Deviations[rows[0]].tools, ", ")
	if len(rows) == 1 {
		return tools
	}
	return slices.DeleteFunc(tools, func(tool string) bool {
		return !isTool(tool) || slices.ContainsFunc(rows, func(i int) bool {
			return !slices.Contains(strings.Split(ja4Deviations[i].tools, ", "), tool)
		})
	})
}

// keptGREASE returns, for each GREASE value, the change of a tool that keeps it among the
// signature algorithms. It differs on each connection, so that the value in a text is
// hardly ever that of a known hello.
func keptGREASE() []func(*ja4Parts, *parser.ClientHello) {
	var list []func(*ja4Parts, *parser.ClientHello)
	for n := range 16 {
		value := parser.SignatureScheme(n<<12 | 0xa00 | n<<4 | 0xa)
		list = append(list, func(p *ja4Parts, h *parser.ClientHello) {
			p.algorithms = slices.Clone(h.SignatureAlgorithms)
			for i, a := range p.algorithms {
				if parser.IsGREASE(a) {
					p.algorithms[i] = value
				}
			}
		})
	}
	return list
}
