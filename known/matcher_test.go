package known

import (
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestEveryEntryIsFound checks that each hello of the database is matched exactly, by
// the client that sent it.
func TestEveryEntryIsFound(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	var m Matcher
	for _, e := range entries {
		h, err := e.ModelHello()
		require.NoError(t, err)
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		i := slices.IndexFunc(got, func(c Candidate) bool { return c.Name == e.Name && c.Kind == e.Kind })
		if assert.GreaterOrEqual(t, i, 0, "%s %s %s", e.Name, e.Version, e.Source) {
			assert.Zero(t, got[i].Distance, "%s %s %s", e.Name, e.Version, e.Source)
			assert.Zero(t, got[i].Differs, "%s %s %s", e.Name, e.Version, e.Source)
		}
		genuine := slices.ContainsFunc(got, func(c Candidate) bool { return c.Kind != KindImpersonator })
		assert.True(t, genuine, "%s %s imitates somebody", e.Name, e.Version)
	}
}

func TestCandidates(t *testing.T) {
	want := map[string]string{
		"chromium-156": "Chromium", "chromium-156-psk": "Chromium", "chromium-156-quic": "Chromium", "chromium-156-dtls": "Chromium",
		"chromium-117": "Chromium", "chromium-92": "Chromium",
		"firefox-153": "Firefox", "firefox-153-psk": "Firefox", "firefox-153-hrr": "Firefox", "firefox-153-quic": "Firefox",
		"curl-openssl-3.0": "curl", "go-1.26": "Go net/http", "java-17": "Java", "node-24": "Node",
	}
	var m Matcher
	for name, client := range want {
		o := Observation{Hello: hellotest.Real(t)[name]}
		require.NotNil(t, o.Hello, name)
		if name == "firefox-153-hrr" {
			o.Index = 2
		}
		got := m.AppendCandidates(nil, &o)
		require.NotEmpty(t, got, name)
		assert.Equal(t, client, got[0].Name, name)
		assert.Zero(t, got[0].Distance, name)
	}
	assert.Empty(t, m.AppendCandidates(nil, &Observation{}))
	assert.Empty(t, m.AppendCandidates(nil, &Observation{Hello: &parser.ClientHello{SSLv2: true}}))
}

// The candidates do not depend on what changes from one connection to the next: the
// order of Chromium's extensions, GREASE values, the server's name, a session.
func TestCandidatesOfOneClient(t *testing.T) {
	var m Matcher
	chrome := hellotest.Real(t)["chromium-156"]
	want := m.AppendCandidates(nil, &Observation{Hello: chrome})
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		h := chrome.Clone()
		inner := h.Extensions[1 : len(h.Extensions)-1]
		random.Shuffle(len(inner), func(i, j int) { inner[i], inner[j] = inner[j], inner[i] })
		h.CipherSuites[0] = parser.CipherSuite(0x0a0a + 0x1010*random.IntN(16))
		h.Extensions = slices.DeleteFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == parser.ExtServerName })
		assert.Equal(t, want, m.AppendCandidates(nil, &Observation{Hello: h}))
	}

	// Firefox never permutes its extensions.
	fox := hellotest.Real(t)["firefox-153"].Clone()
	fox.Extensions[4], fox.Extensions[9] = fox.Extensions[9], fox.Extensions[4]
	got := m.AppendCandidates(nil, &Observation{Hello: fox})
	require.NotEmpty(t, got)
	assert.Equal(t, "Firefox", got[0].Name)
	assert.Equal(t, FieldExtensionOrder, got[0].Differs)
	assert.NotZero(t, got[0].Distance)
}

func TestNearestNamesWhatDiffers(t *testing.T) {
	var m Matcher
	for name, c := range map[string]struct {
		differs Fields
		f       func(*parser.ClientHello)
	}{
		"suites":   {FieldCipherSuites, func(h *parser.ClientHello) { h.CipherSuites[4] = 0xc024 }},
		"exts":     {FieldExtensions, func(h *parser.ClientHello) { h.Extensions[3].Type = 0x1234 }},
		"groups":   {FieldSupportedGroups, func(h *parser.ClientHello) { h.SupportedGroups = h.SupportedGroups[:3] }},
		"schemes":  {FieldSignatureAlgorithms, func(h *parser.ClientHello) { h.SignatureAlgorithms[0] = 0x0904 }},
		"versions": {FieldSupportedVersions, func(h *parser.ClientHello) { h.SupportedVersions = append(h.SupportedVersions, 0x0302) }},
		"alpn":     {FieldALPN, func(h *parser.ClientHello) { h.ALPNProtocols = h.ALPNProtocols[:1] }},
		"limit":    {FieldOther, func(h *parser.ClientHello) { h.RecordSizeLimit = 1234 }},
		"shares":   {FieldKeyShare, func(h *parser.ClientHello) { h.KeyShares = h.KeyShares[:1] }},
	} {
		h := edit(hellotest.Real(t)["firefox-153"], c.f)
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		require.NotEmpty(t, got, name)
		assert.Equal(t, "Firefox", got[0].Name, name)
		assert.NotZero(t, got[0].Differs&c.differs, "%s: %v", name, got[0].Differs.Names())
		assert.NotZero(t, got[0].Distance, name)
		assert.Less(t, got[0].Distance, uint16(nearDistance), name)
		assert.True(t, slices.IsSortedFunc(got[1:], func(a, b Candidate) int {
			return max(int(a.Distance)-int(b.Distance)-nearMargin/1000, 0)
		}), "%s: %v", name, got)
	}
}

// Chromium always sends session_ticket, and pads messages of 256 to 511 bytes. A hello
// of its shape without one of these is near, not equal.
func TestTraits(t *testing.T) {
	without := func(t parser.ExtensionType) func(*parser.ClientHello) {
		return func(h *parser.ClientHello) {
			h.Extensions = slices.DeleteFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == t })
			h.Raw = h.Raw[:400]
		}
	}
	var m Matcher
	for extension, distance := range map[parser.ExtensionType]uint16{
		parser.ExtSessionTicket: ticketWeight / 1000,
		parser.ExtPadding:       paddingWeight / 1000,
	} {
		h := edit(hellotest.Real(t)["chromium-92"], without(extension))
		if extension == parser.ExtSessionTicket {
			h.Raw = make([]byte, 512)
		}
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		require.NotEmpty(t, got)
		assert.Equal(t, "Chromium", got[0].Name)
		assert.Equal(t, distance, got[0].Distance)
		assert.Equal(t, FieldExtensions, got[0].Differs)
	}
}

// A shape that is known only from imitations may be that of a version of
// the original.
func TestOriginalBeforeImitation(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == "uTLS" && e.Version == "Firefox_120" })
	require.GreaterOrEqual(t, i, 0)
	h, err := entries[i].ModelHello()
	require.NoError(t, err)
	var m Matcher
	got := m.AppendCandidates(nil, &Observation{Hello: h})
	require.Greater(t, len(got), 1)
	assert.Equal(t, "Firefox", got[0].Name)
	assert.NotZero(t, got[0].Distance)
	assert.Equal(t, "uTLS", got[1].Name)
	assert.Zero(t, got[1].Distance)
	PreferImitations(got)
	assert.Equal(t, "uTLS", got[0].Name)
}

func TestDistrust(t *testing.T) {
	list := []Candidate{{Name: "a", Kind: KindBrowser}, {Name: "b", Kind: KindTool}, {Name: "c", Kind: KindImpersonator},
		{Name: "d", Kind: KindImpersonator}, {Name: "e", Kind: KindImpersonator, Distance: 3}}
	PreferImitations(list)
	var names string
	for _, c := range list {
		names += c.Name
	}
	assert.Equal(t, "cdabe", names)
}

func TestUsersClients(t *testing.T) {
	h := hellotest.Real(t)["curl-openssl-3.0"]
	users, err := NewDatabase([]Entry{
		{Name: "by JA4", JA4: fingerprint.JA4(h)},
		{Name: "by JA3", JA3: fingerprint.JA3(h)},
		{Name: "by NPF", NPF: fingerprint.NPF(h)},
		{Name: "by NPF1", NPF: fingerprint.NPF1(h)},
		{Name: "by NPF2", NPF: fingerprint.NPF2(h)},
		{Name: "not computed", NPF: "quic/(00000001)(0303)(1301)[]"},
		{Name: "by hello", Version: "9", Hello: hex.EncodeToString(h.Raw)},
	})
	require.NoError(t, err)
	m := Matcher{Clients: users}
	got := m.AppendCandidates(nil, &Observation{Hello: h, JA3: fingerprint.JA3(h), JA4: fingerprint.JA4(h)})
	var names []string
	for _, c := range got {
		names = append(names, c.Name)
		assert.Zero(t, c.Distance)
	}
	assert.Equal(t, []string{"by JA4", "by JA3", "by NPF", "by NPF1", "by NPF2", "by hello", "curl", "PHP curl"}, names)

	// The nearest one is looked for in both, too.
	h = edit(h, func(h *parser.ClientHello) { h.CipherSuites[3] = 0x1234 })
	got = m.AppendCandidates(nil, &Observation{Hello: h})
	require.NotEmpty(t, got)
	assert.Equal(t, "by hello", got[0].Name)
	assert.Equal(t, "curl", got[1].Name)
	assert.Equal(t, got[0].Distance, got[1].Distance)
}

// TestUserClientsByDistance: the candidates of both databases are in one list, sorted
// by distance.
func TestUserClientsByDistance(t *testing.T) {
	real := hellotest.Real(t)
	users, err := NewDatabase([]Entry{
		{Name: "mine", Family: "mine", Hello: hex.EncodeToString(real["java-17"].Raw)},
	})
	require.NoError(t, err)
	for name, h := range real {
		for range 3 {
			h = edit(h, func(h *parser.ClientHello) { h.CipherSuites = append(h.CipherSuites, 0x1234) })
			var alone Matcher
			want := alone.AppendCandidates(nil, &Observation{Hello: h})
			m := Matcher{Clients: users}
			got := m.AppendCandidates(nil, &Observation{Hello: h})
			i := slices.IndexFunc(got, func(c Candidate) bool { return c.Name == "mine" })
			if i < 0 {
				assert.Equal(t, want, got, name)
				continue
			}
			assert.LessOrEqual(t, got[i].Distance, got[0].Distance+nearMargin/1000, name)
			if i == 0 && len(want) > 0 {
				assert.LessOrEqual(t, got[0].Distance, want[0].Distance, name)
			}
		}
	}
	h := edit(real["java-17"], func(h *parser.ClientHello) { h.CipherSuites[0]++ })
	m := Matcher{Clients: users}
	got := m.AppendCandidates(nil, &Observation{Hello: h})
	require.NotEmpty(t, got)
	assert.Equal(t, "mine", got[0].Name)
	got = m.AppendCandidates(nil, &Observation{Hello: edit(real["chromium-156"], func(h *parser.ClientHello) { h.CipherSuites[3]++ })})
	require.NotEmpty(t, got)
	assert.Equal(t, "Chromium", got[0].Name)
}

// TestFarFromImitation: a client with the library of a browser is not taken for an
// imitation of that browser.
func TestFarFromImitation(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	without, err := NewDatabase(slices.DeleteFunc(entries, func(e Entry) bool { return e.Family == "Bun" }))
	require.NoError(t, err)
	m := Matcher{Database: without}
	for _, name := range []string{"bun-fetch", "bun-node-https"} {
		h := hellotest.Real(t)[name]
		require.NotNil(t, h, name)
		o := Observation{Hello: h, Index: 1, RecordVersion: parser.VersionTLS10}
		assert.Empty(t, AppendTells(nil, &o), name)
		got := m.AppendCandidates(nil, &o)
		require.NotEmpty(t, got, name)
		assert.NotEqual(t, KindImpersonator, got[0].Kind, name)
	}
}

// TestSecondHelloIsNotPadded: BoringSSL pads no hello that answers a
// HelloRetryRequest.
func TestSecondHelloIsNotPadded(t *testing.T) {
	h := hellotest.Real(t)["qtwebengine-6.4-hrr"]
	require.NotNil(t, h)
	require.False(t, h.HasExtension(parser.ExtPadding))
	var m Matcher
	for _, o := range []Observation{
		{Hello: h, Index: 2, RecordVersion: parser.VersionTLS12},
		{Hello: h, Index: 1, RecordVersion: parser.VersionTLS12}, // in a capture without the first
		{Hello: h},
	} {
		assert.Empty(t, AppendTells(nil, &o))
		got := m.AppendCandidates(nil, &o)
		require.NotEmpty(t, got)
		assert.Equal(t, "Chromium", got[0].Name)
		assert.Zero(t, got[0].Distance)
	}
	assert.Equal(t, []string{"padding"}, tellNames(&Observation{Hello: edit(h, func(h *parser.ClientHello) {
		h.KeyShares = slices.Insert(h.KeyShares, 0, parser.KeyShare{Group: h.SupportedGroups[0], KeyExchange: []byte{0}})
	}), Index: 1, RecordVersion: parser.VersionTLS10}), "a first hello is padded")
}

func tellNames(o *Observation) []string {
	var names []string
	for _, t := range AppendTells(nil, o) {
		names = append(names, t.Name)
	}
	return names
}

// What a Matcher remembers of other hellos does not change an answer.
func TestRemembered(t *testing.T) {
	var hellos []*parser.ClientHello
	for _, h := range hellotest.Real(t) {
		hellos = append(hellos, h, edit(h, func(h *parser.ClientHello) { h.CipherSuites[0]++ }),
			edit(h, func(h *parser.ClientHello) { h.CipherSuites[0]++; slices.Reverse(h.Extensions) }),
			edit(h, func(h *parser.ClientHello) { h.CipherSuites[0]++; h.KeyShares = nil }))
	}
	var m Matcher
	random := rand.New(rand.NewPCG(7, 8))
	for range 5 * len(hellos) {
		o := Observation{Hello: hellos[random.IntN(len(hellos))], Index: 1 + random.IntN(2)}
		var fresh Matcher
		require.Equal(t, fresh.AppendCandidates(nil, &o), m.AppendCandidates(nil, &o))
	}
}

// The key of a shape is not secret: an attacker can make two shapes with the same key.
func TestExactMakesSure(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		var s shape
		s.read(h)
		key := s.key(0)
		from, to := builtin.exact(&s, key)
		if from == to {
			continue
		}
		for f := suites; f < numFields; f++ {
			if f == shares || len(s.lists[f]) == 0 {
				continue
			}
			s.lists[f][0] ^= 0x5555
			from, to = builtin.exact(&s, key)
			assert.Equal(t, from, to, "%s: field %d", name, f)
			s.lists[f][0] ^= 0x5555
		}
	}
}

// A plain is an entry and its distance from a hello, computed by slow and obvious code.
type plain struct {
	name   string
	shape  string // all that makes it a shape of its own in the database
	key    uint64
	coarse uint32 // without the order of extensions, key shares and traits
	whole  uint32
}
