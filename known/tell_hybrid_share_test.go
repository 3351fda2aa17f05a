package known

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestHybridShare(t *testing.T) {
	real := hellotest.Real(t)
	chrome, fox := real["chromium-156"], real["firefox-153"]
	share := func(h *parser.ClientHello, group parser.NamedGroup) *parser.KeyShare {
		for i := range h.KeyShares {
			if h.KeyShares[i].Group == group {
				return &h.KeyShares[i]
			}
		}
		require.Fail(t, "no share", group)
		return nil
	}
	differ := func(h *parser.ClientHello) { share(h, groupX25519).KeyExchange = make([]byte, 32) }
	tells := func(h *parser.ClientHello, major int) []Tell {
		o := Observation{Hello: h, RecordVersion: parser.VersionTLS10, Request: claims(browserShapeOf(h), major)}
		return AppendTells(nil, &o)
	}
	same := edit(chrome, func(h *parser.ClientHello) {
		share(h, groupX25519).KeyExchange = share(h, groupX25519MLKEM768).KeyExchange[lenMLKEM768:]
	})
	got := tells(same, 156)
	require.Len(t, got, 1)
	assert.Equal(t, "one X25519 key in two shares", got[0].Found)
	assert.False(t, got[0].Novel)

	for name, h := range map[string]*parser.ClientHello{
		"a key that no stack makes": edit(fox, func(h *parser.ClientHello) {
			differ(h)
			hybrid := share(h, groupX25519MLKEM768)
			hybrid.KeyExchange = append([]byte{0xff, 0xff, 0xff}, hybrid.KeyExchange[3:]...)
		}),
		"zeros for keys": edit(chrome, func(h *parser.ClientHello) {
			share(h, groupX25519MLKEM768).KeyExchange = make([]byte, lenX25519MLKEM768)
			differ(h)
		}),
		"Kyber": edit(fox, func(h *parser.ClientHello) {
			differ(h)
			h.SupportedGroups[0], share(h, groupX25519MLKEM768).Group = 0x6399, 0x6399
		}),
		"without X25519":              edit(fox, func(h *parser.ClientHello) { h.KeyShares = h.KeyShares[:1] }),
		"without the hybrid":          edit(fox, func(h *parser.ClientHello) { h.KeyShares = h.KeyShares[1:] }),
		"Chromium without the hybrid": edit(chrome, func(h *parser.ClientHello) { h.KeyShares = append(h.KeyShares[:1], h.KeyShares[2]) }),
	} {
		assert.Empty(t, tells(h, 153), name)
	}

	newer := tells(edit(fox, differ), builtin.newest[firefox]+1)
	require.Len(t, newer, 1)
	assert.True(t, newer[0].Novel)
}

func TestIsMLKEMKey(t *testing.T) {
	key := make([]byte, lenMLKEM768)
	assert.False(t, isMLKEMKey(key), "zeros")
	key[15] = 1
	assert.True(t, isMLKEMKey(key))
	for i := lenMLKEM768 - 32; i < len(key); i++ {
		key[i] = 0xff // the seed
	}
	copy(key, []byte{0x00, 0x0d, 0xd0}) // 3328 twice
	assert.True(t, isMLKEMKey(key))
	for _, end := range []int{0, 1149} {
		for _, c := range [][3]byte{{0x01, 0x0d, 0x00}, {0x00, 0x10, 0xd0}} { // 3329, first or second
			bad := append([]byte(nil), key...)
			copy(bad[end:], c[:])
			assert.False(t, isMLKEMKey(bad), "%d: %x", end, c)
		}
	}
}
