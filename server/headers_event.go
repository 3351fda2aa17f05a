package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"

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

// An optionalField is a field that [Headers] sets if it is asked to.
type optionalField struct {
	name  string
	value func(*passedEvent) string
}

// optional returns the optional fields that are set. It adds the names of all of
// them to names.
func (h *Headers) optional(names *nameSet) (fields []optionalField) {
	for _, f := range []struct {
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
		name := headerName(f.name, f.standard)
		names.add(name)
		if f.name != "" || h.All {
			fields = append(fields, optionalField{name, f.value})
		}
	}
	if h.JSON != "" {
		name := http.CanonicalHeaderKey(h.JSON)
		names.add(name)
		fields = append(fields, optionalField{name, (*passedEvent).json})
	}
	return fields
}

// optionalValues returns the value of each of fields for r.
func optionalValues(fields []optionalField, r *http.Request, f fingerprints) []string {
	p := passedEvent{fingerprints: f, isHTTP3: r.ProtoMajor == 3}
	if isNone(f.ja4) {
		p.none = f.ja4
	}
	var ok bool
	if p.event, ok = EventOf(r, event.Full); !ok && p.none == "" {
		p.none = noneUnknown
	}
	values := make([]string, len(fields))
	for i := range fields {
		values[i] = fields[i].value(&p)
	}
	return values
}

// isNone reports whether value says why there is none.
func isNone(value string) bool { return strings.HasPrefix(value, noneFound) }

// A passedEvent is what the optional fields of a request are made from.
type passedEvent struct {
	fingerprints
	event   event.Event
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

// dictionary returns all values as a dictionary of RFC 9651.
func (p *passedEvent) dictionary() string {
	d := httpsfv.NewDictionary()
	add := func(key, value string) {
		if value != "" && !isNone(value) {
			d.Add(key, httpsfv.NewItem(asciiText(value)))
		}
	}
	if reason, ok := strings.CutPrefix(p.none, "none; "); ok {
		d.Add("none", httpsfv.NewItem(asciiText(reason)))
	}
	add("ja4", p.ja4)
	add("ja3", p.ja3)
	add("http2", p.http2)
	add("http3", p.event.Fingerprint("http3"))
	if p.none == "" {
		add("stable", p.event.Fingerprint("stable"))
		p.addClient(d)
		tells := httpsfv.InnerList{Params: httpsfv.NewParams()}
		for _, name := range tellNames(p.event.Tells) {
			tells.Items = append(tells.Items, httpsfv.NewItem(tokenOrText(name)))
		}
		d.Add("tells", tells)
		if p.event.Claim != nil {
			item := httpsfv.NewItem(httpsfv.Token(p.event.Claim.Verdict.String()))
			if proxy := p.event.Claim.Proxy; proxy != "" {
				item.Params.Add("proxy", asciiText(proxy))
			}
			d.Add("claim", item)
		}
	}
	if len(p.event.Tags) > 0 {
		d.Add("tags", stringList(p.event.Tags))
	}
	if p.event.Rule != "" {
		d.Add("rule", httpsfv.NewItem(asciiText(p.event.Rule)))
	}
	if p.event.Action != "" {
		d.Add("action", httpsfv.NewItem(tokenOrText(p.event.Action)))
	}
	text, _ := httpsfv.Marshal(d) // asciiText and tokenOrText return nothing that it rejects
	return text
}

// addClient adds the nearest clients to d, with their distance unless it is 0.
func (p *passedEvent) addClient(d *httpsfv.Dictionary) {
	names := nearestNames(p.event.Client)
	if len(names) == 0 {
		return
	}
	params := httpsfv.NewParams()
	if distance := p.event.Client[0].Distance; distance > 0 {
		params.Add("distance", int64(distance))
	}
	if len(names) == 1 {
		d.Add("client", httpsfv.Item{Value: asciiText(names[0]), Params: params})
		return
	}
	list := stringList(names)
	list.Params = params
	d.Add("client", list)
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

// stringList returns texts as a list of RFC 9651.
func stringList(texts []string) httpsfv.InnerList {
	list := httpsfv.InnerList{Params: httpsfv.NewParams()}
	for _, text := range texts {
		list.Items = append(list.Items, httpsfv.NewItem(asciiText(text)))
	}
	return list
}

// tokenOrText returns name as a token of RFC 9651, or as a string if it is not one.
func tokenOrText(name string) any {
	for i := range len(name) {
		c := name[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !('0' <= name[i] && name[i] <= '9' || strings.IndexByte("-_.:/", name[i]) >= 0)) {
			return asciiText(name)
		}
	}
	if name == "" {
		return name
	}
	return httpsfv.Token(name)
}

// asciiText returns s with \xNN for each byte that is not printable ASCII.
func asciiText(s string) string { return headertext.ASCII(s) }
