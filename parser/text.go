package parser

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendText appends bytes that a client chose, such as a server name, to dst
// as printable text. A byte that is not part of a printable UTF-8 character
// becomes \xNN with two lower-case hex digits, and a backslash is doubled. The
// text is valid UTF-8 without control characters and line separators.
// [UnescapeText] returns the bytes.
func AppendText(dst, b []byte) []byte {
	for len(b) > 0 {
		ascii := 0
		for ascii < len(b) && ' ' <= b[ascii] && b[ascii] <= '~' && b[ascii] != '\\' {
			ascii++
		}
		if ascii > 0 {
			dst = append(dst, b[:ascii]...)
			b = b[ascii:]
			continue
		}
		c, n := rune(b[0]), 1
		if c >= utf8.RuneSelf {
			c, n = utf8.DecodeRune(b)
		}
		switch {
		case c == '\\':
			dst = append(dst, `\\`...)
		case c == utf8.RuneError && n == 1, !unicode.IsPrint(c):
			for _, x := range b[:n] {
				dst = append(dst, '\\', 'x', hexDigits[x>>4], hexDigits[x&15])
			}
		default:
			dst = append(dst, b[:n]...)
		}
		b = b[n:]
	}
	return dst
}

// Text returns b in the form of [AppendText].
func Text(b []byte) string { return string(AppendText(nil, b)) }

// UnescapeText returns the bytes that [AppendText] wrote as s. An error gives
// the offset of a backslash that AppendText does not write.
func UnescapeText(s string) ([]byte, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b = append(b, s[i])
			i++
			continue
		}
		if strings.HasPrefix(s[i:], `\\`) {
			b = append(b, '\\')
			i += 2
			continue
		}
		var x byte
		if len(s) < i+4 || s[i+1] != 'x' || !unhex(s[i+2], s[i+3], &x) {
			return nil, fmt.Errorf(`parser: text: backslash at byte %d is followed by neither a backslash nor x and two hex digits`, i)
		}
		b = append(b, x)
		i += 4
	}
	return b, nil
}

func unhex(hi, lo byte, x *byte) bool {
	h, l := strings.IndexByte(hexDigits, hi), strings.IndexByte(hexDigits, lo)
	*x = byte(h<<4 | l)
	return h >= 0 && l >= 0
}
