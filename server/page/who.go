package page

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// A pageWho says in words who a hello looks like.
type pageWho struct {
	Headline   string
	Lede       string
	Exact      bool
	Candidates []pageCandidate
}

// A pageCandidate is a row of the table of candidates.
type pageCandidate struct {
	known.Candidate
	Match   string // how well it fits
	Differs string // in which fields it does not
	ID      string // of its hello, to compare with
}

// newWho puts the candidates of e into words.
func newWho(e *event.Event, mine bool) pageWho {
	var w pageWho
	verb := "This looks like "
	if mine {
		verb = "You look like "
	}
	for _, c := range e.Client {
		w.Candidates = append(w.Candidates, pageCandidate{Candidate: c, Match: matchText(c.Distance), Differs: differsText(c.Differs)})
	}
	w.Exact = len(e.Client) > 0 && e.Client[0].Distance == 0
	switch {
	case len(e.Client) == 0:
		w.Headline = verb + "no known client."
	case !w.Exact:
		c := &e.Client[0]
		w.Headline = verb + "no known client, but most like " + nameAndVersion(c) + "."
		w.Lede = fmt.Sprintf("No known client sends exactly such a hello. The nearest one is %s away; it differs in %s.",
			percent(c.Distance), orText(differsText(c.Differs), "details"))
	default:
		w.exact(e, verb)
	}
	switch n := len(e.Tells); {
	case n == 1:
		w.Lede += " One sign gives an imitation away."
	case n > 1:
		w.Lede += fmt.Sprintf(" %d signs give an imitation away.", n)
	}
	return w
}

// exact puts into words that clients are known which send such a hello.
func (w *pageWho) exact(e *event.Event, verb string) {
	names := distinctNames(e.Client)
	first := nameAndVersion(&e.Client[0])
	switch {
	case len(names) == 1:
		w.Headline = verb + first + "."
		w.Lede = "It sends hellos of exactly this shape."
	case sameFamily(e.Client):
		w.Headline = verb + first + "."
		w.Lede = fmt.Sprintf("%d known clients of the family %s send a hello of exactly this shape.", len(names), e.Client[0].Family)
	default:
		w.Headline = fmt.Sprintf("%s%s, or %s.", verb, first, others(len(names)-1))
		w.Lede = fmt.Sprintf("%d known clients send a hello of exactly this shape, so it cannot tell them apart.", len(names))
	}
	if e.Client[0].Library != "" {
		w.Lede += " The TLS library is " + e.Client[0].Library + "."
	}
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

// nameAndVersion leaves of a version what people call it: 156 of 156.0.8078.79.
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
