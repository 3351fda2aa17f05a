package page

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// A whoData says in words who a hello looks like.
type whoData struct {
	Headline, Lede string
	Mine, Second   bool
	Error          *messageError // why not all of the message can be read
	EventError     string
	Claim          *known.Claim
	Tells          []tellRow
	Evidence       bool // one of the tells is evidence
	Candidates     []candidateRow
}

// A tellRow is a tell and the leaf that it is about.
type tellRow struct {
	known.Tell
	Leaf int // -1 if that is not shown
}

// A candidateRow is a row of the table of candidates.
type candidateRow struct {
	known.Candidate
	Match   string // how well it fits
	Differs string // the fields in which it does not
	ID      string // of its hello, to compare with; empty if there is none
}

func whoSection(v *view) any {
	e := v.event
	w := &whoData{Mine: v.mine, Second: v.second, Error: v.broken, EventError: e.Error, Claim: e.Claim}
	w.Headline, w.Lede = whoText(v)
	w.Evidence = known.IsEvidence(e.Tells)
	for _, c := range e.Client {
		w.Candidates = append(w.Candidates, candidateRow{c, matchText(c.Distance), differsText(c.Differs), v.index.find(&c, e.Transport)})
	}
	if v.annotated != nil {
		for _, t := range e.Tells {
			w.Tells = append(w.Tells, tellRow{t, v.annotated.leafAt(t.Offset)})
		}
	}
	return w
}

// whoText says who a hello looks like, and how sure that is.
func whoText(v *view) (headline, lede string) {
	if v.broken != nil {
		return "This hello is broken.", ""
	}
	return describe(v.event, v.mine)
}

// describe puts the candidates and tells of e into words.
func describe(e *event.Event, mine bool) (headline, lede string) {
	verb := "This looks like "
	if mine {
		verb = "You look like "
	}
	switch {
	case len(e.Client) == 0:
		headline = verb + "no known client."
	case e.Client[0].Distance > 0:
		c := &e.Client[0]
		headline = verb + "no known client, but most like " + nameAndVersion(c) + "."
		lede = fmt.Sprintf("No known client sends exactly such a hello. The nearest one is %s away; it differs in %s.",
			percent(c.Distance), orText(differsText(c.Differs), "details"))
	default:
		headline, lede = describeExact(e.Client, verb)
	}
	n := 0
	for i := range e.Tells {
		if e.Tells[i].IsEvidence() {
			n++
		}
	}
	switch {
	case n == 1:
		lede += " One sign gives an imitation away."
	case n > 1:
		lede += fmt.Sprintf(" %d signs give an imitation away.", n)
	}
	return headline, lede
}

// describeExact puts into words that known clients send such a hello.
func describeExact(list []known.Candidate, verb string) (headline, lede string) {
	names := distinctNames(list)
	first := nameAndVersion(&list[0])
	switch {
	case list[0].Name == list[0].Family && list[0].Kind == known.KindLibrary && len(names) > 1 && sameFamily(list):
		headline = verb + first + "."
		lede = "The hello does not say more: " + listText(names[1:]) + " " + verbFor(len(names)-1) + " this shape with that library."
	case len(names) == 1:
		headline = verb + first + "."
		lede = "It sends hellos of exactly this shape."
	case sameFamily(list):
		headline = verb + first + "."
		lede = fmt.Sprintf("%d known clients of the family %s send a hello of exactly this shape.", len(names), list[0].Family)
	default:
		headline = fmt.Sprintf("%s%s, or %s.", verb, first, others(len(names)-1))
		lede = fmt.Sprintf("%d known clients send a hello of exactly this shape, so it cannot tell them apart.", len(names))
	}
	if list[0].Library != "" {
		lede += " The TLS library is " + list[0].Library + "."
	}
	return headline, lede
}

// maxNamed is the number of names in a sentence.
const maxNamed = 4

// listText returns names for a sentence: "a, b and 3 more".
func listText(names []string) string {
	n := len(names)
	switch {
	case n > maxNamed:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), n-maxNamed)
	case n > 1:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}

// verbFor returns the verb of a sentence about n programs.
func verbFor(n int) string {
	if n == 1 {
		return "sends"
	}
	return "send"
}

func others(n int) string {
	if n == 1 {
		return "one other"
	}
	return fmt.Sprintf("%d others", n)
}

func distinctNames(list []known.Candidate) []string {
	var names []string
	seen := make(map[string]bool)
	for _, c := range list {
		if !seen[c.Name] {
			seen[c.Name] = true
			names = append(names, c.Name)
		}
	}
	return names
}

func sameFamily(list []known.Candidate) bool {
	for _, c := range list {
		if c.Family != list[0].Family {
			return false
		}
	}
	return true
}

// nameAndVersion shortens a version of four numbers to what people call it: 156
// for 156.0.8078.79.
func nameAndVersion(c *known.Candidate) string {
	if c.Version == "" {
		return c.Name
	}
	words := strings.Fields(c.Version)
	for i, v := range words {
		if strings.Count(v, ".") == 3 {
			major, _, _ := strings.Cut(v, ".")
			if strings.HasSuffix(v, ",") {
				major += ","
			}
			words[i] = major
		}
	}
	return c.Name + " " + strings.Join(words, " ")
}

func matchText(distance uint16) string {
	if distance == 0 {
		return "same shape"
	}
	return percent(distance) + " away"
}

func percent(distance uint16) string { return fmt.Sprintf("%d.%d %%", distance/10, distance%10) }

func differsText(f known.Fields) string {
	names := f.Names()
	if n := len(names); n > 0 && names[n-1] == "other" {
		names[n-1] = "other fields"
	}
	return strings.Join(names, ", ")
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
