package known

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestMissingExtensions removes each extension that BoringSSL and NSS always send.
func TestMissingExtensions(t *testing.T) {
	always := []parser.ExtensionType{
		parser.ExtSupportedGroups, parser.ExtECPointFormats, parser.ExtSignatureAlgorithms, parser.ExtExtendedMasterSecret,
		parser.ExtKeyShare, parser.ExtRenegotiationInfo, parser.ExtPSKKeyExchangeModes,
	}
	for _, name := range []string{"chromium-156", "firefox-153"} {
		for _, typ := range always {
			h := edit(hellotest.Real(t)[name], func(h *parser.ClientHello) {
				h.Extensions = slices.DeleteFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == typ })
			})
			found := slices.ContainsFunc(AppendTells(nil, &Observation{Hello: h}), func(tell Tell) bool {
				return tell.Name == "missing-extension" && tell.Found == "no "+typ.String()+" ("+hex4(uint16(typ))+")"
			})
			// Tor Browser, which keeps no sessions, has no psk_key_exchange_modes.
			assert.Equal(t, name != "firefox-153" || typ != parser.ExtPSKKeyExchangeModes, found, "%s without %s", name, typ)
		}
	}
}

// TestCanonicalOrder compares the order of extensions with that of Chromium 80,
// which never permuted them.
func TestCanonicalOrder(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == "Chromium" && e.Version == "80.0.3987.0" })
	require.GreaterOrEqual(t, i, 0)
	h, err := entries[i].ModelHello()
	require.NoError(t, err)
	var types []parser.ExtensionType
	for _, e := range h.Extensions {
		if !parser.IsGREASE(e.Type) && e.Type != parser.ExtServerName {
			types = append(types, e.Type)
		}
	}
	assert.Equal(t, types, canonical[:])
	assert.True(t, isCanonical(h))
	h.Extensions[3], h.Extensions[4] = h.Extensions[4], h.Extensions[3]
	assert.False(t, isCanonical(h))
}
