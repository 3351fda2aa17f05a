package server

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

func TestEventAsHeader(t *testing.T) {
	sni := "ünï.example \U0001F600\x7f"
	p := passedForTest()
	p.event.Transport, p.event.SNI, p.event.HTTP2Wire = "tls", &sni, "not in a compact Event"
	text := p.json()
	assert.Regexp(t, `^\{"transport":"tls","sni":"\\u00fcn\\u00ef\.example \\ud83d\\ude00\\u007f",[ -~]+\}$`, text)
	var got event.Event
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	want := p.event.Compact()
	for i := range want.Tells { // JSON has what evidence a tell is in other keys
		want.Tells[i] = got.Tells[i]
	}
	assert.Equal(t, want, got)
}

// TestHeaderWithoutAHelloIsJSON: its first key is none, and no Event has that key.
func TestHeaderWithoutAHelloIsJSON(t *testing.T) {
	for _, c := range []struct {
		p    passedEvent
		want string
	}{
		{passedEvent{none: noneUnknown, event: new(event.Event)}, `{"none":"unknown connection"}`},
		{passedEvent{none: noneHello, event: new(event.Event)}, `{"none":"no hello"}`},
		{
			passedEvent{none: noneLimit, event: &event.Event{Transport: "tls", Error: "é", Rule: "large", Action: "close"}},
			`{"none":"hello over limit","transport":"tls","rule":"large","action":"close","error":"\u00e9"}`,
		},
	} {
		assert.Equal(t, c.want, c.p.json())
	}
	for i := range event.Fields {
		assert.NotEqual(t, "none", event.Fields[i].Key)
	}
}

// TestEventAsHeaderIsBounded: a client cannot make the field longer than a backend
// takes.
func TestEventAsHeaderIsBounded(t *testing.T) {
	sni := strings.Repeat("a", 60000)
	p := passedForTest()
	p.event.Transport, p.event.SNI = "tls", &sni
	p.event.Fingerprints.Set("ja4", "t13d")
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(p.json()), &got))
	assert.Equal(t, map[string]any{
		"none": "event over limit", "transport": "tls", "ja4": "t13d", "claim": map[string]any{"verdict": "inconsistent"},
		"rule": "not a browser", "action": "deny", "tags": []any{"bot", `a, b\`},
	}, got)
	p.event.Rule = sni
	clear(got)
	require.NoError(t, json.Unmarshal([]byte(p.json()), &got))
	assert.Equal(t, map[string]any{
		"none": "event over limit", "transport": "tls", "ja4": "t13d", "claim": map[string]any{"verdict": "inconsistent"}, "action": "deny",
	}, got)
}

func TestHeaderJSONIsAlwaysValid(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteRune(rune(r.IntN(0x11000) << r.IntN(5)))
		}
		return b.String()
	}
	for range 5000 {
		sni := text()
		p := passedEvent{event: &event.Event{
			Transport: "tls", SNI: &sni, ALPN: []string{text(), text()}, UserAgent: text(), Error: text(),
			Claim: &known.Claim{Proxy: text()}, Tags: []string{text()}, Rule: text(),
		}}
		value := p.json()
		assert.Regexp(t, `^[ -~]+$`, value)
		var got event.Event
		require.NoError(t, json.Unmarshal([]byte(value), &got), value)
		assert.Equal(t, *p.event, got)
	}
}
