//go:build !race

package policy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/signals"
)

// siteDecision returns a function that has the policy of docs/examples/site decide about a
// connection with a request, as a server asks: of Chromium's own hello, which passes all
// rules, or of curl's, which is denied in the shop. Agg asks a table of signals.
func siteDecision(t testing.TB, hello, agent, wantRule string) func() {
	table := signals.New(signals.Options{MaxBytes: 8 << 20})
	noCaptures := func(io.Reader, int64) (*event.Event, error) { return nil, errors.New("no captures here") }
	p, err := Load(OS(), "../docs/examples/site/policy.yaml", LoadOptions{
		Capture: noCaptures,
		Agg:     func(key string) (signals.Values, bool) { return table.Lookup(key, noon) },
	})
	require.NoError(t, err)
	h := hellotest.Real(t)[hello]
	require.NotNil(t, h, hello)
	h.ServerName = []byte("www.shop.example")
	src := netip.MustParseAddr("203.0.113.77")
	o := &event.Observation{Time: noon, Src: netip.AddrPortFrom(src, 40000), Hello: h, Index: 1}
	e := new(event.Observer).Event(o, event.Full)
	require.NotEmpty(t, e.Client)
	e.UserAgent, e.Claim = agent, &known.Claim{Verdict: known.VerdictConsistent}
	for i := range 30 {
		table.Observe(signals.Sample{JA4: fmt.Sprint("t13d", i), Addr: src, UserAgent: "a"}, noon)
	}
	r := Request{Method: "GET", Path: "/account", Host: "www.shop.example", Protocol: "HTTP/2.0", Header: http.Header{"User-Agent": {agent}}}
	var in Input
	now := noon
	return func() {
		now = now.Add(time.Second) // below the rate of flood
		in.Reset(&e, nil)
		hello := p.Decide(AtHello, &in, now)
		in.Reset(&e, &r)
		if v := hello.And(p.Decide(AtRequest, &in, now)); v.Rule != wantRule {
			t.Fatal(v)
		}
	}
}

var siteClients = []struct{ name, hello, agent, rule string }{
	{"Chromium", "chromium-156", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", ""},
	{"curl", "curl-openssl-3.0", "curl/7.88.1", "programs"},
}

// TestSiteAllocations: the rules of a site cost at most 100 allocations a connection.
func TestSiteAllocations(t *testing.T) {
	for _, c := range siteClients {
		assert.LessOrEqual(t, testing.AllocsPerRun(100, siteDecision(t, c.hello, c.agent, c.rule)), 100.0, c.name)
	}
}

func BenchmarkSite(b *testing.B) {
	for _, c := range siteClients {
		b.Run(c.name, func(b *testing.B) {
			decide := siteDecision(b, c.hello, c.agent, c.rule)
			b.ReportAllocs()
			for b.Loop() {
				decide()
			}
		})
	}
}
