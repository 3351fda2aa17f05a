package parser

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAppendQuotedIsJSON(t *testing.T) {
	for _, s := range []string{"", "plain", `a "quoted" \ text`, "line\nbreak\x00\x1f\x7f", "ü 漢", `"`, `\`} {
		got := AppendQuoted([]byte("["), s)
		var back []string
		require.NoError(t, json.Unmarshal(append(got, ']'), &back), "%q", s)
		assert.Equal(t, []string{s}, back)
	}
}

// A byte that needs an escape is found at any position.
func TestAppendQuotedEverywhere(t *testing.T) {
	for n := range 40 {
		for i := range n {
			for _, c := range []byte{0, 31, '"', '\\'} {
				b := bytes.Repeat([]byte{' ', '~', 0x7f, '!', '#', '[', ']', 0xc3, 0xa9}, 5)[:n]
				b[i] = c
				s := strings.ToValidUTF8(string(b), "é")
				var back string
				require.NoError(t, json.Unmarshal(AppendQuoted(nil, s), &back), "%q", s)
				require.Equal(t, s, back)
			}
		}
	}
}

func TestTextIsLossless(t *testing.T) {
	for in, want := range map[string]string{
		"test.example":         "test.example",
		"a\r\nb\x00\x1b[31m":   `a\x0d\x0ab\x00\x1b[31m`,
		`back\slash`:           `back\\slash`,
		`\x41`:                 `\\x41`,
		"\xff\xc3\xa9\xc3":     `\xff` + "é" + `\xc3`,
		"\u202ertl \u2028line": `\xe2\x80\xaertl \xe2\x80\xa8line`,
		"\u00a0":               `\xc2\xa0`,
	} {
		assert.Equal(t, want, Text([]byte(in)))
		back, err := UnescapeText(want)
		require.NoError(t, err)
		assert.Equal(t, in, string(back))
	}
}

func TestUnescapeTextErrors(t *testing.T) {
	for _, s := range []string{`\`, `ab\n`, `\x`, `\x4`, `\xZZ`, `\xAB`, `\\\`} {
		_, err := UnescapeText(s)
		assert.ErrorContains(t, err, "followed by neither a backslash nor x and two hex digits", s)
	}
}
