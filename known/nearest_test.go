package known

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// entryOf returns an entry with a hello, made from its fields.
func entryOf(name, family string, scanner bool, extensions ...[]byte) Entry {
	msg := hellotest.Message(parser.VersionTLS12, []parser.CipherSuite{0xc02f, 0xc030, 0x009c}, extensions...)
	return Entry{Name: name, Family: family, Kind: KindTool, Scanner: scanner, Hello: hex.EncodeToString(msg)}
}

// A hello that a scanner sends, or that differs from a client's only in session_ticket,
// may be of another client that sends nearly the same.
func TestUnsettledMatch(t *testing.T) {
	ticket := hellotest.Extension(parser.ExtSessionTicket, nil)
	groups := hellotest.Extension(parser.ExtSupportedGroups, hellotest.Vector16(hellotest.Uint16s([]parser.NamedGroup{29, 23, 24})))
	schemes := hellotest.Extension(parser.ExtSignatureAlgorithms, hellotest.Vector16(hellotest.Uint16s([]parser.SignatureScheme{0x0403, 0x0804})))
	alpn := hellotest.Extension(parser.ExtALPN, hellotest.ALPN("http/1.1"))
	names := func(h Entry, entries ...Entry) (names []string) {
		db, err := NewDatabase(entries)
		require.NoError(t, err)
		hello, err := h.ModelHello()
		require.NoError(t, err)
		m := Matcher{Database: db}
		for _, c := range m.AppendCandidates(nil, &Observation{Hello: hello}) {
			names = append(names, c.Name)
		}
		return names
	}
	sent := entryOf("", "", false, groups, schemes, alpn)
	other := entryOf("b", "B", false, groups, schemes, hellotest.Extension(parser.ExtALPN, hellotest.ALPN("h2")))
	assert.Equal(t, []string{"scanner", "b"}, names(sent,
		entryOf("scanner", "S", true, groups, schemes, alpn), other))
	assert.Equal(t, []string{"a", "b"}, names(sent,
		entryOf("a", "A", false, ticket, groups, schemes, alpn), other))
	assert.Equal(t, []string{"a"}, names(sent,
		entryOf("a", "A", false, groups, schemes, alpn), other), "settled")
}

// If the extensions are in the order of a client that never permutes, clients that
// permute theirs are not candidates, whatever their kind.
func TestOrderedBeforePermuting(t *testing.T) {
	groups := hellotest.Extension(parser.ExtSupportedGroups, hellotest.Vector16(hellotest.Uint16s([]parser.NamedGroup{29, 23, 24})))
	schemes := hellotest.Extension(parser.ExtSignatureAlgorithms, hellotest.Vector16(hellotest.Uint16s([]parser.SignatureScheme{0x0403, 0x0804})))
	alpn := hellotest.Extension(parser.ExtALPN, hellotest.ALPN("h2"))
	tool := entryOf("tool", "T", false, groups, schemes, alpn)
	browser := entryOf("browser", "B", false, groups, schemes, alpn)
	browser.Kind, browser.Permutes = KindBrowser, true
	db, err := NewDatabase([]Entry{tool, browser})
	require.NoError(t, err)
	m := Matcher{Database: db}
	for _, c := range []struct {
		extensions [][]byte
		want       string
	}{
		{[][]byte{groups, schemes, alpn}, "tool"},
		{[][]byte{alpn, groups, schemes}, "browser"},
	} {
		sent := entryOf("", "", false, c.extensions...)
		h, err := sent.ModelHello()
		require.NoError(t, err)
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		require.Len(t, got, 1)
		assert.Equal(t, c.want, got[0].Name)
	}
}

// A client that is much farther than the nearest is not a candidate, unless it is the
// nearest one that neither scans nor imitates.
func TestReach(t *testing.T) {
	var m Matcher
	n := 0
	for name, h := range hellotest.Real(t) {
		h = edit(h, func(h *parser.ClientHello) { h.CipherSuites[1] = 0xfefe })
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		require.NotEmpty(t, got, name)
		slices.SortStableFunc(got, func(a, b Candidate) int { return int(a.Distance) - int(b.Distance) })
		genuine := false
		for _, c := range got {
			if c.Distance > got[0].Distance+nearMargin/1000+1 {
				assert.False(t, genuine, "%s: %v", name, got)
			}
			genuine = genuine || c.Kind != KindImpersonator && c.Family != "nmap" // a scanner
			n++
		}
	}
	assert.Greater(t, n, 20)
}

// However many clients of one family are near, the nearest ones of two other families
// within the margin are among the first three.
func TestThreeFamilies(t *testing.T) {
	groups := func(list ...parser.NamedGroup) []byte {
		return hellotest.Extension(parser.ExtSupportedGroups, hellotest.Vector16(hellotest.Uint16s(list)))
	}
	schemes := func(list ...parser.SignatureScheme) []byte {
		return hellotest.Extension(parser.ExtSignatureAlgorithms, hellotest.Vector16(hellotest.Uint16s(list)))
	}
	alpn := func(name string) []byte { return hellotest.Extension(parser.ExtALPN, hellotest.ALPN(name)) }
	var entries []Entry
	for i := range maxNeighbours + 4 {
		entries = append(entries, entryOf(fmt.Sprint("a", i), "A", false, groups(29, 23, 24), schemes(0x0403, 0x0804), alpn(fmt.Sprint("h", i))))
	}
	entries = append(entries,
		entryOf("far", "F", false, groups(23), schemes(0x0601), alpn("ftp")),
		entryOf("c", "C", false, groups(29), schemes(0x0403), alpn("http/1.1")),
		entryOf("b", "B", false, groups(29), schemes(0x0403, 0x0804), alpn("http/1.1")))
	sent := entryOf("", "", false, groups(29, 23, 24), schemes(0x0403, 0x0804), alpn("http/1.1"))
	db, err := NewDatabase(entries)
	require.NoError(t, err)
	h, err := sent.ModelHello()
	require.NoError(t, err)
	m := Matcher{Database: db}
	got := m.AppendCandidates(nil, &Observation{Hello: h})
	require.Greater(t, len(got), maxNearest)
	for i, family := range []string{"A", "B", "C", "A"} {
		assert.Equal(t, family, got[i].Family, "%v", got)
	}
	assert.False(t, hasFamily(got, "F"))

	entries = append(entries[:3], entries[maxNeighbours+4:]...) // three of A, F, C and B
	for i := range 3 {
		e := entryOf(fmt.Sprint("imitation", i), "B", false, groups(29, 23), schemes(0x0403, 0x0804), alpn("http/1.1"))
		e.Kind = KindImpersonator
		entries = append(entries, e)
	}
	db, err = NewDatabase(entries)
	require.NoError(t, err)
	m = Matcher{Database: db}
	got = m.AppendCandidates(nil, &Observation{Hello: h})
	assert.True(t, slices.ContainsFunc(got, func(c Candidate) bool { return c.Name == "b" }), "not only who imitates it: %v", got)
}
