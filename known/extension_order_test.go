package known

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestFixedOrder checks that no hello of a known Chromium from 114 on has a fixed order,
// and that all from 78 on before it do that have enough extensions.
func TestFixedOrder(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	fixed, permuted := 0, 0
	for _, e := range entries {
		major, _ := product(e.Version, "")
		h, err := e.ParseHello()
		require.NoError(t, err)
		if e.Name != "Chromium" || h == nil || h.Transport != parser.TLS {
			continue
		}
		switch {
		case major >= 114:
			permuted++
			assert.False(t, hasFixedOrder(h), "%s %s", e.Version, e.Source)
		case major >= 78 && h.HasExtension(parser.ExtALPN):
			fixed++
			assert.True(t, hasFixedOrder(h), "%s %s", e.Version, e.Source)
		}
	}
	assert.Greater(t, fixed, 5)
	assert.Greater(t, permuted, 20)

	old := hellotest.Real(t)["chromium-92"]
	few := edit(old, func(h *parser.ClientHello) { h.Extensions = h.Extensions[:len(h.Extensions)/2] })
	assert.False(t, hasFixedOrder(few), "too few to tell")
	assert.False(t, hasFixedOrder(edit(old, func(h *parser.ClientHello) { h.Transport = parser.QUIC })))
	former := edit(old, func(h *parser.ClientHello) {
		h.Extensions = h.Extensions[:0]
		for _, typ := range formerOrder {
			h.Extensions = append(h.Extensions, parser.Extension{Type: typ}, parser.Extension{Type: 0x7550})
		}
	})
	assert.True(t, hasFixedOrder(former))
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		shuffled := edit(old, func(h *parser.ClientHello) {
			r.Shuffle(len(h.Extensions), func(i, j int) { h.Extensions[i], h.Extensions[j] = h.Extensions[j], h.Extensions[i] })
		})
		assert.False(t, hasFixedOrder(shuffled))
	}
	same := slices.Clone(canonical[:])
	slices.Sort(same)
	other := slices.Clone(formerOrder[:])
	slices.Sort(other)
	assert.Equal(t, same, other, "both orders are of the same extensions")
}
