package parser

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
