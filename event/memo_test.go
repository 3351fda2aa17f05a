package event

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestMemo: an Observer that has seen many hellos tells of each what one that
// has seen none does, though they differ in one value only.
func TestMemo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var names []string
	real := hellotest.Real(t)
	for name := range real {
		names = append(names, name)
	}
	slices.Sort(names)
	var ob Observer
	for range 5000 {
		h := real[names[r.IntN(len(names))]].Clone()
		pick := func(n int) int { return r.IntN(max(n, 1)) }
		switch r.IntN(9) {
		case 0:
			h.LegacyVersion ^= parser.Version(r.IntN(4))
		case 1:
			h.Transport = []parser.Transport{parser.TLS, parser.QUIC, parser.DTLS}[r.IntN(3)]
		case 2:
			h.CipherSuites = slices.Delete(slices.Clone(h.CipherSuites), pick(len(h.CipherSuites)), len(h.CipherSuites))
		case 3:
			h.SupportedGroups = append(slices.Clone(h.SupportedGroups), parser.NamedGroup(r.IntN(4)))
		case 4:
			h.SignatureAlgorithms = append(slices.Clone(h.SignatureAlgorithms), parser.SignatureScheme(r.IntN(4)))
		case 5:
			h.SupportedVersions = append(slices.Clone(h.SupportedVersions), parser.Version(0x300+r.IntN(6)))
		case 6:
			h.ECPointFormats = append(slices.Clone(h.ECPointFormats), byte(r.IntN(4)))
		case 7:
			h.ALPNProtocols = [][]byte{[]byte([]string{"h2", "h3", "x", ""}[r.IntN(4)])}
		case 8:
			h.Extensions = slices.Clone(h.Extensions)
			r.Shuffle(len(h.Extensions), func(i, j int) { h.Extensions[i], h.Extensions[j] = h.Extensions[j], h.Extensions[i] })
		}
		e := ob.Event(observation(h), Compact)
		require.Equal(t, fingerprint.JA3(h), e.JA3)
		require.Equal(t, fingerprint.JA3N(h), e.JA3N)
		require.Equal(t, fingerprint.JA4(h), e.JA4)
		require.Equal(t, versionText(highestVersion(h)), e.Version)
		assertForgetful(t, &ob, observation(h))
	}
}

// TestMemoIsBounded: what only a hostile client sends is not remembered.
func TestMemoIsBounded(t *testing.T) {
	suites := make([]parser.CipherSuite, 32000)
	for i := range suites {
		suites[i] = parser.CipherSuite(i)
	}
	h, err := parser.Parse(hellotest.Message(parser.VersionTLS12, suites))
	require.NoError(t, err)
	var ob Observer
	for range 3 {
		e := ob.Event(observation(h), Compact)
		assert.Equal(t, fingerprint.JA4(h), e.JA4)
		assert.Equal(t, fingerprint.JA3(h), e.JA3)
	}
	for _, e := range ob.memo.entries {
		assert.Empty(t, e.key)
	}
}

// TestMemoKey: of two keys neither is the beginning of the other, and lists of
// the same bytes, cut elsewhere, have different ones.
func TestMemoKey(t *testing.T) {
	a := appendLists(nil, &parser.ClientHello{CipherSuites: []parser.CipherSuite{1, 2}, SupportedGroups: []parser.NamedGroup{3}})
	b := appendLists(nil, &parser.ClientHello{CipherSuites: []parser.CipherSuite{1}, SupportedGroups: []parser.NamedGroup{2, 3}})
	assert.NotEqual(t, a, b)
	a = appendLists(nil, &parser.ClientHello{ALPNProtocols: [][]byte{[]byte("h2")}})
	b = appendLists(nil, &parser.ClientHello{ALPNProtocols: [][]byte{[]byte("h"), []byte("2")}})
	assert.NotEqual(t, a, b)
}
