package page

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// longHellos returns huge hellos, and some about as long as answers.MaxDetail.
func longHellos() map[string]*parser.ClientHello {
	all := hellotest.Huge()
	for _, n := range []int{answers.MaxDetail - 100, answers.MaxDetail, answers.MaxDetail + 100} {
		all[strings.Repeat("+", len(all))] = hellotest.Hello(hellotest.Extension(parser.ExtALPN, hellotest.ALPN("h2")),
			hellotest.Extension(parser.ExtPadding, make([]byte, n)))
	}
	return all
}

func TestPageOfACutHello(t *testing.T) {
	for name, h := range longHellos() {
		body := get(pageOf(&Page{}, h), "/", "text/html").Body.String()
		cut := len(h.Raw) > answers.MaxDetail
		for text, want := range map[string]bool{
			"of which the first 16384 are taken apart here.": cut,
			" bytes are not shown.":                          cut,
			"and every one of them has a name.":              !cut,
			"truncated":                                      false,
			`href="/compare#`:                                true,
			`data-print="ja4"`:                               true,
		} {
			assert.Equal(t, want, strings.Contains(body, text), "%s: %s", name, text)
		}
	}
}

// TestBrokenBeyondTheCut: the message ends after the part that is shown.
func TestBrokenBeyondTheCut(t *testing.T) {
	p := &Page{}
	require.True(t, p.ready(nil))
	raw := hellotest.Huge()["extensions"].Raw[:40_001]
	_, err := parser.Parse(raw)
	require.Error(t, err)
	v := p.newBrokenView(raw, parser.TLS, err)
	assert.Equal(t, -1, v.broken.Leaf)
	assert.Equal(t, 40_001-answers.MaxDetail, v.annotated.Rest())
	raw = raw[:answers.MaxDetail]
	_, err = parser.Parse(raw)
	v = p.newBrokenView(raw, parser.TLS, err)
	assert.GreaterOrEqual(t, v.broken.Leaf, 0)
	assert.Zero(t, v.annotated.Rest())
}
