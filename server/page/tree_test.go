package page

import (
	"html/template"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func extensionNode(t *testing.T, h *parser.ClientHello, name string) *node {
	t.Helper()
	c, err := loadClients()
	require.NoError(t, err)
	root := parser.Dissect(h)
	extensions := newTree(&root, c).Root.Children[len(root.Children)-1]
	for _, n := range extensions.Children {
		if n.Title == name {
			return n
		}
	}
	require.Fail(t, "no such extension", name)
	return nil
}

func TestSummary(t *testing.T) {
	h := hellotest.Hello(
		hellotest.Extension(parser.ExtSupportedGroups, []byte{0, 6, 0x0a, 0x0a, 0, 29, 0, 23}),
		hellotest.Extension(parser.ExtKeyShare, []byte{0, 12, 0x1a, 0x1a, 0, 1, 0, 0, 29, 0, 3, 1, 2, 3}))
	assert.Equal(t, "x25519, secp256r1", extensionNode(t, h, "supported_groups").Summary)
	assert.Equal(t, "x25519 · 010203", extensionNode(t, h, "key_share").Summary)
}

// An extension links to what defines it: an RFC, a draft, or the source of
// BoringSSL. One of an unknown type has no link.
func TestReferences(t *testing.T) {
	h := hellotest.Hello(
		hellotest.Extension(parser.ExtKeyShare, []byte{0, 0}),
		hellotest.Extension(parser.ExtServerPadding, []byte{0x1f, 0x40}),
		hellotest.Extension(parser.ExtPAKE, make([]byte, 6)),
		hellotest.Extension(0xfefe, nil))
	for name, want := range map[string][2]string{
		"key_share":      {"RFC 8446 §4.2.8", "https://www.rfc-editor.org/rfc/rfc8446.html#section-4.2.8"},
		"server_padding": {"BoringSSL tls1.h", "https://boringssl.googlesource.com/boringssl/+/HEAD/include/openssl/tls1.h"},
		"pake":           {"bmw-tls-pake13", "https://datatracker.ietf.org/doc/html/draft-bmw-tls-pake13"},
	} {
		r := extensionNode(t, h, name).Reference
		require.NotNil(t, r, name)
		assert.Equal(t, want, [2]string{r.Text(), r.URL()})
	}
	assert.Equal(t, "8000", extensionNode(t, h, "server_padding").Summary)
	assert.Nil(t, extensionNode(t, h, "0xfefe").Reference)
}

// Errors are visible without opening a field.
func TestTreeIsOpenWhereItIsWrong(t *testing.T) {
	h := hellotest.Hello(
		hellotest.Extension(parser.ExtSupportedGroups, []byte{0, 3, 0, 29, 0}),
		hellotest.Extension(parser.ExtKeyShare, []byte{0, 5, 0, 29, 0, 1, 1}))
	for n := extensionNode(t, h, "supported_groups"); !n.Leaf(); n = n.Children[len(n.Children)-1] {
		assert.True(t, n.Open, n.Name)
	}
	assert.False(t, extensionNode(t, h, "key_share").Open)

	// The cut is between two cipher suites: no byte is wrong.
	c, err := loadClients()
	require.NoError(t, err)
	root := parser.Dissect(&parser.ClientHello{Raw: hellotest.Real(t)["chromium-156"].Raw[:77]})
	cut := newTree(&root, c).Root.Children
	suites := cut[len(cut)-1]
	require.Equal(t, "cipher_suites", suites.Name)
	require.Equal(t, "wrong", suites.Flags[0].Kind)
	assert.True(t, suites.Open)
}

func TestBreakable(t *testing.T) {
	assert.Equal(t, template.HTML("TLS_<wbr>RSA_<wbr>WITH"), breakable("TLS_RSA_WITH"))
	assert.Equal(t, template.HTML("&lt;b&gt;_<wbr>&amp;amp;&#34;"), breakable(`<b>_&amp;"`))
}
