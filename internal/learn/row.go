package learn

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A row is what was seen of one shape or, as long as it may be that of a client that does
// not permute its extensions, of one order of these.
type row struct {
	order               uint64
	hellos              int64
	first, last         time.Time
	addresses, prefixes sketch

	agents    []tally // User-Agents
	withUA    int64   // hellos with a User-Agent
	claims    []tally // verdicts
	tells     []tally // that are evidence, by name
	hints     []tally // that are none
	size      int     // in bytes, when it was last counted
	sample    []byte  // a hello; nil until the row has as many addresses as it must have
	source    string  // of the sample
	sampleAt  time.Time
	transport parser.Transport
	fresh     bool // the sample resumes no session
}

// A tally counts a text.
type tally struct {
	text   string
	n      int64 // since the text has a tally
	before int64 // at most how many there were before
}

// Bounds on what a row keeps. There are few verdicts and kinds of tells, unless somebody
// makes them up.
const (
	maxAgents   = 8
	maxAgentLen = 256
	maxNames    = 48
	maxNameLen  = 64
)

// rowBytes is about what a row and its group take besides what a row refers to.
const rowBytes = 512

// addTo counts a text. If the list is full, the text takes the place of the one that
// occurred least (Metwally et al.: Efficient computation of frequent and top-k elements in
// data streams, 2005).
func addTo(list []tally, text string, most, maxLen int) []tally {
	text = text[:min(len(text), maxLen)]
	if i := slices.IndexFunc(list, func(t tally) bool { return t.text == text }); i >= 0 {
		list[i].n++
		return list
	}
	if len(list) < most {
		return append(list, tally{strings.Clone(text), 1, 0})
	}
	least := 0
	for i := range list {
		if list[i].n+list[i].before < list[least].n+list[least].before {
			least = i
		}
	}
	list[least] = tally{strings.Clone(text), 1, list[least].n + list[least].before}
	return list
}

// mergeInto adds the tallies of from, as [addTo] does.
func mergeInto(list, from []tally, most int) []tally {
	for _, t := range from {
		if i := slices.IndexFunc(list, func(o tally) bool { return o.text == t.text }); i >= 0 {
			list[i].n += t.n
			list[i].before += t.before
		} else {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, byCount)
	return slices.Clip(list[:min(len(list), most)])
}

// byCount sorts tallies: the highest first.
func byCount(a, b tally) int {
	return cmp.Or(cmp.Compare(b.n+b.before, a.n+a.before), cmp.Compare(a.text, b.text))
}

// add adds a hello from an address with the given hashes.
func (r *row) add(s *Sighting, address, prefix uint64, size int) {
	r.hellos++
	if !s.Time.IsZero() {
		if r.first.IsZero() || s.Time.Before(r.first) {
			r.first = s.Time
		}
		if s.Time.After(r.last) {
			r.last = s.Time
		}
	}
	r.addresses.add(address, size)
	r.prefixes.add(prefix, size)
	if s.UserAgent != "" {
		r.withUA++
		r.agents = addTo(r.agents, s.UserAgent, maxAgents, maxAgentLen)
	}
	if s.Verdict != "" {
		r.claims = addTo(r.claims, s.Verdict, maxNames, maxNameLen)
	}
	for _, name := range s.Tells {
		r.tells = addTo(r.tells, name, maxNames, maxNameLen)
	}
	for _, name := range s.Hints {
		r.hints = addTo(r.hints, name, maxNames, maxNameLen)
	}
}

// take keeps the hello of s as the sample, if there is none or only that of a connection
// that resumes a session.
func (r *row) take(s *Sighting) {
	fresh := fingerprint.SessionOf(s.Hello) == fingerprint.SessionFresh
	if r.sample == nil || fresh && !r.fresh {
		r.sample, r.fresh = append(r.sample[:0], s.Hello.Raw...), fresh
		r.source, r.sampleAt, r.transport = s.Source, s.Time, s.Hello.Transport
	}
}

// merge adds what was seen of another order of extensions.
func (r *row) merge(o *row, size int) {
	r.hellos += o.hellos
	if r.first.IsZero() || !o.first.IsZero() && o.first.Before(r.first) {
		r.first = o.first
	}
	if o.last.After(r.last) {
		r.last = o.last
	}
	r.addresses.merge(&o.addresses, size)
	r.prefixes.merge(&o.prefixes, size)
	r.agents, r.withUA = mergeInto(r.agents, o.agents, maxAgents), r.withUA+o.withUA
	r.claims = mergeInto(r.claims, o.claims, maxNames)
	r.tells = mergeInto(r.tells, o.tells, maxNames)
	r.hints = mergeInto(r.hints, o.hints, maxNames)
	if r.sample == nil || o.fresh && !r.fresh {
		r.sample, r.fresh, r.source, r.sampleAt, r.transport = o.sample, o.fresh, o.source, o.sampleAt, o.transport
	}
}

// bytes returns the memory that r takes.
func (r *row) bytes() int {
	const tallyBytes = 32
	n := rowBytes + r.addresses.bytes() + r.prefixes.bytes() + cap(r.sample)
	for _, list := range [...][]tally{r.agents, r.claims, r.tells, r.hints} {
		n += tallyBytes * cap(list)
		for i := range list {
			n += len(list[i].text)
		}
	}
	return n
}
