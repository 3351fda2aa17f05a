package answers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// longHellos returns huge hellos, and some about as long as MaxDetail.
func longHellos() map[string]*parser.ClientHello {
	all := hellotest.Huge()
	for _, n := range []int{MaxDetail - 100, MaxDetail - 60, MaxDetail - 40, MaxDetail, MaxDetail + 100} {
		all[strings.Repeat("+", len(all))] = hellotest.Hello(hellotest.Extension(parser.ExtALPN, hellotest.ALPN("h2")),
			hellotest.Extension(parser.ExtPadding, make([]byte, n)))
	}
	return all
}

// TestDetailIsCut: the leaves of the tree of a long message are its first bytes, and
// none has an error.
func TestDetailIsCut(t *testing.T) {
	whole, cut := 0, 0
	for name, h := range longHellos() {
		o := event.Observation{Hello: h, Transport: h.Transport, Index: 1}
		e := Event(&o, nil, event.Detail)
		full := new(event.Observer).Event(&o, event.Full)
		assert.Equal(t, full.JA4(), e.JA4())
		assert.Equal(t, full.ALPN, e.ALPN)
		assert.Equal(t, h.Raw, e.Raw)
		require.NotNil(t, e.Hello)
		if len(h.Raw) <= MaxDetail {
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
		assert.Equal(t, h.Raw[:MaxDetail], leaves(&shown, nil), name)
		assert.Equal(t, want.Children[:3], e.Hello.Children[:3], name)
	}
	assert.NotZero(t, whole)
	assert.NotZero(t, cut)
}
