package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// longHellos are huge ones, and some about as long as maxDetail.
func longHellos() map[string]*parser.ClientHello {
	all := hugeHellos()
	for _, n := range []int{maxDetail - 100, maxDetail - 60, maxDetail - 40, maxDetail, maxDetail + 100} {
		all[strings.Repeat("+", len(all))] = hellotest.Hello(hellotest.Extension(parser.ExtALPN, hellotest.ALPN("h2")),
			hellotest.Extension(parser.ExtPadding, make([]byte, n)))
	}
	return all
}

// TestDetailIsCut has the tree of a long message: its leaves are its first bytes,
// and nothing is said to be wrong with them.
func TestDetailIsCut(t *testing.T) {
	whole, cut := 0, 0
	for name, h := range longHellos() {
		o := observed(h)
		e := eventOf(&o, nil, event.Detail)
		full := new(event.Observer).Event(&o, event.Full)
		assert.Equal(t, full.JA4, e.JA4)
		assert.Equal(t, full.ALPN, e.ALPN)
		assert.Equal(t, h.Raw, e.Raw)
		require.NotNil(t, e.Hello)
		if len(h.Raw) <= maxDetail {
			whole++
			want := parser.Dissect(h)
			assert.Equal(t, &want, e.Hello)
			continue
		}
		cut++
		assert.Regexp(t, "^only the first 16384 of [0-9]+ bytes are taken apart$", e.Hello.Note, name)
		want := parser.Dissect(h)
		var leaves func(f *parser.Field, dst []byte) []byte
		leaves = func(f *parser.Field, dst []byte) []byte {
			assert.NotContains(t, f.Note, "truncated", name)
			if len(f.Children) == 0 {
				return append(dst, f.Bytes...)
			}
			for i := range f.Children {
				dst = leaves(&f.Children[i], dst)
			}
			return dst
		}
		shown := *e.Hello
		shown.Note = ""
		assert.Equal(t, h.Raw[:maxDetail], leaves(&shown, nil), name)
		assert.Equal(t, want.Children[:3], e.Hello.Children[:3], name)
	}
	assert.NotZero(t, whole)
	assert.NotZero(t, cut)
}

func TestPageOfACutHello(t *testing.T) {
	for name, h := range longHellos() {
		body := get(pageOf(&Page{}, h), "/", "text/html").Body.String()
		cut := len(h.Raw) > maxDetail
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

// TestBrokenBeyondTheCut has a message that ends after what is shown.
func TestBrokenBeyondTheCut(t *testing.T) {
	p := &Page{}
	require.True(t, p.ready(nil))
	raw := hugeHellos()["extensions"].Raw[:40_001]
	_, err := parser.Parse(raw)
	require.Error(t, err)
	h := p.broken(raw, parser.TLS, err)
	assert.Equal(t, -1, h.Error.Leaf)
	assert.Equal(t, 40_001-maxDetail, h.Rest())
	raw = raw[:maxDetail]
	_, err = parser.Parse(raw)
	h = p.broken(raw, parser.TLS, err)
	assert.GreaterOrEqual(t, h.Error.Leaf, 0)
	assert.Zero(t, h.Rest())
}
