package server

import (
	"math/rand/v2"
	"testing"

	"github.com/dunglas/httpsfv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
)

// http3Values returns fingerprints of which one is of HTTP/3.
func http3Values(text string) (v fingerprint.Values) {
	v.Set("http3", text)
	return v
}

// passedForTest has a value for each field, and some that a field cannot have as
// they are.
func passedForTest() passedEvent {
	return passedEvent{
		fingerprints: fingerprints{"771,4865,,,", "t13d1516h2_8daaf6152771_b186095e22b6", "1:65536|0|0|m,a"},
		event: &event.Event{
			Fingerprints: http3Values("1:0|é"),

			Client: []known.Candidate{{Name: `My "client", 2`, Distance: 31}, {Name: "ünï\n", Distance: 31}, {Name: "far", Distance: 32}},
			Tells:  []known.Tell{{Name: "ech-aead"}, {Name: "ech-aead"}, {Name: "not a token"}},
			Claim:  &known.Claim{Verdict: known.VerdictInconsistent},
			Tags:   []string{"bot", "a, b\\"},
			Rule:   "not a browser",
			Action: "deny",
		},
	}
}

func TestPassedValues(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*passedEvent)
		want [9]string // http3, stable, client, tells, claim, tags, rule, action, dictionary
	}{
		{"all", func(*passedEvent) {}, [9]string{
			`1:0|\xc3\xa9`, "", `My "client"\x2c 2, \xc3\xbcn\xc3\xaf\x0a`, "ech-aead, not a token", "inconsistent", `bot, a\x2c b\`, "not a browser", "deny",
			`ja4="t13d1516h2_8daaf6152771_b186095e22b6", ja3="771,4865,,,", http2="1:65536|0|0|m,a", http3="1:0|\\xc3\\xa9", ` +
				`client=("My \"client\", 2" "\\xc3\\xbcn\\xc3\\xaf\\x0a");distance=31, tells=(ech-aead "not a token"), claim=inconsistent, tags=("bot" "a, b\\"), rule="not a browser", action=deny`,
		}},
		{"a tell that is no evidence", func(p *passedEvent) {
			p.http2 = noneNotHTTP2
			p.event = &event.Event{Tells: []known.Tell{{Name: "padding", Novel: true}, {Name: "session-id", Lead: true}}}
		}, [9]string{
			noneNotHTTP3, "", noneClient, "none", noneUserAgent, "none", "none", "none",
			`ja4="t13d1516h2_8daaf6152771_b186095e22b6", ja3="771,4865,,,", tells=()`,
		}},
		{"one client, nothing else", func(p *passedEvent) {
			p.http2 = noneNotHTTP2
			p.event = &event.Event{Client: []known.Candidate{{Name: "curl"}, {Name: "curl"}}}
		}, [9]string{
			noneNotHTTP3, "", "curl", "none", noneUserAgent, "none", "none", "none",
			`ja4="t13d1516h2_8daaf6152771_b186095e22b6", ja3="771,4865,,,", client="curl", tells=()`,
		}},
		{"behind a proxy", func(p *passedEvent) {
			p.http2 = noneNotHTTP2
			p.event = &event.Event{Claim: &known.Claim{Verdict: known.VerdictInconsistent, Proxy: `Gate "é"`}}
		}, [9]string{
			noneNotHTTP3, "", noneClient, "none", "inconsistent", "none", "none", "none",
			`ja4="t13d1516h2_8daaf6152771_b186095e22b6", ja3="771,4865,,,", tells=(), claim=inconsistent;proxy="Gate \"\\xc3\\xa9\""`,
		}},
		{"far client, HTTP/3", func(p *passedEvent) {
			p.http2, p.isHTTP3 = noneNotHTTP2, true
			p.event = &event.Event{Client: []known.Candidate{{Name: "curl", Distance: 100}}, Claim: &known.Claim{}}
		}, [9]string{
			noneHTTP3, "", noneClient, "none", "unknown", "none", "none", "none",
			`ja4="t13d1516h2_8daaf6152771_b186095e22b6", ja3="771,4865,,,", tells=(), claim=unknown`,
		}},
		{"no hello", func(p *passedEvent) {
			p.fingerprints = fingerprints{noneLimit, noneLimit, noneNotHTTP2}
			p.none, p.event = noneLimit, &event.Event{Tags: []string{"big"}, Rule: "large", Action: "close"}
		}, [9]string{noneNotHTTP3, noneLimit, noneLimit, noneLimit, noneLimit, "big", "large", "close", `none="hello over limit", tags=("big"), rule="large", action=close`}},
		{"unknown connection", func(p *passedEvent) {
			*p = passedEvent{fingerprints: fingerprints{noneUnknown, noneUnknown, noneUnknown}, none: noneUnknown, event: new(event.Event)}
		}, [9]string{noneUnknown, noneUnknown, noneUnknown, noneUnknown, noneUnknown, noneUnknown, noneUnknown, noneUnknown, `none="unknown connection"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := passedForTest()
			c.edit(&p)
			assert.Equal(t, c.want, [9]string{p.http3(), p.stable(), p.client(), p.tells(), p.claim(), p.tags(), p.rule(), p.action(), p.dictionary()})
		})
	}
}

// TestManyClientsAreBounded: of more than eight that are as near, eight are named.
func TestManyClientsAreBounded(t *testing.T) {
	var candidates []known.Candidate
	for c := range 26 {
		candidates = append(candidates, known.Candidate{Name: string(rune('a' + c))})
	}
	assert.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g", "h"}, nearestNames(candidates))
}

// TestDictionaryIsAlwaysValid makes dictionaries of random bytes, and reads them
// back.
func TestDictionaryIsAlwaysValid(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, 1+r.IntN(6))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return string(b)
	}
	for range 5000 {
		p := passedEvent{fingerprints: fingerprints{text(), text(), text()}, event: &event.Event{
			Fingerprints: http3Values(text()),

			Client: []known.Candidate{{Name: text()}, {Name: text()}},
			Tells:  []known.Tell{{Name: text()}},
			Claim:  &known.Claim{Verdict: known.VerdictConsistent, Proxy: text()},
			Tags:   []string{text(), ""},
			Rule:   text(),
			Action: text(),
		}}
		value := p.dictionary()
		d, err := httpsfv.UnmarshalDictionary([]string{value})
		require.NoError(t, err, "%q", value)
		assert.Equal(t, []string{"ja4", "ja3", "http2", "http3", "client", "tells", "claim", "tags", "rule", "action"}, d.Names())
		for _, value := range []string{value, p.client(), p.tells(), p.tags(), p.rule(), p.action(), p.http3()} {
			assert.Regexp(t, `^[ -~]+$`, value)
		}
	}
}
