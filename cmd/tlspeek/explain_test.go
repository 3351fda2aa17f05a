package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A client that is known is found by each of its fingerprints, whether or not
// the database has that one written down.
func TestExplainKnowsClients(t *testing.T) {
	entries, err := known.BuiltinEntries()
	require.NoError(t, err)
	tried := map[parser.Transport]int{}
	for i := range entries {
		h, err := entries[i].ParseHello()
		require.NoError(t, err)
		if h == nil || tried[h.Transport] == 1 {
			continue
		}
		tried[h.Transport]++
		texts := []string{
			fingerprint.JA3(h), fingerprint.JA3N(h), fingerprint.JA3Full(h), fingerprint.JA3NFull(h),
			fingerprint.JA4(h), fingerprint.JA4O(h), fingerprint.JA4R(h), fingerprint.JA4RO(h),
			fingerprint.Stable(h), fingerprint.StableFull(h), fingerprint.TLSFP(h), fingerprint.TLSFPNorm(h), fingerprint.QUICParamsID(h),
			fingerprint.NPF(h), fingerprint.NPF1(h), fingerprint.NPFHash(fingerprint.NPF2(h)), fingerprint.NPFQUIC(h, 1), fingerprint.NPFQUIC1(h, 1),
		}
		for _, text := range slices.DeleteFunc(texts, func(s string) bool { return s == "" }) {
			x, err := explainText(text)
			require.NoError(t, err)
			e := explained{Explanation: x}
			require.NoError(t, addKnown(&e))
			found := slices.ContainsFunc(e.Clients, func(c seenClient) bool { return c.Name == entries[i].Name })
			assert.True(t, found, "%s of %s", text, entries[i].Name)
			for _, p := range e.Parts {
				switch p.Name {
				case "cipher_suites_digest", "extensions_digest":
					assert.NotEmpty(t, p.Hashed, "%s of %s", text, entries[i].Name)
				}
			}
		}
	}
	assert.Equal(t, 1, tried[parser.TLS])
	assert.Equal(t, 1, tried[parser.QUIC])
}
