//go:build !race

package policy

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

func TestDecideAllocations(t *testing.T) {
	p := loadText(t, `
rules:
  - {name: a, when: transport == "quic", do: deny}
  - {name: t, when: transport == "tls", do: tag}
  - {name: f, when: 'true', do: limit, rate: 1/h burst 1000000, by: [sni, src_ip]}
  - {name: d, when: 'true', do: deny}
`)
	e := named("a.example")
	var in Input
	in.Reset(&e, nil)
	p.Decide(AtHello, &in, noon)
	got := testing.AllocsPerRun(100, func() { p.Decide(AtHello, &in, noon) })
	match := 0.0
	for r := range p.Rules() {
		match += testing.AllocsPerRun(100, func() {
			if _, err := r.Expr().Match(&in); err != nil {
				t.Fatal(err)
			}
		})
	}
	assert.Equal(t, match, got, "Decide itself allocates nothing")
}

// exampleDecision returns a function that has the policy of docs/examples decide about
// a browser that passes all of its rules, at both stages.
func exampleDecision(t testing.TB) func() {
	noCaptures := func(io.Reader, int64) (*event.Event, error) { return nil, errors.New("no captures here") }
	p, err := Load(OS(), "../docs/examples/shop.yaml", LoadOptions{Capture: noCaptures})
	require.NoError(t, err)
	e := named("www.shop.example")
	e.Client = []known.Candidate{{Name: "Chromium", Family: "Chromium", Kind: known.KindBrowser}, {Name: "Edge", Family: "Chromium", Kind: known.KindBrowser}, {Name: "x", Distance: 20}}
	e.Claim = &known.Claim{Verdict: known.VerdictConsistent}
	r := Request{Method: "GET", Path: "/prices", Host: "www.shop.example"}
	var in Input
	return func() {
		in.Reset(&e, nil)
		hello := p.Decide(AtHello, &in, noon)
		in.Reset(&e, &r)
		if v := hello.And(p.Decide(AtRequest, &in, noon)); v.Rule != "" {
			t.Fatal(v)
		}
	}
}

// TestExampleAllocations: ten rules cost at most 100 allocations a connection.
func TestExampleAllocations(t *testing.T) {
	assert.LessOrEqual(t, testing.AllocsPerRun(100, exampleDecision(t)), 100.0)
}

func BenchmarkExample(b *testing.B) {
	decide := exampleDecision(b)
	b.ReportAllocs()
	for b.Loop() {
		decide()
	}
}
