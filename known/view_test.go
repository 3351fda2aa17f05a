package known

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestExtensionSet compares the set with the list of extensions, of real hellos and of
// random ones.
func TestExtensionSet(t *testing.T) {
	types := []parser.ExtensionType{0, 1, 10, 13, 16, 21, 27, 28, 34, 43, 44, 51, 63, 64, 0x0a0a, 0x1a1a, 0x1234,
		parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld, parser.ExtEncryptedClientHello,
		parser.ExtRenegotiationInfo, parser.ExtTrustAnchors}
	r := rand.New(rand.NewPCG(1, 2))
	var hellos []*parser.ClientHello
	for _, h := range hellotest.Real(t) {
		hellos = append(hellos, h)
	}
	for range 1000 {
		h := new(parser.ClientHello)
		for range r.IntN(12) {
			e := parser.Extension{Type: types[r.IntN(len(types))]}
			if r.IntN(20) == 0 {
				e.Err = new(parser.Error)
			}
			h.Extensions = append(h.Extensions, e)
		}
		hellos = append(hellos, h)
	}
	repeats := 0
	for _, h := range hellos {
		v := view{Observation: &Observation{Hello: h}, extensions: extensionsOf(h)}
		for _, typ := range types {
			assert.Equal(t, h.HasExtension(typ), v.has(typ), "%04x", uint16(typ))
			if typ < 64 || highBit(typ) != 0 {
				assert.Equal(t, h.HasExtension(typ), v.extensions.hasAny(bitsOf(typ)), "%04x", uint16(typ))
				assert.Equal(t, h.HasExtension(typ), v.extensions.hasAll(bitsOf(typ)), "%04x", uint16(typ))
			}
		}
		assert.Equal(t, v.Observation.isSecond(), v.isSecond())
		assert.Equal(t, v.Observation.mayBeSecond(), v.mayBeSecond())
		seen, malformed := map[parser.ExtensionType]bool{}, false
		for i := range h.Extensions {
			e := &h.Extensions[i]
			if seen[e.Type] {
				assert.True(t, v.extensions.mayRepeat)
				repeats++
			}
			seen[e.Type] = true
			malformed = malformed || e.Err != nil
		}
		assert.Equal(t, malformed, v.extensions.malformed)
	}
	assert.Greater(t, repeats, 100)
}

// TestTypesHaveBits: each type that a tell looks for has a bit.
func TestTypesHaveBits(t *testing.T) {
	for _, typ := range required {
		assert.True(t, requiredSet.hasAny(bitsOf(typ)), "%v", typ)
	}
	for b, want := range map[browser]int{chromium: 6, firefox: 7, safari: 10} {
		n := 0
		for typ := range 1 << 16 {
			if foreign[b].hasAny(bitsOf(parser.ExtensionType(typ))) {
				n++
			}
		}
		assert.Equal(t, want, n, b.name())
	}
}
