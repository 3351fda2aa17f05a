package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/headertext"
	"github.com/tlspeek/tlspeek/known"
)

// These values tell a backend why an optional field has no other.
const (
	noneNotHTTP3  = "none; not HTTP/3"
	noneHTTP3     = "none; HTTP/3 not recorded"
	noneClient    = "none; no known client is near"
	noneUserAgent = "none; no User-Agent"
	noneFound     = "none" // the hello was searched
)

// A headerField is a field that [Headers] sets.
type headerField struct {
	name  string
	value func(*passedEvent) string
}

// headerFields has the fields that a [Headers] sets, and the names that it removes.
type headerFields struct {
	names  nameSet
	set    []headerField
	always int // that many do not need the Event
}

// fields returns the fields of h.
func (h *Headers) fields() *headerFields {
	f := new(headerFields)
	f.names.Add(h.Drop...)
	f.add(headerName(h.JA3, "X-JA3-Fingerprint"), func(p *passedEvent) string { return p.ja3 })
	f.add(headerName(h.JA4, "X-JA4-Fingerprint"), func(p *passedEvent) string { return p.ja4 })
	f.add(headerName(h.HTTP2, "X-HTTP2-Fingerprint"), func(p *passedEvent) string { return p.http2 })
	f.always = len(f.set)
	for _, o := range []struct {
		name, standard string
		value          func(*passedEvent) string
	}{
		{h.HTTP3, "X-HTTP3-Fingerprint", (*passedEvent).http3},
		{h.Stable, "X-Stable-Fingerprint", (*passedEvent).stable},
		{h.Client, "X-TLS-Client", (*passedEvent).client},
		{h.Tells, "X-TLS-Tells", (*passedEvent).tells},
		{h.Claim, "X-TLS-Claim", (*passedEvent).claim},
		{h.Tags, "X-TLS-Tags", (*passedEvent).tags},
		{h.Rule, "X-TLS-Rule", (*passedEvent).rule},
		{h.Action, "X-TLS-Action", (*passedEvent).action},
		{h.Dictionary, "TLSpeek", (*passedEvent).dictionary},
	} {
		if name := headerName(o.name, o.standard); o.name != "" || h.All {
			f.add(name, o.value)
		} else {
			f.names.Add(name)
		}
	}
	if h.JSON != "" {
		f.add(http.CanonicalHeaderKey(h.JSON), (*passedEvent).json)
	}
	return f
}

func (f *headerFields) add(name string, value func(*passedEvent) string) {
	f.names.Add(name)
	f.set = append(f.set, headerField{name, value})
}

// valuesOf returns the value of each field that f sets for r. They are the caller's.
func (f *headerFields) valuesOf(r *http.Request) []string {
	c := clientOf(r.Context())
	if c == nil {
		known := fingerprints{noneUnknown, noneUnknown, noneUnknown}
		if len(f.set) == f.always {
			return []string{known.ja3, known.ja4, known.http2}
		}
		return f.makeValues(known, r, nil)
	}
	if len(f.set) == f.always {
		known := c.fingerprints()
		return []string{known.ja3, known.ja4, http2Value(known.http2, r)}
	}
	l := c.theLife()
	if l == nil {
		return f.makeValues(c.fingerprints(), r, nil)
	}
	e := l.eventOf(r, event.Full)
	if e == nil {
		return f.makeValues(c.fingerprints(), r, nil)
	}
	http2 := c.http2Fingerprint()
	if kept := l.fieldsOf(e, f, http2, r.ProtoMajor); kept != nil {
		return slices.Clone(kept)
	}
	known := fingerprints{e.JA3(), e.JA4(), http2}
	if known.ja4 == "" {
		known = c.fingerprints() // or why there is none
	}
	values := f.makeValues(known, r, e)
	l.keepFields(e, &keptFields{f, http2, r.ProtoMajor, values})
	return slices.Clone(values)
}

// http2Value returns the value of a fingerprint of HTTP/2.
func http2Value(fingerprint string, r *http.Request) string {
	if fingerprint == noneHTTP2 && r.ProtoMajor != 2 {
		return noneNotHTTP2
	}
	return fingerprint
}

// makeValues makes the values of requests with the Event e, which may be nil.
func (f *headerFields) makeValues(known fingerprints, r *http.Request, e *event.Event) []string {
	known.http2 = http2Value(known.http2, r)
	p := &passedEvent{fingerprints: known, event: e, isHTTP3: r.ProtoMajor == 3}
	if isNone(p.ja4) {
		p.none = p.ja4
	}
	if e == nil {
		p.event = new(event.Event)
		if p.none == "" {
			p.none = noneUnknown
		}
	}
	values := make([]string, len(f.set))
	for i := range f.set {
		values[i] = f.set[i].value(p)
	}
	return values
}

// isNone reports whether value says why there is none.
func isNone(value string) bool { return strings.HasPrefix(value, noneFound) }

// A passedEvent is what the optional fields of a request are made from.
type passedEvent struct {
	fingerprints
	event   *event.Event
	none    string // why there is no hello, as the value of a field
	isHTTP3 bool   // the request came over HTTP/3
}

func (p *passedEvent) http3() string {
	switch {
	case p.none == noneUnknown:
		return p.none
	case p.event.Fingerprint("http3") != "":
		return asciiText(p.event.Fingerprint("http3"))
	case p.isHTTP3:
		return noneHTTP3
	}
	return noneNotHTTP3
}

func (p *passedEvent) stable() string {
	if p.none != "" {
		return p.none
	}
	return asciiText(p.event.Fingerprint("stable"))
}

func (p *passedEvent) client() string {
	if p.none != "" {
		return p.none
	}
	names := nearestNames(p.event.Client)
	if len(names) == 0 {
		return noneClient
	}
	return textList(names)
}

func (p *passedEvent) tells() string {
	switch names := tellNames(p.event.Tells); {
	case p.none != "":
		return p.none
	case len(names) > 0:
		return textList(names)
	}
	return noneFound
}

func (p *passedEvent) claim() string {
	switch {
	case p.none != "":
		return p.none
	case p.event.Claim == nil:
		return noneUserAgent
	}
	return p.event.Claim.Verdict.String()
}

// tags returns those of a connection without a hello, too.
func (p *passedEvent) tags() string {
	switch {
	case len(p.event.Tags) > 0:
		return textList(p.event.Tags)
	case p.none == noneUnknown:
		return p.none
	}
	return noneFound
}

// rule returns that of a connection without a hello, too, and so does action.
func (p *passedEvent) rule() string { return p.decided(p.event.Rule) }

func (p *passedEvent) action() string { return p.decided(p.event.Action) }

func (p *passedEvent) decided(value string) string {
	switch {
	case value != "":
		return asciiText(value)
	case p.none == noneUnknown:
		return p.none
	}
	return noneFound
}

func nearestNames(candidates []known.Candidate) []string { return headertext.NearestNames(candidates) }

// tellNames returns the names of the tells that are evidence, each once.
func tellNames(tells []known.Tell) (names []string) {
	for i := range tells {
		if tells[i].IsEvidence() && !slices.Contains(names, tells[i].Name) {
			names = append(names, tells[i].Name)
		}
	}
	return names
}

// textList returns names as the value of a field.
func textList(names []string) string { return headertext.List(names) }

// asciiText returns s with \xNN for each byte that is not printable ASCII.
func asciiText(s string) string { return headertext.ASCII(s) }
