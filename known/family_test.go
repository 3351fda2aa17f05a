package known

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestFamilyComesFirst: what several programs of a library send is named after the
// library, with the range of its versions. So is what one program sends, if its family
// says that the hello is the library's.
func TestFamilyComesFirst(t *testing.T) {
	client := func(name, version, family, library string, k Kind) Candidate {
		return Candidate{Name: name, Version: version, Family: family, Library: library, Kind: k}
	}
	svn := client("svn", "1.14.2", "OpenSSL", "OpenSSL 3.0.19", KindTool)
	links := client("links", "2.28", "OpenSSL", "OpenSSL 3.5.8", KindTool)
	for _, c := range []struct {
		what    string
		clients []Candidate
		over    parser.Transport
		want    []Candidate // those that stand for a family
		first   string
	}{
		{"several programs", []Candidate{svn, links}, parser.TLS,
			[]Candidate{client("OpenSSL", "3.0 to 3.5", "OpenSSL", "OpenSSL 3.0 to 3.5", KindLibrary)}, "OpenSSL"},
		{"one program", []Candidate{svn}, parser.TLS,
			[]Candidate{client("OpenSSL", "3.0.19", "OpenSSL", "OpenSSL 3.0.19", KindLibrary)}, "OpenSSL"},
		{"one program over QUIC", []Candidate{client("client", "1.0", "Go", "Go crypto/tls 1.27.2", KindTool)}, parser.QUIC, nil, "client"},
		{"the library itself", []Candidate{svn, client("OpenSSL", "3.0", "OpenSSL", "OpenSSL 3.0", KindLibrary)}, parser.TLS, nil, "OpenSSL"},
		{"the library by another name", []Candidate{client("tool", "1.0", "Go", "Go crypto/tls 1.27.2", KindTool),
			client("Go crypto/tls", "1.27.2", "Go", "Go crypto/tls 1.27.2", KindLibrary)}, parser.TLS, nil, "Go crypto/tls"},
		{"a part of the library", []Candidate{client("Go net/http", "1.27.2", "Go", "Go crypto/tls 1.27.2", KindLibrary)}, parser.TLS, nil, "Go net/http"},
		{"a tool of the library", []Candidate{client("NSS tstclnt", "3.87.1", "NSS", "NSS 3.87.1", KindTool)}, parser.TLS,
			[]Candidate{client("NSS", "3.87.1", "NSS", "NSS 3.87.1", KindLibrary)}, "NSS"},
		{"a program of its own", []Candidate{client("curl", "7.88.1", "OpenSSL+curl", "OpenSSL 3.0.22", KindTool)}, parser.TLS, nil, "curl"},
		{"what uses the program's library", []Candidate{client("A", "8.2.36", "OpenSSL+curl", "OpenSSL 3.0.22", KindLibrary),
			client("curl", "7.88.1", "OpenSSL+curl", "OpenSSL 3.0.22", KindTool)}, parser.TLS, nil, "curl"},
		{"parts of a runtime", []Candidate{client("Node https", "24.21.0", "Node", "OpenSSL 3.5.8", KindLibrary),
			client("Node tls", "24.21.0", "Node", "OpenSSL 3.5.8", KindLibrary)}, parser.TLS,
			[]Candidate{client("Node", "24.21.0", "Node", "OpenSSL 3.5.8", KindLibrary)}, "Node"},
		{"packages of a runtime", []Candidate{client("Node https", "24.21.0", "Node", "OpenSSL 3.5.8", KindLibrary),
			client("Node axios", "1.21.1", "Node", "OpenSSL 3.5.8", KindLibrary)}, parser.TLS,
			[]Candidate{client("Node", "", "Node", "OpenSSL 3.5.8", KindLibrary)}, "Node"},
		{"a browser", []Candidate{client("Chromium", "156", "Chromium", "BoringSSL", KindBrowser),
			client("Electron", "40", "Chromium", "BoringSSL", KindTool), client("Node http", "1", "Chromium", "BoringSSL", KindTool)}, parser.TLS, nil, "Chromium"},
		{"a browser on a library", []Candidate{client("WebKitGTK", "2.50", "GnuTLS", "GnuTLS 3.7.9", KindBrowser)}, parser.TLS, nil, "WebKitGTK"},
		{"imitations", []Candidate{client("a", "okhttp4", "okhttp", "okhttp", KindImpersonator), client("b", "okhttp4", "okhttp", "okhttp", KindImpersonator)}, parser.TLS, nil, "a"},
		{"an imitation with a library of its own", []Candidate{client("uTLS", "iOS_14", "Safari", "uTLS", KindImpersonator),
			client("Safari", "17.0", "Safari", "Apple", KindBrowser), client("service", "", "Apple", "Apple", KindOther)}, parser.TLS, nil, "Safari"},
		{"no family", []Candidate{client("a", "", "", "", KindTool), client("b", "", "", "", KindTool)}, parser.TLS, nil, "a"},
		{"two families", []Candidate{svn, links, client("scanner", "1", "scanner", "", KindTool)}, parser.TLS,
			[]Candidate{client("OpenSSL", "3.0 to 3.5", "OpenSSL", "OpenSSL 3.0 to 3.5", KindLibrary)}, "OpenSSL"},
	} {
		programs := make(map[string]*program)
		for i := range c.clients {
			programs[c.clients[i].Name] = &program{1, 1}
		}
		generic := familiesOf(c.clients, c.over)
		assert.Equal(t, c.want, generic, c.what)
		var orders [2][]Candidate
		for i := range orders {
			slices.Reverse(c.clients)
			ordered, isGeneric := inOrder(slices.Clone(c.clients), familiesOf(c.clients, c.over), programs)
			require.Len(t, ordered, len(c.clients)+len(c.want), c.what)
			assert.Equal(t, c.first, ordered[0].Name, c.what)
			assert.Equal(t, uint64(len(c.want)), isGeneric, c.what) // it comes first
			orders[i] = ordered
		}
		assert.Equal(t, orders[0], orders[1], "%s: the order of the entries counts", c.what)
	}
}

// TestFamilyOfTwoShapes: it counts as well that two programs send shapes that differ only in
// what a hello need not show.
func TestFamilyOfTwoShapes(t *testing.T) {
	padded := hellotest.Real(t)["chromium-117"]
	long := withLongName(t, padded)
	entry := func(name, version string, h *parser.ClientHello) Entry {
		return Entry{Name: name, Version: version, Family: "F", Kind: KindLibrary, Hello: hex.EncodeToString(h.Raw)}
	}
	db, err := NewDatabase([]Entry{entry("F a", "1.0", padded), entry("F b", "1.0", long)})
	require.NoError(t, err)
	require.Len(t, db.shapes, 2)
	m := Matcher{Database: db}
	for _, h := range []*parser.ClientHello{padded, long} {
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		require.NotEmpty(t, got)
		assert.Equal(t, Candidate{Name: "F", Version: "1.0", Family: "F", Kind: KindLibrary}, got[0])
		assert.ElementsMatch(t, []string{"F", "F a", "F b"}, namesOf(got))
	}
}

// TestBuiltinFamilies: no program comes before its library, where several programs send
// the same.
func TestBuiltinFamilies(t *testing.T) {
	shared := 0
	for _, e := range builtin.shapes {
		clients := builtin.clients[e.first : e.first+e.n]
		c := &clients[0]
		if e.scanner || c.Kind == KindBrowser || c.Kind == KindImpersonator {
			continue
		}
		n := 0
		for i := range clients {
			n += btoi(clients[i].Family == c.Family && clients[i].Kind != KindImpersonator)
		}
		if n > 1 {
			shared++
			assert.True(t, e.generic&1 != 0 || isLibraryItself(c), "%s %s of %s sends what others of it send", c.Name, c.Version, c.Family)
		}
	}
	assert.Greater(t, shared, 10)
}

// TestUsersProgramsAreNamed: the user's own clients come first under their own names, also
// where their library sends the same.
func TestUsersProgramsAreNamed(t *testing.T) {
	h := hellotest.Real(t)["curl-openssl-3.0"]
	var entries []Entry
	for _, name := range []string{"mine", "yours"} {
		entries = append(entries, Entry{Name: name, Family: "OpenSSL", Library: "OpenSSL 3.0.13", Kind: KindTool, Hello: hex.EncodeToString(h.Raw)})
	}
	db, err := NewDatabase(entries)
	require.NoError(t, err)
	m := Matcher{Database: db}
	assert.Equal(t, []string{"OpenSSL", "mine", "yours"}, namesOf(m.AppendCandidates(nil, &Observation{Hello: h})))
	m = Matcher{Clients: db}
	assert.Equal(t, []string{"mine", "yours", "curl"}, namesOf(m.AppendCandidates(nil, &Observation{Hello: h}))[:3])
	suites := append(slices.Clone(h.CipherSuites), 0x00ff)
	near := hellotest.Rebuild(t, h, suites, h.Extensions)
	got := namesOf(m.AppendCandidates(nil, &Observation{Hello: near}))
	assert.Contains(t, got, "mine")
	assert.NotContains(t, strings.Join(got, ","), "OpenSSL,mine")
}

func namesOf(list []Candidate) (names []string) {
	for i := range list {
		names = append(names, list[i].Name)
	}
	return names
}
