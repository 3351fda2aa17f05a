// Package filter selects hellos by what they are and where they come from.
package filter

import (
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// A Filter has conditions. A hello passes if it meets every condition that is set; of
// a list, one element must match. The zero value passes all hellos.
type Filter struct {
	SNI        []string // patterns of [path.Match], in lower case
	JA3        []string // likewise; they match JA3N, too
	JA4        []string // likewise
	Transports []parser.Transport
	Hosts      []netip.Prefix // of the client or the server
	Ports      []uint16       // likewise
	Since      time.Time      // the first moment
	Until      time.Time      // the first moment after
}

// MatchObservation checks the conditions that need no fingerprint.
func (f *Filter) MatchObservation(o *event.Observation) bool {
	switch {
	case !f.Since.IsZero() && o.Time.Before(f.Since):
		return false
	case !f.Until.IsZero() && !o.Time.Before(f.Until):
		return false
	case f.Transports != nil && !slices.Contains(f.Transports, transportOf(o)):
		return false
	case f.Ports != nil && !slices.Contains(f.Ports, o.Src.Port()) && !slices.Contains(f.Ports, o.Dst.Port()):
		return false
	case f.Hosts != nil && !f.hasHost(o.Src.Addr()) && !f.hasHost(o.Dst.Addr()):
		return false
	}
	return f.SNI == nil || o.Hello != nil && o.Hello.ServerName != nil && matchAny(f.SNI, string(o.Hello.ServerName))
}

// NeedsEvent reports whether there are conditions on fingerprints, which MatchEvent
// checks.
func (f *Filter) NeedsEvent() bool { return f.JA3 != nil || f.JA4 != nil }

// MatchEvent checks the conditions on fingerprints.
func (f *Filter) MatchEvent(e *event.Event) bool {
	if f.JA3 != nil && !matchAny(f.JA3, e.JA3()) && !matchAny(f.JA3, e.Fingerprint("ja3n")) {
		return false
	}
	return f.JA4 == nil || matchAny(f.JA4, e.JA4())
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

func matchAny(patterns []string, text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, text)
		return ok
	})
}
