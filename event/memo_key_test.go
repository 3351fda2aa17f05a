package event

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// keysOf returns the exact and the permuted key of o.
func keysOf(o *Observation) [2]string {
	var k memoKeys
	k.readExact(o, nil)
	k.readPermuted(o.Hello)
	return [2]string{string(k.exact), string(k.permuted)}
}

// TestMemoKeysAreShared: hellos of one client have the same keys though its random
// bytes, its GREASE values and the server's name differ.
func TestMemoKeysAreShared(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := hellotest.Real(t)["chromium-156"]
	want := keysOf(observation(h))
	for range 100 {
		c := change(h, func(raw []byte) {
			for i := 6; i < 38; i++ {
				raw[i] = byte(r.Uint32())
			}
			drawn := make(map[byte]byte)
			used := r.Perm(16)
			for i := 38; i+1 < len(raw); i++ { // each value becomes another one
				if v := parser.Version(raw[i])<<8 | parser.Version(raw[i+1]); parser.IsGREASE(v) && isGREASEPlace(h, i) {
					if _, ok := drawn[raw[i]]; !ok {
						drawn[raw[i]] = byte(used[len(drawn)])<<4 | 0xa
					}
					raw[i], raw[i+1] = drawn[raw[i]], drawn[raw[i]]
				}
			}
			name, _ := h.Extension(parser.ExtServerName)
			raw[name.Offset+4+5] = 'a' + byte(r.IntN(26))
		})
		require.NotNil(t, c)
		assert.Equal(t, want, keysOf(observation(c)))
	}
}

// isGREASEPlace reports whether a field of two bytes begins at i in the message of
// h.
func isGREASEPlace(h *parser.ClientHello, i int) bool {
	found := false
	var walk func(f *parser.Field)
	walk = func(f *parser.Field) {
		found = found || f.Offset == i && len(f.Bytes) == 2 && len(f.Children) == 0
		for j := range f.Children {
			walk(&f.Children[j])
		}
	}
	tree := parser.Dissect(h)
	walk(&tree)
	return found
}

// TestMemoKnowsAllFields: a new field of ClientHello fails this test. Add it here,
// and to appendMemoKey if a compact fingerprint or a candidate depends on it.
func TestMemoKnowsAllFields(t *testing.T) {
	var fields []string
	for f := range reflect.TypeFor[parser.ClientHello]().Fields() {
		fields = append(fields, f.Name)
	}
	assert.Equal(t, []string{
		"Transport", "Raw", "LegacyVersion", "Random", "LegacySessionID", "Cookie", "CipherSuites",
		"LegacyCompressionMethods", "ExtensionsPresent", "Extensions", "Trailing", "SSLv2", "CipherSpecs",
		"ServerName", "SupportedGroups", "ECPointFormats", "SignatureAlgorithms", "SignatureAlgorithmsCert",
		"DelegatedCredentials", "ALPNProtocols", "ApplicationSettings", "SupportedVersions",
		"PSKKeyExchangeModes", "KeyShares", "CertificateCompressionAlgorithms", "RecordSizeLimit",
		"SessionTicket", "PSKIdentities", "PSKBinders", "ECH", "TransportParameters", "ech", "scratch",
	}, fields, "ClientHello has another field: list it here, and add it to appendMemoKey if a compact fingerprint or a candidate depends on it")
}

// TestMemoKeysAreUnambiguous: lists with the same bytes, split elsewhere, have
// different keys.
func TestMemoKeysAreUnambiguous(t *testing.T) {
	key := func(h parser.ClientHello) string { return string(appendMemoKey(nil, &Observation{Hello: &h})) }
	assert.NotEqual(t,
		key(parser.ClientHello{CipherSuites: []parser.CipherSuite{1, 2}, SupportedGroups: []parser.NamedGroup{3}}),
		key(parser.ClientHello{CipherSuites: []parser.CipherSuite{1}, SupportedGroups: []parser.NamedGroup{2, 3}}))
	assert.NotEqual(t,
		key(parser.ClientHello{ALPNProtocols: [][]byte{[]byte("h2")}}),
		key(parser.ClientHello{ALPNProtocols: [][]byte{[]byte("h"), []byte("2")}}))
}
