package known

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestVersionFeatureBounds claims the versions around each bound of a feature, and names
// a feature without a case.
func TestVersionFeatureBounds(t *testing.T) {
	type versionCase struct {
		o              Observation
		b              browser
		refuted, stays int // versions claimed
		reason         string
	}
	real := hellotest.Real(t)
	chrome, fox := real["chromium-156"], real["firefox-153"]
	const (
		before112 = "1:65536;3:1000;4:6291456;6:262144|15663105|0|m,a,s,p"
		after119  = "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
	)
	cases := []versionCase{
		{Observation{Hello: chrome}, chromium, 132, 133, "trust_anchors, which no version before 133 has"},
		{Observation{Hello: chrome}, chromium, 145, 146, "ids in trust_anchors, which no version before 146 has"},
		{Observation{Hello: chrome}, chromium, 143, 144, "ML-DSA among the signature algorithms, which no version before 144 has"},
		{Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.SignatureAlgorithms = h.SignatureAlgorithms[:0] })}, chromium, 156, 155,
			"no ML-DSA among the signature algorithms, which no version after 155 has"},
		{Observation{Hello: chrome}, chromium, 126, 127, "application_settings at 44cd, which no version before 127 has"},
		{Observation{Hello: chrome}, chromium, 123, 124, "X25519MLKEM768, which no version before 124 has"},
		{Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.SupportedGroups[1] = 0x6399 })}, chromium, 104, 105,
			"X25519Kyber768Draft00, which no version before 105 has"},
		{Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.SupportedGroups[1] = 0x6399 })}, chromium, 142, 141,
			"X25519Kyber768Draft00, which no version after 141 has"},
		{Observation{Hello: chrome}, chromium, 104, 105, "encrypted_client_hello, which no version before 105 has"},
		{Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.CipherSuites = append(h.CipherSuites, 0x000a) })}, chromium, 98, 97,
			"TLS_RSA_WITH_3DES_EDE_CBC_SHA, which no version after 97 has"},
		{Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.SupportedVersions = append(h.SupportedVersions, parser.VersionTLS10) })}, chromium, 120, 119,
			"TLS 1.0 among the versions, which no version after 119 has"},
		{Observation{Hello: real["chromium-92"]}, chromium, 126, 125, "extensions in a fixed order, which no version after 125 has"},
		{Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.Extensions[3].Type = parser.ExtChannelID })}, chromium, 86, 85,
			"channel_id, which no version after 85 has"},
		{Observation{Hello: chrome, HTTP2: before112}, chromium, 110, 109, "HTTP/2 settings without ENABLE_PUSH, which no version after 109 has"},
		{Observation{Hello: chrome, HTTP2: before112}, chromium, 120, 119, "HTTP/2 settings with MAX_CONCURRENT_STREAMS, which no version after 119 has"},
		{Observation{Hello: chrome, HTTP2: after119}, chromium, 111, 112, "HTTP/2 settings without MAX_CONCURRENT_STREAMS, which no version before 112 has"},
		{Observation{Hello: fox}, firefox, 123, 124, "X25519MLKEM768, which no version before 124 has"},
		{Observation{Hello: fox}, safari, 17, 18, "X25519MLKEM768, which no version before 18 has"},
		{Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.SupportedVersions = []parser.Version{parser.VersionTLS12} })}, safari, 18, 17, "no TLS 1.3, which no version after 17 has"},
		{Observation{Hello: fox, HTTP2: "2:0;3:100;4:2097152;9:1|10420225|0|m,s,a,p"}, safari, 16, 17,
			"HTTP/2 settings with NO_RFC7540_PRIORITIES, which no version before 17 has"},
	}
	reasons := func(o *Observation, b browser, major int) []string {
		j := judgement{knowledge: &current}
		j.checkVersion(o, parsedUserAgent{browser: b, major: major})
		return j.refutations
	}
	fallback := edit(fox, func(h *parser.ClientHello) {
		h.SupportedVersions = []parser.Version{parser.VersionTLS12}
		h.CipherSuites = append(h.CipherSuites, 0x5600)
	})
	assert.Empty(t, reasons(&Observation{Hello: fallback}, safari, 26), "a second attempt may lack TLS 1.3")
	for i := range cases {
		c := &cases[i]
		assert.Contains(t, reasons(&c.o, c.b, c.refuted), c.reason, "version %d", c.refuted)
		assert.NotContains(t, reasons(&c.o, c.b, c.stays), c.reason, "version %d", c.stays)
	}
	for i, f := range versionFeatures {
		for bound, text := range map[int]string{featureBounds[i].since: " before ", featureBounds[i].until: " after "} {
			if bound == 0 {
				continue
			}
			has := slices.ContainsFunc(cases, func(c versionCase) bool {
				return c.b == f.browser && c.stays == bound && strings.HasPrefix(c.reason, f.name+",") && strings.Contains(c.reason, text)
			})
			assert.True(t, has, "no case for %s%s%d", f.name, text, bound)
		}
	}
}
