package known

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestUnregisteredSuites(t *testing.T) {
	fox := hellotest.Real(t)["firefox-153"]
	for _, c := range []struct {
		name   string
		suites []parser.CipherSuite
		told   bool
	}{
		{"drawn at random", []parser.CipherSuite{0x0eee, 0x661e, 0x7502, 0x166d}, true},
		{"one", []parser.CipherSuite{0x0eee}, true},
		{"with GREASE", []parser.CipherSuite{0x1a1a, 0x0eee}, true},
		{"none", nil, false},
		{"GREASE alone", []parser.CipherSuite{0x1a1a}, false},
		{"one registered", []parser.CipherSuite{0x0eee, 0x661e, 0x1301}, false},
		{"with an SCSV", []parser.CipherSuite{0x0eee, 0x00ff}, false},
		{"private use", []parser.CipherSuite{0xff85, 0xff00}, false},
		{"with one for private use", []parser.CipherSuite{0xff85, 0x0eee}, true},
		{"registered later", []parser.CipherSuite{0x1310, 0xd010}, false},
		{"NSS, FIPS", []parser.CipherSuite{0xfeff}, false},
		{"GOST", []parser.CipherSuite{0x0081}, false},
		{"SM2 with SM4", []parser.CipherSuite{0xe013, 0xe011}, false},
		{"the draft of ChaCha20-Poly1305", []parser.CipherSuite{0xcc13}, false},
		{"CECPQ1", []parser.CipherSuite{0x16b7}, false},
		{"export suites of 56 bits", []parser.CipherSuite{0x0060, 0x0062}, false},
		{"Salsa20", []parser.CipherSuite{0xe410}, false},
	} {
		for _, transport := range []parser.Transport{parser.TLS, parser.DTLS} {
			h := edit(fox, func(h *parser.ClientHello) { h.CipherSuites, h.Transport = c.suites, transport })
			found := false
			for _, tell := range AppendTells(nil, &Observation{Hello: h}) {
				found = found || tell.Name == "unregistered-suites" && !tell.Novel
			}
			assert.Equal(t, c.told, found, "%s over %s", c.name, transport)
		}
	}
}

func TestQUICVersions(t *testing.T) {
	real := hellotest.Real(t)
	over := func(name string, f func(*parser.ClientHello)) []Tell {
		require.Contains(t, real, name)
		h := edit(real[name], func(h *parser.ClientHello) {
			h.Transport = parser.QUIC
			f(h)
		})
		var got []Tell
		for _, tell := range AppendTells(nil, &Observation{Hello: h}) {
			if tell.Name == "quic-versions" {
				got = append(got, tell)
			}
		}
		return got
	}
	unchanged := func(*parser.ClientHello) {}
	only13 := func(h *parser.ClientHello) {
		h.CipherSuites = []parser.CipherSuite{0x3a3a, 0x1301, 0x1302, 0x1303}
		h.SupportedVersions = []parser.Version{0x3a3a, parser.VersionTLS13, 0x7f1c}
	}
	got := over("chromium-156", unchanged)
	require.Len(t, got, 1)
	assert.Equal(t, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", got[0].Found)
	assert.False(t, got[0].Novel)

	got = over("chromium-156", func(h *parser.ClientHello) {
		only13(h)
		h.SupportedVersions = append(h.SupportedVersions, parser.VersionTLS12)
	})
	require.Len(t, got, 1)
	assert.Equal(t, "supported_versions", got[0].Field)
	assert.Equal(t, "TLS 1.2", got[0].Found)

	assert.Empty(t, over("chromium-156", only13))
	assert.Empty(t, over("go-1.26", unchanged), "crypto/tls without a browser's shape")
}
