package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// outline returns a Part as lines, each with its value or its error.
func outline(p *Part, depth int) string {
	text := fmt.Sprintf("%s%s: %s", strings.Repeat("  ", depth), p.Text, p.Value)
	if p.Error != "" {
		text += "error"
	}
	text = strings.TrimRight(text, " ") + "\n"
	for i := range p.Parts {
		text += outline(&p.Parts[i], depth+1)
	}
	return text
}

func explained(t *testing.T, text string, e *event.Event) Part {
	env, err := NewEnv(EnvOptions{})
	require.NoError(t, err)
	x, err := env.Compile(text, AtRequest)
	require.NoError(t, err)
	var in Input
	in.Reset(e, nil)
	p, err := x.Explain(t.Context(), &in)
	require.NoError(t, err)
	matched, matchErr := x.Match(&in)
	if errors.Is(matchErr, ErrCost) { // which parts do not say
		return p
	}
	if p.Error == "" {
		assert.Equal(t, fmt.Sprint(matched), p.Value, text)
	}
	assert.Equal(t, matchErr != nil, p.Error != "", text)
	return p
}

func explainedEvent() *event.Event {
	name := "a.example"
	return &event.Event{
		SNI: &name, ALPN: []string{"h2", "http/1.1"}, Time: time.Unix(0, 0).UTC(),
		Client: []known.Candidate{{Name: "curl", Family: "OpenSSL", Kind: known.KindTool}, {Name: "uTLS", Family: "Chromium", Kind: known.KindImpersonator}},
	}
}

func TestExplain(t *testing.T) {
	const (
		curl = `{"name":"curl","family":"OpenSSL","kind":"tool","distance":0}`
		utls = `{"name":"uTLS","family":"Chromium","kind":"impersonator","distance":0}`
	)
	for text, want := range map[string]string{
		`size(tells) > 0 || client.exists(c, c.kind == "impersonator" && c.distance == 0)`: `
size(tells) > 0 || client.exists(c, c.kind == "impersonator" && c.distance == 0): true
  size(tells) > 0: false
    size(tells): 0
      tells: []
  client.exists(c, c.kind == "impersonator" && c.distance == 0): true
    client: [` + curl + `, ` + utls + `]
    c = client[0]: ` + curl + `
      c.kind == "impersonator" && c.distance == 0: false
        c.kind == "impersonator": false
          c.kind: "tool"
        c.distance == 0: true
          c.distance: 0
    c = client[1]: ` + utls + `
      c.kind == "impersonator" && c.distance == 0: true
        c.kind == "impersonator": true
          c.kind: "impersonator"
        c.distance == 0: true
          c.distance: 0
`,
		// The part with an error does not matter, but is told.
		`has(event.sni) || ip(sni).isLoopback()`: `
has(event.sni) || ip(sni).isLoopback(): true
  has(event.sni): true
  ip(sni).isLoopback(): error
    ip(sni): error
      sni: "a.example"
`,
		`false && alpn[7] == "x"`: `
false && alpn[7] == "x": false
  alpn[7] == "x": error
    alpn[7]: error
      alpn: ["h2", "http/1.1"]
`,
		`alpn[7] == "x"`: `
alpn[7] == "x": error
  alpn[7]: error
    alpn: ["h2", "http/1.1"]
`,
		`alpn.exists(a, ["h2", a].exists(b, b == a && b != "h2")) ? sni in ["x"] : carrier.bytes > 3`: `
alpn.exists(a, ["h2", a].exists(b, b == a && b != "h2")) ? (sni in ["x"]) : (carrier.bytes > 3): false
  alpn.exists(a, ["h2", a].exists(b, b == a && b != "h2")): true
    alpn: ["h2", "http/1.1"]
    a = alpn[0]: "h2"
      ["h2", a].exists(b, b == a && b != "h2"): false
        ["h2", a]: ["h2", "h2"]
          a: "h2"
        b = ["h2", a][0]: "h2"
          b == a && b != "h2": false
            b == a: true
              b: "h2"
              a: "h2"
            b != "h2": false
              b: "h2"
        b = ["h2", a][1]: "h2"
          b == a && b != "h2": false
            b == a: true
              b: "h2"
              a: "h2"
            b != "h2": false
              b: "h2"
    a = alpn[1]: "http/1.1"
      ["h2", a].exists(b, b == a && b != "h2"): true
        ["h2", a]: ["h2", "http/1.1"]
          a: "http/1.1"
        b = ["h2", a][0]: "h2"
          b == a && b != "h2": false
            b == a: false
              b: "h2"
              a: "http/1.1"
            b != "h2": false
              b: "h2"
        b = ["h2", a][1]: "http/1.1"
          b == a && b != "h2": true
            b == a: true
              b: "http/1.1"
              a: "http/1.1"
            b != "h2": true
              b: "http/1.1"
  sni in ["x"]: false
    sni: "a.example"
  carrier.bytes > 3: false
    carrier.bytes: 0
`,
		`time < timestamp("2026-01-01T00:00:00Z") && !shared && size(raw) == 0 && size(hello) == 0`: `
time < timestamp("2026-01-01T00:00:00Z") && !shared && size(raw) == 0 && size(hello) == 0: true
  time < timestamp("2026-01-01T00:00:00Z") && !shared: true
    time < timestamp("2026-01-01T00:00:00Z"): true
      time: 1970-01-01T00:00:00Z
      timestamp("2026-01-01T00:00:00Z"): 2026-01-01T00:00:00Z
    !shared: true
      shared: false
  size(raw) == 0 && size(hello) == 0: true
    size(raw) == 0: true
      size(raw): 0
        raw: 0 bytes
    size(hello) == 0: true
      size(hello): 0
        hello: a map of 0
`,
		`agg(ja4).addresses >= 0`: `
agg(ja4).addresses >= 0: true
  agg(ja4).addresses: 0
    agg(ja4): {}
      ja4: ""
`,
	} {
		p := explained(t, text, explainedEvent())
		assert.Equal(t, strings.TrimPrefix(want, "\n"), outline(&p, 0), text)
	}
}

// TestExplainIsBounded: what is told of an Event with long texts and lists is short.
func TestExplainIsBounded(t *testing.T) {
	long := strings.Repeat("\\x00é", 40_000)
	e := &event.Event{SNI: &long}
	for i := range 30_000 {
		e.ALPN = append(e.ALPN, fmt.Sprint(i))
	}
	for _, text := range []string{
		`sni == "x" || alpn.exists(a, a == "20000" || a == "4000")`,
		`alpn.map(a, a + sni).size() == 3`,
		`alpn.all(a, ["1", "2", "3"].exists(b, [a, b].exists(c, [a, b, c].exists(d, [d].exists(f, f == "x")))))`,
	} {
		if strings.Contains(text, "+ sni") {
			e.ALPN = e.ALPN[:100]
		}
		p := explained(t, text, e)
		assert.Less(t, len(outline(&p, 0)), 500_000, text)
		assert.Greater(t, len(p.Parts), 0)
	}
	e.ALPN = nil
	for i := range 30_000 {
		e.ALPN = append(e.ALPN, fmt.Sprint(i))
	}
	p := explained(t, `alpn.exists(a, a == "4000")`, e)
	text := outline(&p, 0)
	assert.Contains(t, text, `a = alpn[4000]: "4000"`)
	assert.Contains(t, text, `a = alpn[7]: "7"`)
	assert.NotContains(t, text, `a = alpn[8]: "8"`)
	assert.Contains(t, text, "29991 more of alpn:")
}

// TestExplainEnds: an expression all of whose parts take too long is not explained.
func TestExplainEnds(t *testing.T) {
	e := &event.Event{ALPN: make([]string, 30_000)}
	env, err := NewEnv(EnvOptions{})
	require.NoError(t, err)
	x, err := env.Compile(`alpn.exists(a, alpn.exists(b, b != a))`, AtHello)
	require.NoError(t, err)
	var in Input
	in.Reset(e, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = x.Explain(ctx, &in)
	assert.ErrorIs(t, err, context.Canceled)
}
