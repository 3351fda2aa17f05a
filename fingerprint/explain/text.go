package explain

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// isHex reports whether text is n lower-case hex digits.
func isHex(text string, n int) bool {
	if len(text) != n {
		return false
	}
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isDecimal reports whether text is a number of at most the given bits, without
// leading zeros.
func isDecimal(text string, bits int) bool {
	n, err := strconv.ParseUint(text, 10, bits)
	return err == nil && text == strconv.FormatUint(n, 10)
}

// parseHexList reads values of four hex digits with commas between them.
func parseHexList[T ~uint16](text string) ([]T, error) {
	if text == "" {
		return nil, nil
	}
	var list []T
	for value := range strings.SplitSeq(text, ",") {
		if !isHex(value, 4) {
			return nil, fmt.Errorf("%q is not a value of 4 lower-case hex digits", value)
		}
		list = append(list, T(hexValue(value)))
	}
	return list, nil
}

// hexValue returns the number that up to four hex digits stand for.
func hexValue(digits string) uint16 {
	n, _ := strconv.ParseUint(digits, 16, 16) // the caller has checked them
	return uint16(n)
}

// parseDecimalList reads numbers with hyphens between them, which the caller has
// checked.
func parseDecimalList[T ~uint16](text string) (list []T) {
	if text == "" {
		return nil
	}
	for value := range strings.SplitSeq(text, "-") {
		n, _ := strconv.ParseUint(value, 10, 16)
		list = append(list, T(n))
	}
	return list
}

// appendHexList appends values of four hex digits with commas between them.
func appendHexList[T ~uint16](dst []byte, list []T) []byte {
	const digits = "0123456789abcdef"
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
	}
	return dst
}

func hexList[T ~uint16](list []T) string { return string(appendHexList(nil, list)) }

// withoutGREASE returns a copy of list without its GREASE values.
func withoutGREASE[T ~uint16](list []T) (plain []T) {
	for _, v := range list {
		if !parser.IsGREASE(v) {
			plain = append(plain, v)
		}
	}
	return plain
}

// firstALPN returns the first protocol that is not GREASE, or nil.
func firstALPN(h *parser.ClientHello) []byte {
	for _, p := range h.ALPNProtocols {
		if !parser.IsGREASEALPN(p) {
			return p
		}
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// count returns a number and a noun: "no extensions", "1 extension".
func count(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun + "s"
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// A codePoint is a number that a registry has a name for.
type codePoint interface {
	~uint16
	fmt.Stringer
}

// listPart returns the part of a list whose values are written as four hex digits
// with commas between them.
func listPart[T codePoint](name string, list []T) Part {
	p := Part{Name: name, Text: hexList(list), Meaning: count(len(list), "value")}
	for _, v := range list {
		p.Values = append(p.Values, Value{fmt.Sprintf("%04x", uint16(v)), v.String()})
	}
	return p
}

// decimalPart returns the part of a list whose values are written in decimal, with
// hyphens between them.
func decimalPart[T codePoint](name, text string) Part {
	list := parseDecimalList[T](text)
	p := listPart(name, list)
	p.Text = text
	for i, v := range list {
		p.Values[i].Text = strconv.Itoa(int(v))
	}
	return p
}

// legacyVersionMeaning returns what a legacy_version means. TLS 1.3 and DTLS 1.3
// keep that of 1.2 (RFC 8446, section 4.1.2; RFC 9147, section 5.3).
func legacyVersionMeaning(v parser.Version) string {
	meaning := v.String() + ", as legacy_version has it"
	switch v {
	case parser.VersionTLS12:
		meaning += ": TLS 1.3 has the same"
	case parser.VersionDTLS12:
		meaning += ": DTLS 1.3 has the same"
	}
	return meaning
}
