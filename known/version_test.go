package known

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestVersionRange(t *testing.T) {
	for _, c := range []struct {
		versions []string
		want     string
	}{
		{nil, ""},
		{[]string{"131.0.6778.0"}, "131.0.6778.0"},
		{[]string{"152.0.7977.0", "138.0.7204.0"}, "138 to 152"},
		{[]string{"117.0.5938.0", "92.0.4512.0", "114.0.5735.0"}, "92 to 117"},
		{[]string{"123.0.6312.0", "123.0.6312.4"}, "123"},
		{[]string{"18.20.8", "20.20.2"}, "18 to 20"},
		{[]string{"3.9.18", "3.11.2"}, "3.9 to 3.11"},
		{[]string{"2.7.18", "3.6.15"}, "2.7 to 3.6"},
		{[]string{"3.0.19", "3.0.22"}, "3.0"},
		{[]string{"1.1.1n", "3.0.16"}, "1.1 to 3.0"},
		{[]string{"8.5.0", "10.1"}, "8.5 to 10"},
		{[]string{"1", "2"}, "1 to 2"},
		{[]string{"3", "3.0.22"}, "3"},
		{[]string{"12", "12.4"}, "12"},
		{[]string{"2025.04", "2026.01"}, "2025 to 2026"},
		{[]string{"edge-99", "chrome-100"}, "chrome-100, edge-99"},
		{[]string{"ESR", "153.0"}, "153.0, ESR"},
	} {
		assert.Equal(t, c.want, versionRange(slices.Clone(c.versions)), "%v", c.versions)
		slices.Reverse(c.versions)
		assert.Equal(t, c.want, versionRange(c.versions), "%v", c.versions)
	}
}

func TestJoinVersions(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"92 to 117", "119.0.6000.0", "92 to 119"},
		{"119.0.6000.0", "92 to 117", "92 to 119"},
		{"92 to 117", "100 to 110", "92 to 117"},
		{"138.0.7204.0", "138.0.7204.0", "138.0.7204.0"},
		{"", "3.0", "3.0"},
		{"", "", ""},
		{"chrome-100, chrome-99", "chrome-99, edge-99", "chrome-100, chrome-99, edge-99"},
	} {
		assert.Equal(t, c.want, joinVersions(c.a, c.b), "%s and %s", c.a, c.b)
	}
}

func TestLibraryRange(t *testing.T) {
	for _, c := range []struct {
		libraries []string
		want      string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"BoringSSL", "BoringSSL"}, "BoringSSL"},
		{[]string{"OpenSSL 3.0.22", "", "OpenSSL 3.0.22"}, "OpenSSL 3.0.22"},
		{[]string{"OpenSSL 3.5.8", "OpenSSL 3.0.22"}, "OpenSSL 3.0 to 3.5"},
		{[]string{"OpenSSL 3 (bundled)", "OpenSSL 3.0.22"}, "OpenSSL 3"},
		{[]string{"Go crypto/tls 1.26.8", "Go crypto/tls 1.27.2"}, "Go crypto/tls 1.26 to 1.27"},
		{[]string{"Go crypto/tls 1.27.2 FIPS"}, "Go crypto/tls 1.27.2 FIPS"},
		{[]string{"rustls (deno)", "rustls 0.20.8"}, "rustls (deno), rustls 0.20.8"},
		{[]string{"OpenSSL 3.0.22", "GnuTLS 3.7.9", "OpenSSL 1.1.1n"}, "GnuTLS 3.7.9, OpenSSL 1.1 to 3.0"},
	} {
		assert.Equal(t, c.want, libraryRange(slices.Clone(c.libraries)), "%v", c.libraries)
	}
}

// TestVersionsOfTwoShapes: a client that sends two shapes, of which a hello has both, is
// one candidate with the versions of both.
func TestVersionsOfTwoShapes(t *testing.T) {
	padded := hellotest.Real(t)["chromium-117"]
	long := withLongName(t, padded)
	entry := func(name, version string, h *parser.ClientHello) Entry {
		return Entry{Name: name, Version: version, Family: name, Kind: KindBrowser, Hello: hex.EncodeToString(h.Raw)}
	}
	db, err := NewDatabase([]Entry{entry("A", "117.0.1", padded), entry("A", "119.0.1", long), entry("B", "1.0", long)})
	require.NoError(t, err)
	require.Len(t, db.shapes, 2)
	own, err := NewDatabase([]Entry{entry("A", "121", padded)})
	require.NoError(t, err)
	o := Observation{Hello: padded}
	for _, c := range []struct {
		matcher Matcher
		want    []Candidate
	}{
		{Matcher{Database: db}, []Candidate{{Name: "A", Version: "117 to 119", Family: "A", Kind: KindBrowser}, {Name: "B", Version: "1.0", Family: "B", Kind: KindBrowser}}},
		{Matcher{Database: db, Clients: own}, []Candidate{{Name: "A", Version: "117 to 121", Family: "A", Kind: KindBrowser}, {Name: "B", Version: "1.0", Family: "B", Kind: KindBrowser}}},
	} {
		m := c.matcher
		got := m.AppendCandidates(nil, &o)
		assert.ElementsMatch(t, c.want, got)
		assert.Zero(t, testing.AllocsPerRun(100, func() { got = m.AppendCandidates(got[:0], &o) }))
	}
}

// withLongName returns h with a server name that makes it too long for padding.
func withLongName(t *testing.T, h *parser.ClientHello) *parser.ClientHello {
	extensions := slices.Clone(h.Extensions)
	extensions = slices.DeleteFunc(extensions, func(e parser.Extension) bool { return e.Type == parser.ExtPadding })
	for i := range extensions {
		if extensions[i].Type == parser.ExtServerName {
			extensions[i].Data = hellotest.ServerName(bytes.Repeat([]byte("a"), 250))
		}
	}
	return hellotest.Rebuild(t, h, h.CipherSuites, extensions)
}
