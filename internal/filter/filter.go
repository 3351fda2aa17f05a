// Package filter selects hellos by what they are and where they come from.
package filter

import (
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A Filter has conditions. A hello passes if it meets every condition that is set, and
// none of those in Not; of a list, one element must match. The zero value passes all
// hellos.
//
// [ParsePattern] makes patterns. They are those of [path.Match], but "*" matches any text.
type Filter struct {
	SNI        []string // patterns; an empty one is for hellos without a server name
	JA3        []string // patterns; they match JA3N, too
	JA4        []string // patterns
	Transports []parser.Transport
	Hosts      []netip.Prefix // of the client or the server
	Ports      []uint16       // likewise
	Clients    []string       // patterns of the names of the best candidates, see [known.Best]; [known.Unknown] if there is none
	Families   []string       // patterns of their families, likewise
	Kinds      []string       // patterns of their kinds, likewise
	Tells      []string       // patterns of tells; one that is no evidence matches only its whole name
	Since      time.Time      // the first moment
	Until      time.Time      // the first moment after

	Not *Filter // conditions of which a hello meets none
}

// MatchObservation checks the conditions that need no fingerprint.
func (f *Filter) MatchObservation(o *event.Observation) bool {
	switch {
	case !f.Since.IsZero() && o.Time.Before(f.Since):
		return false
	case !f.Until.IsZero() && !o.Time.Before(f.Until):
		return false
	}
	return f.observation(o, true) && (f.Not == nil || f.Not.observation(o, false))
}

// observation reports whether each condition on o that is set is met, or if want is
// false, whether none is.
func (f *Filter) observation(o *event.Observation, want bool) bool {
	switch {
	case f.Transports != nil && slices.Contains(f.Transports, transportOf(o)) != want:
		return false
	case f.Ports != nil && (slices.Contains(f.Ports, o.Src.Port()) || slices.Contains(f.Ports, o.Dst.Port())) != want:
		return false
	case f.Hosts != nil && (f.hasHost(o.Src.Addr()) || f.hasHost(o.Dst.Addr())) != want:
		return false
	}
	return f.SNI == nil || f.hasName(o) == want
}

// hasName reports whether a pattern matches the server name, or is that of none.
func (f *Filter) hasName(o *event.Observation) bool {
	if o.Hello == nil || len(o.Hello.ServerName) == 0 {
		return slices.Contains(f.SNI, "")
	}
	return matchAny(f.SNI, string(o.Hello.ServerName))
}

// NeedsEvent reports whether there are conditions that MatchEvent checks.
func (f *Filter) NeedsEvent() bool {
	return f.JA3 != nil || f.JA4 != nil || f.NeedsClients() || f.Not != nil && f.Not.NeedsEvent()
}

// NeedsClients reports whether MatchEvent looks at the clients or the tells of an Event.
func (f *Filter) NeedsClients() bool {
	return f.Clients != nil || f.Families != nil || f.Kinds != nil || f.Tells != nil || f.Not != nil && f.Not.NeedsClients()
}

// MatchEvent checks the conditions on fingerprints, clients and tells.
func (f *Filter) MatchEvent(e *event.Event) bool {
	return f.event(e, true) && (f.Not == nil || f.Not.event(e, false))
}

// event is to MatchEvent what observation is to MatchObservation.
func (f *Filter) event(e *event.Event, want bool) bool {
	switch {
	case f.JA3 != nil && (matchAny(f.JA3, e.JA3()) || matchAny(f.JA3, e.Fingerprint("ja3n"))) != want:
		return false
	case f.JA4 != nil && matchAny(f.JA4, e.JA4()) != want:
		return false
	case f.Clients != nil && matchClient(f.Clients, e, func(c *known.Candidate) string { return c.Name }) != want:
		return false
	case f.Families != nil && matchClient(f.Families, e, func(c *known.Candidate) string { return c.Family }) != want:
		return false
	case f.Kinds != nil && matchClient(f.Kinds, e, func(c *known.Candidate) string { return c.Kind.String() }) != want:
		return false
	}
	return f.Tells == nil || f.hasTell(e) == want
}

// matchClient reports whether a pattern matches what nameOf returns of one of the best
// candidates, or is that of none.
func matchClient(patterns []string, e *event.Event, nameOf func(*known.Candidate) string) bool {
	best := known.Best(e.Client)
	if best == nil {
		return e.Error == "" && slices.Contains(patterns, known.Unknown)
	}
	for i := range e.Client {
		if c := &e.Client[i]; c.IsAsGood(best) && matchAny(patterns, nameOf(c)) {
			return true
		}
	}
	return false
}

// hasTell reports whether e has one of the tells.
func (f *Filter) hasTell(e *event.Event) bool {
	for i := range e.Tells {
		t := &e.Tells[i]
		if t.IsEvidence() && matchAny(f.Tells, t.Name) || slices.Contains(f.Tells, t.Name) {
			return true
		}
	}
	return false
}

func transportOf(o *event.Observation) parser.Transport {
	if o.Hello != nil {
		return o.Hello.Transport
	}
	return o.Transport
}

func (f *Filter) hasHost(a netip.Addr) bool {
	return slices.ContainsFunc(f.Hosts, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// matchAny reports whether a pattern matches text, whatever its case.
func matchAny(patterns []string, text string) bool {
	folded := ""
	for _, p := range patterns {
		if !IsPattern(p) {
			if strings.EqualFold(p, text) {
				return true
			}
			continue
		}
		if folded == "" {
			folded = fold(text)
		}
		if ok, _ := path.Match(p, folded); ok {
			return true
		}
	}
	return false
}

// fold returns text in lower case, with another character for each slash, which "*" does
// not match in [path.Match].
func fold(text string) string {
	return strings.ReplaceAll(strings.ToLower(text), "/", "\x00")
}

// ParsePattern returns a pattern as a Filter has it.
func ParsePattern(text string) (string, error) {
	if _, err := path.Match(text, ""); err != nil {
		return "", err
	}
	if IsPattern(text) {
		return fold(text), nil
	}
	return strings.ToLower(text), nil
}

// IsPattern reports whether text is a pattern that may match more than one text.
func IsPattern(text string) bool { return strings.ContainsAny(text, `*?[\`) }
