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

// reorder puts the extensions of a hello in the order of a list, and leaves those that are
// not in it where they are.
func reorder(h *parser.ClientHello, types []parser.ExtensionType) {
	offset := h.Extensions[0].Offset
	place := func(e parser.Extension) int { return slices.Index(types, e.Type) }
	var listed []parser.Extension
	for _, e := range h.Extensions {
		if place(e) >= 0 {
			listed = append(listed, e)
		}
	}
	slices.SortFunc(listed, func(a, b parser.Extension) int { return place(a) - place(b) })
	for i, e := range h.Extensions {
		if place(e) >= 0 {
			h.Extensions[i], listed = listed[0], listed[1:]
		}
	}
	h.Extensions[0].Offset = offset
}

func TestKnownOrder(t *testing.T) {
	chrome := hellotest.Real(t)["chromium-156"]
	tells := func(h *parser.ClientHello) (names []string) {
		for _, tell := range AppendTells(nil, &Observation{Hello: h, RecordVersion: parser.VersionTLS10}) {
			assert.False(t, tell.Novel)
			names = append(names, tell.Name)
		}
		return names
	}
	for _, o := range knownOrders {
		assert.GreaterOrEqual(t, len(o.types), 15, o.name)
		for _, typ := range o.types {
			assert.NotZero(t, orderCode(typ), "%s: %v", o.name, typ)
		}
		assert.Equal(t, []string{"known-order"}, tells(edit(chrome, func(h *parser.ClientHello) {
			reorder(h, o.types)
		})), o.name)
		assert.Equal(t, []string{"known-order"}, tells(edit(chrome, func(h *parser.ClientHello) {
			reorder(h, o.types)
			h.Extensions = slices.DeleteFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == parser.ExtServerName })
		})), "%s without a server name", o.name)
		assert.Empty(t, tells(edit(chrome, func(h *parser.ClientHello) {
			reorder(h, o.types)
			i := slices.IndexFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == o.types[6] })
			j := slices.IndexFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == o.types[7] })
			h.Extensions[i], h.Extensions[j] = h.Extensions[j], h.Extensions[i]
		})), "%s with two turned around", o.name)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		assert.Empty(t, tells(edit(chrome, func(h *parser.ClientHello) {
			inner := h.Extensions[1 : len(h.Extensions)-1]
			r.Shuffle(len(inner), func(i, j int) { inner[i], inner[j] = inner[j], inner[i] })
		})))
	}
}

// TestKnownOrders finds the orders in the hellos of the built-in clients whose orders they are.
func TestKnownOrders(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	n := 0
	for _, e := range entries {
		h, err := e.ParseHello()
		require.NoError(t, err)
		if h == nil {
			continue
		}
		got := tellKnownOrder(nil, view{Observation: &Observation{Hello: h}})
		if len(got) > 0 {
			n++
			assert.Equal(t, "tls-client", e.Name, "%s %s", e.Name, e.Version)
		}
	}
	assert.Equal(t, 5, n) // chrome_110, 120, 124, 133, 133_PSK
}
