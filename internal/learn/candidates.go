package learn

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A Candidate is an entry for a clients file, without a name, and what was seen of its
// shape. Its JSON is a line of such a file.
type Candidate struct {
	Name string `json:"name"` // empty: the reviewer gives it one
	Seen Seen   `json:"seen"`
	known.Entry
}

// Seen says how often a shape was seen, and with what. Numbers of addresses and prefixes
// beyond 1024 are estimates.
type Seen struct {
	Hellos    int64     `json:"hellos"`
	Addresses int64     `json:"addresses"`
	Prefixes  int64     `json:"prefixes"`
	First     time.Time `json:"first,omitzero"`
	Last      time.Time `json:"last,omitzero"`

	UserAgents      []UserAgent      `json:"user_agents,omitempty"`       // the most frequent ones
	OtherUserAgents int64            `json:"other_user_agents,omitempty"` // hellos with others
	Claims          map[string]int64 `json:"claims,omitempty"`            // hellos, by verdict
	Tells           map[string]int64 `json:"tells,omitempty"`             // hellos, by name of what is evidence
	Hints           map[string]int64 `json:"hints,omitempty"`             // hellos, by name of tells that are none: novelties and leads

	Nearest *known.Candidate `json:"nearest,omitempty"` // known client
}

// A UserAgent counts the hellos that came with a User-Agent.
type UserAgent struct {
	UserAgent string `json:"user_agent"`
	Hellos    int64  `json:"hellos"`
}

// topAgents is how many User-Agents a candidate has.
const topAgents = 3

// A Result is what a Learner has found.
type Result struct {
	Candidates []Candidate // those that most addresses send first
	Shapes     int         // that it has a row for
	Known      int         // of these, that were seen often enough, and that a known client sends
	Rare       int         // and those that were not seen often enough
	Floor      int64       // a shape that was forgotten for lack of memory had no more addresses
}

// Result returns the candidates: shapes that were seen often enough and that neither the
// built-in clients nor users, which may be nil, have. With all it returns also those that
// known clients have.
func (l *Learner) Result(users *known.Database, all bool) (Result, error) {
	res := Result{Floor: l.floor}
	m := known.Matcher{Clients: users}
	for _, g := range l.groups {
		for _, r := range g.rows {
			res.Shapes++
			if r.sample == nil {
				res.Rare++
				continue
			}
			h, err := blank(r.sample, r.transport)
			if err != nil {
				return res, err
			}
			nearest := m.AppendCandidates(nil, &known.Observation{Hello: h, JA3: fingerprint.JA3(h), JA4: fingerprint.JA4(h)})
			if slices.ContainsFunc(nearest, func(c known.Candidate) bool { return c.Distance == 0 }) {
				if res.Known++; !all {
					continue
				}
			}
			c, err := l.candidate(r, g.permutes, h)
			if err != nil {
				return res, err
			}
			if len(nearest) > 0 {
				c.Seen.Nearest = &nearest[0]
			}
			res.Candidates = append(res.Candidates, c)
		}
	}
	slices.SortFunc(res.Candidates, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Seen.Addresses, a.Seen.Addresses), cmp.Compare(b.Seen.Hellos, a.Seen.Hellos), cmp.Compare(a.JA4, b.JA4), cmp.Compare(a.Hello, b.Hello))
	})
	return res, nil
}

// candidate returns what was seen of a row as a candidate.
func (l *Learner) candidate(r *row, permutes bool, h *parser.ClientHello) (Candidate, error) {
	size := l.sketchSize()
	c := Candidate{
		Entry: known.Entry{Learned: true, Transport: h.Transport.String(), Permutes: permutes, Source: r.source, Hello: hex.EncodeToString(h.Raw)},
		Seen: Seen{
			Hellos: r.hellos, Addresses: r.addresses.count(size), Prefixes: r.prefixes.count(size), First: r.first, Last: r.last,
			Claims: counts(r.claims), Tells: counts(r.tells), Hints: counts(r.hints), OtherUserAgents: r.withUA,
		},
	}
	c.Seen.Prefixes = min(c.Seen.Prefixes, c.Seen.Addresses) // estimates may be the other way round
	if !r.sampleAt.IsZero() {
		c.Date = r.sampleAt.UTC().Format(time.DateOnly)
	}
	agents := slices.SortedFunc(slices.Values(r.agents), byCount)
	for _, a := range agents[:min(len(agents), topAgents)] {
		c.Seen.UserAgents = append(c.Seen.UserAgents, UserAgent{a.text, a.n})
		c.Seen.OtherUserAgents -= a.n
	}
	return c, c.Fingerprint()
}

func counts(list []tally) map[string]int64 {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]int64)
	for _, t := range list {
		m[t.text] = t.n
	}
	return m
}

// AppendLine appends c to dst as a line of a clients file.
func (c *Candidate) AppendLine(dst []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(c)
	return b.Bytes(), err
}

// CheckUnreviewed returns an error if r has anything but candidates that nobody has named,
// so that a file must not be overwritten.
func CheckUnreviewed(r io.Reader) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for n := 1; in.Scan(); n++ {
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		var e known.Entry
		switch err := json.Unmarshal(line, &e); {
		case err != nil || !e.Learned:
			return fmt.Errorf("line %d is no candidate", n)
		case e.Name != "":
			return fmt.Errorf("line %d has a name", n)
		}
	}
	return in.Err()
}
