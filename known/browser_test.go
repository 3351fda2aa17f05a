package known

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestShapeOfEdited removes from each known browser's hello, and adds to it, each single
// cipher suite, extension, group and signature scheme. None becomes the hello of
// another browser.
func TestShapeOfEdited(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	var hellos []*parser.ClientHello
	for _, e := range entries {
		h, err := e.ModelHello()
		require.NoError(t, err)
		if h != nil && h.Transport == parser.TLS && anyBrowser.has(browserShapeOf(h)) {
			hellos = append(hellos, h)
		}
	}
	require.Greater(t, len(hellos), 60)
	shapes := make(map[browser]int)
	var extensions []parser.Extension // one of each type that a browser or an imitation sends
	for _, h := range hellos {
		shapes[browserShapeOf(h)]++
		for _, e := range h.Extensions {
			if !slices.ContainsFunc(extensions, func(o parser.Extension) bool { return o.Type == e.Type }) {
				extensions = append(extensions, e)
			}
		}
	}
	for b := chromium; b <= safari; b++ {
		require.Positive(t, shapes[b], b.name())
	}
	for _, want := range []parser.ExtensionType{parser.ExtApplicationSettings, parser.ExtDelegatedCredential, parser.ExtRecordSizeLimit} {
		require.True(t, slices.ContainsFunc(extensions, func(e parser.Extension) bool { return e.Type == want }), "%v", want)
	}
	var suites []parser.CipherSuite // those of the registry, and some that are not in it
	var groups []parser.NamedGroup
	var schemes []parser.SignatureScheme
	for v := range 1 << 16 {
		if s := parser.CipherSuite(v); s.String()[0] == 'T' || v%0x1010 == 0x0a0a%0x1010 {
			suites = append(suites, s)
		}
	}
	for v := range 0x400 {
		groups = append(groups, parser.NamedGroup(v))
	}
	groups = append(groups, 0x11eb, 0x11ec, 0x11ed, 0x6399, 0x639a, 0x0a0a, 0xfe31)
	for _, hash := range []parser.SignatureScheme{0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0a0a >> 8} {
		for low := range parser.SignatureScheme(0x20) {
			schemes = append(schemes, hash<<8|low)
		}
	}

	for _, h := range hellos {
		shape := browserShapeOf(h)
		n := 0
		check := func(edited *parser.ClientHello, format string, args ...any) {
			n++
			if b := browserShapeOf(edited); b != shape && b != noBrowser && b != suitesOnly {
				assert.Fail(t, fmt.Sprintf("a hello of %s "+format+" became one of %s", append(append([]any{shape.name()}, args...), b.name())...))
			}
		}
		// A list is edited in the decoded hello, as the shape is read from it.
		list := func(name string, n int, without func(c *parser.ClientHello, i int)) {
			for i := range n {
				c := h.Clone()
				without(c, i)
				check(c, "without %s %d", name, i)
			}
		}
		list("suite", len(h.CipherSuites), func(c *parser.ClientHello, i int) { c.CipherSuites = slices.Delete(c.CipherSuites, i, i+1) })
		list("group", len(h.SupportedGroups), func(c *parser.ClientHello, i int) { c.SupportedGroups = slices.Delete(c.SupportedGroups, i, i+1) })
		list("scheme", len(h.SignatureAlgorithms), func(c *parser.ClientHello, i int) {
			c.SignatureAlgorithms = slices.Delete(c.SignatureAlgorithms, i, i+1)
		})
		c := h.Clone()
		for _, at := range []int{0, 1, len(h.CipherSuites) / 2, len(h.CipherSuites)} {
			for _, v := range suites {
				c.CipherSuites = slices.Insert(append(c.CipherSuites[:0], h.CipherSuites...), at, v)
				check(c, "with suite %v at %d", v, at)
			}
		}
		c.CipherSuites = h.CipherSuites
		for _, at := range []int{0, len(h.SupportedGroups)} {
			for _, v := range groups {
				c.SupportedGroups = slices.Insert(append(c.SupportedGroups[:0:0], h.SupportedGroups...), at, v)
				check(c, "with group %v at %d", v, at)
			}
		}
		c.SupportedGroups = h.SupportedGroups
		for _, at := range []int{0, len(h.SignatureAlgorithms)} {
			for _, v := range schemes {
				c.SignatureAlgorithms = slices.Insert(append(c.SignatureAlgorithms[:0:0], h.SignatureAlgorithms...), at, v)
				check(c, "with scheme %v at %d", v, at)
			}
		}
		// An extension is edited in the bytes, as its body fills other fields.
		for i := range h.Extensions {
			check(hellotest.Rebuild(t, h, h.CipherSuites, slices.Delete(slices.Clone(h.Extensions), i, i+1)),
				"without extension %v", h.Extensions[i].Type)
		}
		for _, e := range extensions {
			if h.HasExtension(e.Type) {
				continue
			}
			for _, at := range []int{0, len(h.Extensions)} {
				check(hellotest.Rebuild(t, h, h.CipherSuites, slices.Insert(slices.Clone(h.Extensions), at, e)),
					"with extension %v at %d", e.Type, at)
			}
		}
		assert.Greater(t, n, 2000)
	}
}

// TestShapeOfFirefoxWithFewerSuites: the suites of Firefox 154 are the set that
// Chromium offers.
func TestShapeOfFirefoxWithFewerSuites(t *testing.T) {
	h := hellotest.Real(t)["firefox-154"]
	require.NotNil(t, h)
	require.Len(t, h.CipherSuites, 15)
	assert.Equal(t, firefox, browserShapeOf(h))
	o := Observation{
		Hello: h, Index: 1, RecordVersion: parser.VersionTLS10,
		HTTP2:   "1:65536;2:0;4:131072;5:16384|12517377|0|m,p,a,s",
		Request: Request{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:154.0) Gecko/20100101 Firefox/154.0"},
	}
	assert.Empty(t, AppendTells(nil, &o))
	var m Matcher
	candidates := m.AppendCandidates(nil, &o)
	require.NotEmpty(t, candidates)
	assert.Equal(t, "Firefox", candidates[0].Name)
	assert.Equal(t, Claim{Verdict: VerdictConsistent, Program: "Firefox 154", Reasons: []string{"the hello has the shape of Firefox's", "the HTTP/2 settings are Firefox's",
		"by its hello, a copy cannot be told from Firefox"}},
		CheckClaim(&o, candidates))
}
