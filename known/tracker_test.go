package known

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// drawn returns h as another connection of a genuine client has it, with the extensions
// permuted if permute is set.
func drawn(t testing.TB, h *parser.ClientHello, seed uint64, permute bool) *parser.ClientHello {
	if permute {
		c := &parser.ClientHello{Transport: h.Transport}
		require.NoError(t, c.Unmarshal(hellotest.Regrease(rand.New(rand.NewPCG(seed, 2)), h)))
		h = c
	}
	return redraw(t, h, seed)
}

// names returns the names of tells, with a question mark behind leads.
func names(tells []Tell) (list []string) {
	for i := range tells {
		name := tells[i].Name
		if tells[i].Lead {
			name += "?"
		}
		list = append(list, name)
	}
	return list
}

// TestDrawnTwice: each value that a browser draws is a tell where it comes again, and no
// other.
func TestDrawnTwice(t *testing.T) {
	copyShare := func(to, from *parser.ClientHello) { to.KeyShares = from.KeyShares }
	copySession := func(to, from *parser.ClientHello) { to.LegacySessionID = from.LegacySessionID }
	for name, c := range map[string]struct {
		hello   string
		permute bool
		change  func(to, from *parser.ClientHello)
		want    []string
	}{
		"genuine Chromium":           {"chromium-156", true, func(_, _ *parser.ClientHello) {}, nil},
		"genuine Firefox":            {"firefox-153", false, func(_, _ *parser.ClientHello) {}, nil},
		"genuine Chromium over QUIC": {"chromium-156-quic", true, func(_, _ *parser.ClientHello) {}, nil},
		"the key share of Chromium":  {"chromium-156", true, copyShare, []string{"repeated-key-share"}},
		"the key share of Firefox":   {"firefox-153", false, copyShare, []string{"repeated-key-share"}},
		"the key share over QUIC":    {"chromium-156-quic", true, copyShare, []string{"repeated-key-share"}},
		"the public key of ECH":      {"chromium-156", true, func(to, from *parser.ClientHello) { to.ECH.Enc = from.ECH.Enc }, []string{"repeated-ech"}},
		"the public key of Firefox":  {"firefox-153", false, func(to, from *parser.ClientHello) { to.ECH.Enc = from.ECH.Enc }, []string{"repeated-ech"}},
		"the session ID":             {"chromium-156", true, copySession, []string{"repeated-session-id?"}},
		"the session ID of Firefox":  {"firefox-153", false, copySession, []string{"repeated-session-id?"}},
		"the session ID without 1.2": {"chromium-156", true, func(to, from *parser.ClientHello) {
			copySession(to, from)
			to.SupportedVersions = to.SupportedVersions[:2]
		}, []string{"repeated-session-id"}},
		"the session ID with a PSK":   {"chromium-156", true, func(to, from *parser.ClientHello) { copySession(to, from); addExtension(to, parser.ExtPreSharedKey) }, []string{"repeated-session-id"}},
		"the session ID and a ticket": {"chromium-156", true, func(to, from *parser.ClientHello) { copySession(to, from); to.SessionTicket = make([]byte, 100) }, nil},
		"TLS 1.2 resumed":             {"chromium-156", true, func(to, from *parser.ClientHello) { copySession(to, from); to.SupportedVersions = nil }, nil},
		"the random alone":            {"chromium-156", true, func(to, from *parser.ClientHello) { to.Random = from.Random }, []string{"repeated-random"}},
		"the random of Firefox":       {"firefox-153", false, func(to, from *parser.ClientHello) { to.Random = from.Random }, []string{"repeated-random"}},
		"a second hello":              {"chromium-156", true, func(to, from *parser.ClientHello) { to.Random = from.Random; copySession(to, from) }, nil},
		"anonymised": {"chromium-156", true, func(to, _ *parser.ClientHello) {
			clear(to.KeyShares[2].KeyExchange)
			clear(to.ECH.Enc)
			clear(to.LegacySessionID)
		}, nil},
		"curl":                        {"curl-openssl-3.0", false, copyShare, nil},
		"Go":                          {"go-1.26", false, copyShare, nil},
		"all again, with a cookie":    {"chromium-156", true, func(to, from *parser.ClientHello) { copyShare(to, from); addExtension(to, parser.ExtCookie) }, nil},
		"all again, the second hello": {"chromium-156", true, func(to, from *parser.ClientHello) { *to = *from }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			real := hellotest.Real(t)[c.hello]
			require.NotNil(t, real)
			var tr Tracker
			first := drawn(t, real, 1, c.permute)
			if name == "anonymised" {
				c.change(first, nil)
			}
			assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: first, Index: 1}))
			for i := range uint64(3) { // of others behind the same address
				assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: drawn(t, real, 10+i, c.permute), Index: 1}))
			}
			second := drawn(t, real, 2, c.permute)
			c.change(second, first)
			assert.Equal(t, c.want, names(tr.AppendTells(nil, &Observation{Hello: second, Index: 1})))
		})
	}
}

// TestForeignSessionIDs: an imitation of Firefox that draws its session IDs has a lead
// from the second one on. Firefox has none, even if it resumes a session of TLS 1.2 several
// times.
func TestForeignSessionIDs(t *testing.T) {
	real := hellotest.Real(t)["firefox-153"]
	hello := func(seed uint64, change func(h *parser.ClientHello)) *Observation {
		h := redraw(t, real, seed)
		change(h)
		return &Observation{Hello: h, Index: 1}
	}
	genuine := func(*parser.ClientHello) {}
	resumed := func(h *parser.ClientHello) { h.LegacySessionID = []byte("of a server, which has TLS 1.2. ") }
	ticket := func(h *parser.ClientHello) { h.LegacySessionID[0]++; h.SessionTicket = []byte("ticket") }
	foreign := func(h *parser.ClientHello) { h.LegacySessionID[31]++ }
	old := func(h *parser.ClientHello) { foreign(h); h.SupportedVersions = nil }
	lead := []string{"nss-session-id?"}
	for name, c := range map[string]struct {
		changes []func(h *parser.ClientHello)
		want    [][]string
	}{
		"Firefox":                  {[]func(*parser.ClientHello){genuine, genuine, genuine}, [][]string{nil, nil, nil}},
		"Firefox that resumes 1.2": {[]func(*parser.ClientHello){genuine, resumed, genuine, resumed}, [][]string{nil, nil, nil, {"repeated-session-id?"}}},
		"Firefox with tickets":     {[]func(*parser.ClientHello){ticket, ticket, ticket}, [][]string{nil, nil, nil}},
		"without TLS 1.3":          {[]func(*parser.ClientHello){old, old}, [][]string{nil, nil}},
		"imitation":                {[]func(*parser.ClientHello){foreign, foreign, genuine, foreign}, [][]string{nil, lead, nil, lead}},
	} {
		t.Run(name, func(t *testing.T) {
			var tr Tracker
			for i, change := range c.changes {
				assert.Equal(t, c.want[i], names(tr.AppendTells(nil, hello(uint64(i), change))), i)
			}
		})
	}
}

func addExtension(h *parser.ClientHello, typ parser.ExtensionType) {
	e := h.Extensions[len(h.Extensions)-1]
	h.Extensions = append(h.Extensions, parser.Extension{Type: typ, Offset: e.Offset + 4 + len(e.Data)})
}

// TestFrozenOrderOverQUIC: with fewer than 12 extensions, the order is a tell at the
// third hello.
func TestFrozenOrderOverQUIC(t *testing.T) {
	real := hellotest.Real(t)["chromium-156-quic"]
	require.Equal(t, 11, orderedExtensions(real))
	for name, c := range map[string]struct {
		without []parser.ExtensionType
		third   []string
	}{
		"11 extensions": {nil, []string{"frozen-order"}},
		"10 extensions": {[]parser.ExtensionType{parser.ExtTrustAnchors}, []string{"frozen-order"}},
		"9 extensions":  {[]parser.ExtensionType{parser.ExtTrustAnchors, parser.ExtCompressCertificate}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var tr Tracker
			for i, want := range [][]string{nil, nil, c.third, c.third} {
				h := redraw(t, real, uint64(i))
				h.Extensions = slices.DeleteFunc(h.Extensions, func(e parser.Extension) bool { return slices.Contains(c.without, e.Type) })
				assert.Equal(t, want, names(tr.AppendTells(nil, &Observation{Hello: h, Index: 1})), i)
			}
		})
	}
}

// TestNarrowGREASE: one place of GREASE that has the same value for long is a tell, and
// so is one value in all places, but not what comes by chance.
func TestNarrowGREASE(t *testing.T) {
	real := hellotest.Real(t)["chromium-156"]
	random := rand.New(rand.NewPCG(3, 4))
	grease := func() uint16 { return 0x0a0a + 0x1010*uint16(random.IntN(16)) }
	hello := func(i int) *parser.ClientHello {
		h := drawn(t, real, uint64(i), true)
		h.CipherSuites[0] = parser.CipherSuite(grease())
		h.SupportedGroups[0], h.SupportedVersions[0] = parser.NamedGroup(grease()), parser.Version(grease())
		return h
	}
	for name, c := range map[string]struct {
		change func(h *parser.ClientHello)
		first  int // hello that has the tell, or -1
		found  string
	}{
		"genuine": {func(*parser.ClientHello) {}, -1, ""},
		"one suite": {func(h *parser.ClientHello) { h.CipherSuites[0] = 0x3a3a }, 10,
			"the GREASE value 3a3a in cipher_suites, in 11 connections in a row"},
		"one version": {func(h *parser.ClientHello) { h.SupportedVersions[0] = 0xfafa }, 10,
			"the GREASE value fafa in supported_versions, in 11 connections in a row"},
		"one first extension": {func(h *parser.ClientHello) { h.Extensions[0].Type = 0x0a0a }, 10,
			"the GREASE value 0a0a as the first extension, in 11 connections in a row"},
		"one scheme": {func(h *parser.ClientHello) { h.SignatureAlgorithms[0] = 0x3a3a }, 10,
			"the GREASE value 3a3a in signature_algorithms, in 11 connections in a row"},
		"no GREASE among the schemes": {func(h *parser.ClientHello) { h.SignatureAlgorithms[0] = 0x0403 }, -1, ""},
		"one value": {func(h *parser.ClientHello) {
			h.SupportedGroups[0], h.SupportedVersions[0] = parser.NamedGroup(h.CipherSuites[0]), parser.Version(h.CipherSuites[0])
		}, 4, "one GREASE value in cipher_suites, supported_groups and supported_versions, in 5 connections in a row"},
	} {
		t.Run(name, func(t *testing.T) {
			var tr Tracker
			for i := range 40 {
				h := hello(i)
				c.change(h)
				tells := tr.AppendTells(nil, &Observation{Hello: h, Index: 1})
				if c.first < 0 || i < c.first {
					assert.Empty(t, tells, i)
					continue
				}
				require.Equal(t, []string{"narrow-grease"}, names(tells), i)
				assert.Equal(t, c.found, tells[0].Found)
			}
			genuine := hello(100)
			genuine.CipherSuites[0], genuine.SupportedGroups[0], genuine.SupportedVersions[0] = 0x5a5a, 0x6a6a, 0x7a7a
			genuine.Extensions[0].Type = 0x8a8a
			assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: genuine, Index: 1}), "a genuine client behind the same address")
		})
	}
}

// TestNarrowGREASEByChance draws what genuine clients draw, and counts runs that are a
// tell: there is none in a million hellos.
func TestNarrowGREASEByChance(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var runs greaseRuns
	tells := 0
	for range 1_000_000 {
		if runs.add(random.Uint32()&0x1ffffff | 1<<4).isTell() {
			tells++
		}
	}
	assert.Zero(t, tells)
}

// TestGenuineDraws: the draws of genuine browsers behind one address have no tells,
// however many there are.
func TestGenuineDraws(t *testing.T) {
	real := hellotest.Real(t)
	var trackers Trackers
	addr := netip.MustParseAddr("192.0.2.1")
	n := 0
	for range 50 {
		for _, c := range []struct {
			name    string
			permute bool
		}{{"chromium-156", true}, {"chromium-156-quic", true}, {"firefox-153", false}, {"firefox-153-quic", false}, {"curl-openssl-3.0", false}, {"go-1.26", false}} {
			h := real[c.name]
			require.NotNil(t, h, c.name)
			assert.Empty(t, trackers.AppendTells(nil, addr, &Observation{Hello: drawn(t, h, uint64(1000*n), c.permute), Index: 1}), c.name)
			n++
		}
	}
	assert.Equal(t, 300, n)
}

func TestTrackerAllocatesNothing(t *testing.T) {
	for name, permute := range map[string]bool{"chromium-156": true, "firefox-153": false, "chromium-156-quic": true, "go-1.26": false} {
		var list []*Observation
		for i := range 101 { // with the warm-up
			list = append(list, &Observation{Hello: drawn(t, hellotest.Real(t)[name], uint64(i), permute), Index: 1})
		}
		var tr Tracker
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			tr.AppendTells(nil, list[0])
			list = list[1:]
		}), name)
	}
}
