package known

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// preferred returns the names of candidates as preferGenuine sorts them.
func preferred(list ...Candidate) (names string) {
	preferGenuine(list)
	for _, c := range list {
		names += c.Name
	}
	return names
}

func TestPreferGenuine(t *testing.T) {
	imitation := func(name, family string, distance uint16) Candidate {
		return Candidate{Name: name, Family: family, Kind: KindImpersonator, Distance: distance}
	}
	client := func(name, family string, distance uint16) Candidate {
		return Candidate{Name: name, Family: family, Kind: KindBrowser, Distance: distance}
	}
	assert.Empty(t, preferred())
	assert.Equal(t, "bca", preferred(imitation("a", "Firefox", 60), client("b", "Go", 61), client("c", "Java", 70)), "a far imitation")
	assert.Equal(t, "cab", preferred(imitation("a", "Firefox", 0), client("b", "Go", 40), client("c", "Firefox", 150)), "its original")
	assert.Equal(t, "abc", preferred(imitation("a", "Firefox", 0), client("b", "Go", 40), client("c", "Firefox", 151)), "none near")
	assert.Equal(t, "ba", preferred(imitation("a", "Safari", 0), client("b", "Apple", 39)), "the same stack")
	assert.Equal(t, "ba", preferred(imitation("a", "okhttp", 0), client("b", "Conscrypt", 56)), "the same stack")
	assert.Equal(t, "cba", preferred(imitation("a", "Firefox", 62), client("b", "Conscrypt", 140), client("c", "Firefox", 190)), "nearer to the imitation than to anything else")
	assert.Equal(t, "bca", preferred(imitation("a", "Firefox", 62), client("b", "Conscrypt", 140), client("c", "Firefox", 191)), "too far")
	assert.Equal(t, "bca", preferred(imitation("a", "Firefox", 151), client("b", "Conscrypt", 152), client("c", "Firefox", 153)), "it says nothing")
	assert.Equal(t, "abc", preferred(client("a", "Go", 3), imitation("b", "Firefox", 4), client("c", "Firefox", 5)))
}

// suiteHello returns a hello with some suites and extensions.
func suiteHello(suites []parser.CipherSuite, extensions ...[]byte) Entry {
	return Entry{Hello: hex.EncodeToString(hellotest.Message(parser.VersionTLS12, suites, extensions...))}
}

// A hello that is far from all known ones is taken for a client with the same suites,
// even if others are nearer, and also with clients of one's own.
func TestSameSuites(t *testing.T) {
	var ours, others []parser.CipherSuite
	for i := range parser.CipherSuite(12) {
		ours, others = append(ours, 0xc000+i), append(others, 0xc000+3*i)
	}
	ext := func(t parser.ExtensionType) []byte { return hellotest.Extension(t, nil) }
	groups := hellotest.Extension(parser.ExtSupportedGroups, hellotest.Vector16(hellotest.Uint16s([]parser.NamedGroup{29, 23, 24})))
	entry := func(name string, kind Kind, e Entry) Entry {
		e.Name, e.Family, e.Library, e.Kind = name, name, name+" 1.0", kind
		return e
	}
	long := []([]byte){groups, ext(0x17), ext(0x23), ext(0x31), ext(0x3374), ext(0x7550)}
	entries := []Entry{
		entry("same", KindTool, suiteHello(ours, long...)),
		entry("copy", KindImpersonator, suiteHello(ours, long[1:]...)),
		entry("near", KindTool, suiteHello(others, ext(0x17))),
	}
	first := func(sent Entry, m Matcher) Candidate {
		h, err := sent.ParseHello()
		require.NoError(t, err)
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		require.NotEmpty(t, got)
		return got[0]
	}
	db, err := NewDatabase(entries)
	require.NoError(t, err)
	empty, err := NewDatabase(entries[:0])
	require.NoError(t, err)
	sent := suiteHello(ours, ext(0x17))
	c := first(sent, Matcher{Database: db})
	assert.Equal(t, "same", c.Name)
	assert.Greater(t, c.Distance, uint16(suitesDistance))
	assert.Zero(t, c.Differs&FieldCipherSuites)
	for i, m := range []Matcher{{Database: db, Clients: empty}, {Database: empty, Clients: db}} {
		assert.Equal(t, "same", first(sent, m).Name, "%d", i)
	}
	reversed := suiteHello([]parser.CipherSuite{0xc00b, 0xc00a, 0xc009, 0xc008, 0xc007, 0xc006, 0xc005, 0xc004, 0xc003, 0xc002, 0xc001, 0xc000}, ext(0x17))
	assert.Equal(t, "near", first(reversed, Matcher{Database: db}).Name, "another order")

	few := []Entry{
		entry("same", KindTool, suiteHello(ours[:minSuites-1], long...)),
		entry("near", KindTool, suiteHello(others[:minSuites-1], ext(0x17))),
	}
	db, err = NewDatabase(few)
	require.NoError(t, err)
	assert.Equal(t, "near", first(suiteHello(ours[:minSuites-1], ext(0x17)), Matcher{Database: db}).Name, "too few suites")
}
