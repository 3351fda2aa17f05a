package filter

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A pair is a hello as a Filter gets it.
type pair struct {
	o event.Observation
	e event.Event
}

func pairs() map[string]pair {
	hello := func(t parser.Transport, name []byte) *parser.ClientHello {
		return &parser.ClientHello{Transport: t, ServerName: name}
	}
	client := func(list ...known.Candidate) event.Event { return event.Event{Client: list} }
	list := map[string]pair{
		"one": {event.Observation{Hello: hello(parser.TLS, []byte("www.example")), Src: netip.MustParseAddrPort("192.0.2.1:1000"), Dst: netip.MustParseAddrPort("198.51.100.1:443")},
			client(known.Candidate{Name: "Chromium", Family: "Chromium", Kind: known.KindBrowser},
				known.Candidate{Name: "uTLS", Family: "Chromium", Kind: known.KindImpersonator}, known.Candidate{Name: "curl", Family: "OpenSSL", Kind: known.KindTool, Distance: 1})},
		"no name": {event.Observation{Hello: hello(parser.QUIC, nil), Src: netip.MustParseAddrPort("[2001:db8::1]:1000"), Dst: netip.MustParseAddrPort("[2001:db8::2]:8443")},
			client(known.Candidate{Name: "Go net/http", Family: "Go", Kind: known.KindLibrary, Distance: 60}, known.Candidate{Name: "pion/dtls", Family: "pion", Distance: 50})},
		"empty name": {event.Observation{Hello: hello(parser.DTLS, []byte{})}, client(known.Candidate{Name: "far", Family: "far", Distance: 100})},
		"no hello":   {event.Observation{Transport: parser.TLS}, event.Event{Error: "truncated"}},
		"a tell":     {event.Observation{Hello: hello(parser.TLS, []byte("a/b"))}, event.Event{Tells: []known.Tell{{Name: "frozen-order"}, {Name: "sorted", Novel: true}}}},
		"leads":      {event.Observation{Hello: hello(parser.TLS, []byte("x"))}, event.Event{Tells: []known.Tell{{Name: "http2-writing", Lead: true}, {Name: "padding", Novel: true}}}},
	}
	one := list["one"]
	one.e.Fingerprints.Set("ja3", "0149f47eabf9a20d0893e2a44e5a6323")
	one.e.Fingerprints.Set("ja3n", "22441e3edb4a151c17462a438c7a10a5")
	one.e.Fingerprints.Set("ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1")
	list["one"] = one
	return list
}

func (p *pair) match(f *Filter) bool { return f.MatchObservation(&p.o) && f.MatchEvent(&p.e) }

// TestConditions: each condition selects the hellos that it says, and the same condition
// in Not exactly the others.
func TestConditions(t *testing.T) {
	all := pairs()
	for name, test := range map[string]struct {
		f    Filter
		want []string
	}{
		"name":                {Filter{SNI: []string{"www.*"}}, []string{"one"}},
		"any name":            {Filter{SNI: []string{"*"}}, []string{"one", "a tell", "leads"}},
		"* matches a slash":   {Filter{SNI: []string{"a*b"}}, []string{"a tell"}},
		"a slash":             {Filter{SNI: []string{"A/B"}}, []string{"a tell"}},
		"no name":             {Filter{SNI: []string{""}}, []string{"no name", "empty name", "no hello"}},
		"no name or one":      {Filter{SNI: []string{"", "x"}}, []string{"no name", "empty name", "no hello", "leads"}},
		"ja3":                 {Filter{JA3: []string{"0149*"}}, []string{"one"}},
		"ja3n":                {Filter{JA3: []string{"2244*"}}, []string{"one"}},
		"ja4":                 {Filter{JA4: []string{"t13d1516h2_8daaf6152771_e5627efa2ab1"}}, []string{"one"}},
		"transport":           {Filter{Transports: []parser.Transport{parser.QUIC, parser.DTLS}}, []string{"no name", "empty name"}},
		"host":                {Filter{Hosts: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}, []string{"one"}},
		"hosts":               {Filter{Hosts: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}}, []string{"one", "no name"}},
		"port":                {Filter{Ports: []uint16{8443}}, []string{"no name"}},
		"client":              {Filter{Clients: []string{"chromium"}}, []string{"one"}},
		"client as good":      {Filter{Clients: []string{"utls"}}, []string{"one"}},
		"client farther":      {Filter{Clients: []string{"curl"}}, nil},
		"nearer than best":    {Filter{Clients: []string{"pion/dtls"}}, []string{"no name"}},
		"client with a slash": {Filter{Clients: []string{"go net/http"}}, []string{"no name"}},
		"client pattern":      {Filter{Clients: []string{"go*http", "chrom*"}}, []string{"one", "no name"}},
		"too far":             {Filter{Clients: []string{"far"}}, nil},
		"unknown client":      {Filter{Clients: []string{"unknown"}}, []string{"empty name", "a tell", "leads"}},
		"family":              {Filter{Families: []string{"go", "openssl"}}, []string{"no name"}},
		"kind":                {Filter{Kinds: []string{"impersonator"}}, []string{"one"}},
		"kinds":               {Filter{Kinds: []string{"browser", "library"}}, []string{"one", "no name"}},
		"other kind":          {Filter{Kinds: []string{"other"}}, []string{"no name"}},
		"tell":                {Filter{Tells: []string{"frozen-order"}}, []string{"a tell"}},
		"any tell":            {Filter{Tells: []string{"*"}}, []string{"a tell"}},
		"tell pattern":        {Filter{Tells: []string{"*-w*", "so*"}}, nil},
		"lead by its name":    {Filter{Tells: []string{"http2-writing"}}, []string{"leads"}},
		"novel by its name":   {Filter{Tells: []string{"sorted"}}, []string{"a tell"}},
		"tells":               {Filter{Tells: []string{"*", "padding"}}, []string{"a tell", "leads"}},
	} {
		var got []string
		for which, p := range all {
			not := Filter{Not: &test.f}
			matches := p.match(&test.f)
			assert.NotEqual(t, matches, p.match(&not), "%s: %s", name, which)
			if matches {
				got = append(got, which)
			}
		}
		assert.ElementsMatch(t, test.want, got, name)
	}
}

// TestAnd: conditions, those in Not and times are combined by "and".
func TestAnd(t *testing.T) {
	all := pairs()
	f := Filter{Clients: []string{"chromium"}, SNI: []string{"www.*"}, Not: &Filter{Kinds: []string{"tool"}, Ports: []uint16{80}}}
	one := all["one"]
	assert.True(t, one.match(&f))
	for _, change := range []func(*Filter){
		func(f *Filter) { f.SNI = []string{"x"} },
		func(f *Filter) { f.Clients = []string{"curl"} },
		func(f *Filter) { f.Not = &Filter{Kinds: []string{"impersonator"}} },
		func(f *Filter) { f.Not = &Filter{Kinds: []string{"tool"}, Ports: []uint16{443}} },
		func(f *Filter) { f.Since = time.Unix(1, 0) },
	} {
		g := f
		change(&g)
		assert.False(t, one.match(&g))
	}
}

// TestNeeds: what a hello is looked up for follows from the conditions alone.
func TestNeeds(t *testing.T) {
	for _, test := range []struct {
		f              Filter
		event, clients bool
	}{
		{Filter{}, false, false},
		{Filter{SNI: []string{"x"}, Not: &Filter{SNI: []string{"y"}}}, false, false},
		{Filter{JA4: []string{"*"}}, true, false},
		{Filter{Not: &Filter{JA3: []string{"*"}}}, true, false},
		{Filter{Clients: []string{"*"}}, true, true},
		{Filter{Families: []string{"*"}}, true, true},
		{Filter{Kinds: []string{"*"}}, true, true},
		{Filter{Tells: []string{"*"}}, true, true},
		{Filter{JA4: []string{"*"}, Not: &Filter{Tells: []string{"*"}}}, true, true},
	} {
		assert.Equal(t, test.event, test.f.NeedsEvent())
		assert.Equal(t, test.clients, test.f.NeedsClients())
	}
}

// TestAllocates: a whole name is compared without memory.
func TestAllocates(t *testing.T) {
	one := pairs()["one"]
	f := Filter{Clients: []string{"utls"}, Kinds: []string{"browser"}, Not: &Filter{Tells: []string{"*"}, SNI: []string{""}}}
	require.True(t, one.match(&f))
	assert.Zero(t, testing.AllocsPerRun(100, func() { one.match(&f) }))
}

func TestParsePattern(t *testing.T) {
	for text, want := range map[string]string{"": "", "WWW.example": "www.example", "A/B": "a/b", "A/*": "a\x00*"} {
		got, err := ParsePattern(text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := ParsePattern("[")
	assert.Error(t, err)
}

func TestNear(t *testing.T) {
	names := []string{"cargo", "quic-go", "Go net/http", "Go crypto/tls", "curl", "Firefox", "frozen-order", "frozen-grease"}
	for text, want := range map[string][]string{
		"go":     {"quic-go", "Go net/http", "Go crypto/tls"},
		"frefox": {"Firefox"},
		"CRL":    {"curl"},
		"frozen": {"frozen-order", "frozen-grease"},
		"order":  {"frozen-order"},
		"":       nil,
		"zzzz":   nil,
	} {
		assert.Equal(t, want, Near(text, names), text)
	}
	assert.Nil(t, Near(string(make([]byte, 1<<20)), names), "a text that long is no name")
	assert.True(t, HasName("go*", names))
	assert.False(t, HasName("gopher", names))
}
