package event

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// TestTellsAreNotRemembered: a tell is found in the hello that has it and in no
// other, whatever it reads, though the Observer has seen many hellos that differ
// in nothing else.
func TestTellsAreNotRemembered(t *testing.T) {
	for _, c := range []struct {
		name  string
		hello string
		reads func(h *parser.ClientHello) byte
	}{
		{"ECH.ConfigID", "chromium-156", func(h *parser.ClientHello) byte { return h.ECH.ConfigID }},
		{"ECH.KDF", "chromium-156", func(h *parser.ClientHello) byte { return byte(h.ECH.KDF) }},
		{"ECH.AEAD", "chromium-156", func(h *parser.ClientHello) byte { return byte(h.ECH.AEAD) }},
		{"ECH.Enc", "chromium-156", func(h *parser.ClientHello) byte { return h.ECH.Enc[0] }},
		{"ECH.Payload", "chromium-156", func(h *parser.ClientHello) byte { return h.ECH.Payload[0] }},
		{"Random", "chromium-156", func(h *parser.ClientHello) byte { return h.Random[0] }},
		{"LegacySessionID", "chromium-156", func(h *parser.ClientHello) byte { return h.LegacySessionID[0] }},
		{"ServerName", "chromium-156", func(h *parser.ClientHello) byte { return h.ServerName[0] }},
		{"KeyExchange", "chromium-156", func(h *parser.ClientHello) byte { return h.KeyShares[len(h.KeyShares)-1].KeyExchange[0] }},
		{"the GREASE values", "chromium-156", func(h *parser.ClientHello) byte { return byte(h.CipherSuites[0] >> 8) }},
		{"PSKIdentities", "chromium-156-psk", func(h *parser.ClientHello) byte { return h.PSKIdentities[0].Identity[0] }},
		{"PSKBinders", "chromium-156-psk", func(h *parser.ClientHello) byte { return h.PSKBinders[0][0] }},
		{"TransportParameters", "chromium-156-quic", func(h *parser.ClientHello) byte { return h.TransportParameters[0].Value[0] }},
		{"Cookie", "openssl-dtls-cookie", func(h *parser.ClientHello) byte { return h.Cookie[0] }},
	} {
		h := hellotest.Real(t)[c.hello]
		ob := Observer{appendTells: func(dst []known.Tell, o *known.Observation) []known.Tell {
			if c.reads(o.Hello) < 128 {
				dst = append(dst, known.Tell{Name: "made-up"})
			}
			return dst
		}}
		found := map[bool]int{}
		for i := range 40 {
			// Every byte that no fingerprint and no candidate depends on is another.
			hello := redrawn(t, h, uint64(i))
			o := observation(hello)
			assertFresh(t, &ob, o)
			e := ob.Event(o, Compact)
			want := c.reads(hello) < 128
			assert.Equal(t, want, len(e.Tells) == 1, "%s of hello %d", c.name, i)
			found[want]++
		}
		assert.Greater(t, min(found[true], found[false]), 5, c.name)
		assert.NotEmpty(t, entriesIn(&ob.memo), c.name)
	}
}

// redrawn returns h with other bytes wherever one connection of a client differs
// from the next. Its keys are those of h.
func redrawn(t *testing.T, h *parser.ClientHello, seed uint64) *parser.ClientHello {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	c := change(h, func(raw []byte) {
		draw := func(b []byte) { // which is part of the message of h, in raw
			if len(b) == 0 {
				return
			}
			at := bytes.Index(h.Raw, b)
			for i := range b {
				raw[at+i] = byte(r.Uint32())
			}
		}
		draw(h.Random)
		draw(h.LegacySessionID)
		draw(h.Cookie)
		for i := range h.ServerName {
			raw[bytes.Index(h.Raw, h.ServerName)+i] = byte(r.Uint32())
		}
		for i := range h.KeyShares {
			if k := h.KeyShares[i].KeyExchange; len(k) > 1 {
				draw(k)
			}
		}
		for i := range h.PSKIdentities {
			draw(h.PSKIdentities[i].Identity)
			draw(h.PSKBinders[i])
		}
		for i := range h.TransportParameters {
			draw(h.TransportParameters[i].Value)
		}
		if h.ECH != nil {
			draw(h.ECH.Enc)
			draw(h.ECH.Payload)
			e, _ := h.Extension(parser.ExtEncryptedClientHello)
			draw(h.Raw[e.Offset+5 : e.Offset+10]) // cipher_suite and config_id
		}
		value := byte(r.IntN(16))<<4 | 0xa // one for all
		for i := 38; i+1 < len(raw); i++ {
			if v := parser.Version(h.Raw[i])<<8 | parser.Version(h.Raw[i+1]); parser.IsGREASE(v) && isGREASEPlace(h, i) {
				raw[i], raw[i+1] = value, value
			}
		}
	})
	require.NotNil(t, c)
	require.Equal(t, keysOf(observation(h)), keysOf(observation(c)))
	return c
}

// TestRealTellsAreNotRemembered: the same with tells of package known.
func TestRealTellsAreNotRemembered(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	e, ok := h.Extension(parser.ExtEncryptedClientHello)
	require.True(t, ok)
	var ob Observer
	for i := range 20 {
		c := change(h, func(raw []byte) { raw[e.Offset+4+1+2+1] = byte(1 + i%2) }) // AES-256-GCM, which no browser offers
		o := observation(c)
		assertFresh(t, &ob, o)
		got := ob.Event(o, Compact)
		assert.Equal(t, i%2 == 1, slices.ContainsFunc(got.Tells, func(t known.Tell) bool { return t.Name == "ech-aead" }))
	}
	require.NotEmpty(t, entriesIn(&ob.memo))
}

// TestNovelTellsOrderNothing: a tell that is no evidence leaves the candidates in their
// order, and one that is evidence puts imitations first.
func TestNovelTellsOrderNothing(t *testing.T) {
	ordered := 0
	for name, h := range hellotest.Real(t) {
		clients := func(tells ...known.Tell) []known.Candidate {
			ob := Observer{appendTells: func(dst []known.Tell, _ *known.Observation) []known.Tell { return append(dst, tells...) }}
			o := observation(h)
			for range 3 {
				assertFresh(t, &ob, o)
			}
			e := ob.Event(o, Compact)
			require.Len(t, e.Tells, len(tells), name)
			return e.Client
		}
		without := clients()
		assert.Equal(t, without, clients(known.Tell{Name: "made-up", Novel: true}), name)
		assert.Equal(t, without, clients(known.Tell{Name: "made-up", Lead: true}), name)
		both := clients(known.Tell{Name: "made-up", Novel: true}, known.Tell{Name: "other"})
		assert.Equal(t, both, clients(known.Tell{Name: "other"}), name)
		if !slices.Equal(without, both) {
			ordered++
		}
	}
	assert.Positive(t, ordered, "no hello has candidates that a tell orders anew")
}
