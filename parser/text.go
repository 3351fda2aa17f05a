package parser

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AppendText appends bytes that a client chose, such as a server name, to dst
// as printable text from which [UnescapeText] has the same bytes back. A byte
// that is not part of a printable character in UTF-8 is written \xNN, two
// lower-case hex digits, and a backslash is doubled. What is appended has no
// control character, no line or paragraph separator, and is valid UTF-8.
func AppendText(dst, b []byte) []byte {
	for len(b) > 0 {
		c, n := rune(b[0]), 1
		if c >= utf8.RuneSelf {
			c, n = utf8.DecodeRune(b)
		}
		switch {
		case c == '\\':
			dst = append(dst, `\\`...)
		case c == utf8.RuneError && n == 1, !unicode.IsPrint(c):
			for _, x := range b[:n] {
				const digits = "0123456789abcdef"
				dst = append(dst, '\\', 'x', digits[x>>4], digits[x&15])
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

// UnescapeText returns the bytes that [AppendText] wrote as s.
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
	h, l := strings.IndexByte("0123456789abcdef", hi), strings.IndexByte("0123456789abcdef", lo)
	*x = byte(h<<4 | l)
	return h >= 0 && l >= 0
}
