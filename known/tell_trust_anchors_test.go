package known

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestTrustAnchors(t *testing.T) {
	chrome := hellotest.Real(t)["chromium-156"]
	assert.Equal(t, freshAnchors, string(extension(chrome, parser.ExtTrustAnchors).Data[2:]))
	for _, c := range []struct{ name, data, found string }{
		{"those of a new profile", string(extension(chrome, parser.ExtTrustAnchors).Data), ""},
		{"one more than in a new profile", "\x00\xbd" + freshAnchors + "\x04\xd6\x79\x09\x0f", "d679090f twice"},
		{"none", "\x00\x00", ""},
		{"one", "\x00\x05\x04\xd6\x79\x09\x01", ""},
		{"others", "\x00\x0a\x04\xd6\x79\x09\x01\x04\xd6\x79\x09\x02", ""},
		{"of one number", "\x00\x02\x01\x2a", ""},
		{"zero", "\x00\x02\x01\x00", ""},
		{"cut off", "\x00\x05\x04\xd6\x79\x09\x81", "d6790981, which is no relative object identifier"},
		{"a leading zero", "\x00\x05\x04\x80\x79\x09\x01", "80790901, which is no relative object identifier"},
		{"a leading zero later", "\x00\x05\x04\x79\x80\x09\x01", "79800901, which is no relative object identifier"},
		{"zeros inside a number", "\x00\x05\x04\xd6\x80\x09\x01", ""},
		{"one twice", "\x00\x0a\x04\xd6\x79\x09\x01\x04\xd6\x79\x09\x01", "d6790901 twice"},
		{"one the beginning of another", "\x00\x09\x04\xd6\x79\x09\x01\x03\xd6\x79\x09", ""},
	} {
		h := edit(chrome, func(h *parser.ClientHello) { extension(h, parser.ExtTrustAnchors).Data = []byte(c.data) })
		found := ""
		for _, tell := range AppendTells(nil, &Observation{Hello: h, RecordVersion: parser.VersionTLS10, Request: claims(chromium, 156)}) {
			assert.Equal(t, "trust-anchors", tell.Name, c.name)
			assert.False(t, tell.Novel, c.name)
			found = tell.Found
		}
		assert.Equal(t, c.found, found, c.name)
	}
}
