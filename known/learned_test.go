package known

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// learnedFrom returns entries for hellos that claim as much as they can: to be a newer
// version of a browser than exists.
func learnedFrom(name string, kind Kind, hellos ...*parser.ClientHello) []Entry {
	var entries []Entry
	for _, h := range hellos {
		entries = append(entries, Entry{Name: name, Version: "999", Family: name, Kind: kind, Permutes: true, Learned: true,
			Transport: h.Transport.String(), Hello: fmt.Sprintf("%x", h.Raw)})
	}
	return entries
}

// withNews returns h with an extension that nobody has sent yet, and one that no browser
// has, which is the novelty foreign-extension.
func withNews(t *testing.T, h *parser.ClientHello) *parser.ClientHello {
	list := slices.Insert(slices.Clone(h.Extensions), len(h.Extensions)/2, parser.Extension{Type: 0x5a5b})
	if !h.HasExtension(22) { // encrypt_then_mac
		list = slices.Insert(list, len(list)/2, parser.Extension{Type: 22})
	}
	return hellotest.Rebuild(t, h, h.CipherSuites, list)
}

// TestLearnedAreNoEvidence: with learned clients that name each hello a browser, a library
// and an impersonator, answers have these names, and nothing else in them changes.
func TestLearnedAreNoEvidence(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	var hellos []*parser.ClientHello
	for _, e := range entries {
		h, err := e.ParseHello()
		require.NoError(t, err)
		if h != nil {
			hellos = append(hellos, h, withNews(t, h))
		}
	}
	agents := []string{"", chromeUA, firefoxUA, strings.ReplaceAll(chromeUA, "156", "157"), strings.ReplaceAll(chromeUA, "156", "999"),
		strings.ReplaceAll(firefoxUA, "153", "999"), "curl/8.5.0", "Mozilla/5.0"}
	for _, c := range []struct {
		name string
		kind Kind
	}{{"Chromium", KindBrowser}, {"Firefox", KindBrowser}, {"curl", KindLibrary}, {"Chromium", KindImpersonator}} {
		db, err := NewDatabase(learnedFrom(c.name, c.kind, hellos...))
		require.NoError(t, err)
		assert.Zero(t, db.newest)
		assert.Empty(t, db.shapes)
		var plain Matcher
		learned := Matcher{Clients: db}
		named := 0
		for i, h := range hellos {
			o := &Observation{Hello: h, Time: november, RecordVersion: parser.VersionTLS10}
			want, got := plain.AppendCandidates(nil, o), learned.AppendCandidates(nil, o)
			if !slices.ContainsFunc(want, func(w Candidate) bool { return w.Distance == 0 && w.Name == c.name && w.Kind == c.kind }) {
				require.True(t, slices.ContainsFunc(got, func(c Candidate) bool { return c.Learned && c.Distance == 0 }), "hello %d", i)
				named++
			}
			require.Equal(t, want, withoutLearned(got), "hello %d", i)
			if at := slices.IndexFunc(got, func(c Candidate) bool { return c.Learned }); at >= 0 {
				require.Equal(t, want[:at], got[:at], "they come first")
				require.False(t, slices.ContainsFunc(want[:at], func(c Candidate) bool { return c.Distance > 0 }))
			}
			for _, agent := range agents {
				o.Request.UserAgent = agent
				require.Equal(t, CheckClaim(o, want), CheckClaim(o, got), "hello %d, %s", i, agent)
				wanted, gotten := slices.Clone(want), slices.Clone(got)
				PreferImitations(wanted)
				PreferImitations(gotten)
				require.Equal(t, wanted, withoutLearned(gotten))
				require.Equal(t, CheckClaim(o, wanted), CheckClaim(o, gotten), "hello %d, %s", i, agent)
			}
		}
		assert.Greater(t, named, len(hellos)/2)
	}
}

// TestLearnedIsNoNewestVersion: a hello with a novelty is that of a version newer than the
// built-in ones, whatever was learned; a client of the user's own with that name counts.
func TestLearnedIsNoNewestVersion(t *testing.T) {
	h := withNews(t, hellotest.Real(t)["chromium-156"])
	known := learnedFrom("Chromium", KindBrowser, hellotest.Real(t)["chromium-156"])
	for _, c := range []struct {
		learned bool
		want    string
	}{{true, "newer than 156"}, {false, "newer than 999"}} {
		known[0].Learned = c.learned
		db, err := NewDatabase(known)
		require.NoError(t, err)
		m := Matcher{Clients: db}
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		require.NotEmpty(t, got)
		assert.Equal(t, "Chromium", got[0].Name)
		assert.Equal(t, c.want, got[0].Version)
	}
}

// TestLearnedInAnyOrder: an answer with a learned client that does not permute its
// extensions holds for their order alone.
func TestLearnedInAnyOrder(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	entries := learnedFrom("My app", KindTool, h)
	for _, permutes := range []bool{true, false} {
		entries[0].Permutes = permutes
		db, err := NewDatabase(entries)
		require.NoError(t, err)
		m := Matcher{Clients: db}
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		assert.Equal(t, "Chromium", got[0].Name, "before the guess")
		assert.True(t, slices.ContainsFunc(got, func(c Candidate) bool { return c.Name == "My app" && c.Learned }))
		assert.Equal(t, permutes, m.AnyOrder())
	}
}

func TestLearnedEntries(t *testing.T) {
	_, err := ReadEntries(strings.NewReader("# comment\n" + `{"name":"","learned":true,"seen":{"hellos":3},"hello":"0100"}`))
	assert.EqualError(t, err, "line 2: a learned client without a name: name it, or delete the line")
	entries, err := ReadEntries(strings.NewReader(`{"name":"a","learned":true,"seen":{"hellos":3},"ja4":"x"}`))
	require.NoError(t, err)
	assert.Equal(t, []Entry{{Name: "a", Learned: true, JA4: "x", line: 1}}, entries)
	_, err = NewDatabase(entries)
	assert.EqualError(t, err, "line 1: client a is learned, but has no hello")
	_, err = NewDatabase([]Entry{{Name: "a", Learned: true, Hello: "0100"}})
	assert.ErrorContains(t, err, "hello of a: parser: ")
}

// TestAppendShape: two hellos have the same text if, and only if, a lookup of one finds the
// other at distance 0, but for what padding may show.
func TestAppendShape(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	var hellos []*parser.ClientHello
	var texts []string
	var m Matcher
	for _, e := range entries {
		h, err := e.ParseHello()
		require.NoError(t, err)
		if h == nil || h.SSLv2 || isSecond(h) {
			continue
		}
		text, order := m.AppendShape(nil, h)
		again, other := m.AppendShape(nil, h)
		assert.Equal(t, text, again)
		assert.Equal(t, order, other)
		hellos, texts = append(hellos, h), append(texts, string(text))
	}
	require.NotEmpty(t, hellos)
	same := 0
	for i, h := range hellos {
		db, err := NewDatabase([]Entry{{Name: "a", Permutes: true, Transport: h.Transport.String(), Hello: fmt.Sprintf("%x", h.Raw)}})
		require.NoError(t, err)
		for j := range hellos {
			m.shape.read(hellos[j])
			m.shape.optionals &^= pads | noPads
			got, _ := db.appendExact(nil, &m.shape, m.shape.key(0), &m.ranker)
			require.Equal(t, texts[i] == texts[j], len(got) > 0, "%d and %d", i, j)
			same += len(got)
		}
	}
	assert.Greater(t, same, len(hellos), "some share a shape")

	chromium := hellotest.Real(t)["chromium-156"]
	reversed := slices.Clone(chromium.Extensions)
	slices.Reverse(reversed)
	text, order := m.AppendShape(nil, chromium)
	turned, otherOrder := m.AppendShape(nil, hellotest.Rebuild(t, chromium, chromium.CipherSuites, reversed))
	assert.Equal(t, text, turned)
	assert.NotEqual(t, order, otherOrder)
	assert.Zero(t, testing.AllocsPerRun(100, func() { text, _ = m.AppendShape(text[:0], chromium) }))
	text, _ = m.AppendShape(nil, &parser.ClientHello{SSLv2: true})
	assert.Empty(t, text)
}
