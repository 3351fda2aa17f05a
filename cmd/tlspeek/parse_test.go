package main

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestParseRawBytes(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		want := h.Transport
		if want == parser.QUIC {
			want = parser.TLS // the message alone does not say what carried it
		}
		b, err := decodeInput(h.Raw)
		require.NoError(t, err, name)
		p := parseHello(b)
		assert.Empty(t, p.errs, name)
		assert.Equal(t, h.Raw, p.hello.Raw, name)
		assert.Equal(t, want, p.hello.Transport, name)
	}
}

func TestDecodeInput(t *testing.T) {
	for text, want := range map[string]string{
		"0x16, 0x03,0X01":                   "160301",
		`"\x16\x03\x01"`:                    "160301",
		"16:03:01\r\n00:05\r\n":             "1603010005",
		" 1603 01 ":                         "160301",
		"FgMB":                              "160301",
		"_-8=":                              "ffef",
		"00000000  16 03 01\n00000003\n":    "160301",
		"00000000: 1603 01          ...":    "160301",
		"0000   16 03\n0002   01":           "160301",
		"0000 1603\n0003 01":                "00001603000301", // no dump: the offsets are wrong
		"160301\n160302":                    "160301160302",
		"00000000  41 42 43  |ABC|\n000003": "414243000003"[:6],
	} {
		b, err := decodeInput([]byte(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, hex.EncodeToString(b), text)
	}
	for text, want := range map[string]string{
		"":               "empty: give a hello as hex, base64 or bytes",
		" \n":            "empty: give a hello as hex, base64 or bytes",
		"GET / HTTP/1.1": "text that is neither hex nor base64: give a hello as either, or as bytes",
		"1603 0":         "an odd number of hex digits: one is missing, or one too many",
	} {
		_, err := decodeInput([]byte(text))
		assert.EqualError(t, err, want, text)
	}
}

// FuzzParse holds that parse has an answer to anything.
func FuzzParse(f *testing.F) {
	for _, h := range hellotest.Real(f) {
		f.Add(h.Raw)
		f.Add([]byte(hex.EncodeToString(h.Raw)))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		b, err := decodeInput(input)
		if err != nil {
			return
		}
		p := parseHello(b)
		require.True(t, p.hello != nil || len(p.errs) > 0)
		text, err := p.appendJSON(nil)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), "\n"))
		for _, c := range string(p.appendText(nil)) {
			require.True(t, c == '\n' || c >= ' ' && c != 0x7f)
		}
	})
}
