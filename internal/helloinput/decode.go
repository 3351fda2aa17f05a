package helloinput

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxInput is the most that Read reads, in bytes: a hexdump of the longest hello in
// records of 1 byte.
const maxInput = 4 << 20

var (
	errEmpty = errors.New("empty: give a hello as hex, base64 or bytes")
	// ErrOddHex says that the input is hex digits with half a byte at the end.
	ErrOddHex = errors.New("an odd number of hex digits: one is missing, or one too many")
)

// Read reads r to its end, and returns what Decode returns.
func Read(r io.Reader) ([]byte, error) {
	input, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	switch {
	case err != nil:
		return nil, err
	case len(input) > maxInput:
		return nil, fmt.Errorf("more than %d bytes: give one hello", maxInput)
	}
	return Decode(input)
}

// Decode returns the bytes that input stands for. Text is hex, a hexdump or base64.
// Other input stands for itself.
func Decode(input []byte) ([]byte, error) {
	if !isText(input) {
		return input, nil
	}
	text := strings.TrimSpace(string(input))
	if text == "" {
		return nil, errEmpty
	}
	if b, ok := decodeDump(text); ok {
		return b, nil
	}
	switch b, err := DecodeHex(text); {
	case errors.Is(err, hex.ErrLength):
		return nil, ErrOddHex
	case err == nil && len(b) > 0:
		return b, nil
	}
	compact := strings.TrimRight(strings.NewReplacer("\r", "", "\n", "").Replace(text), "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(compact); err == nil && len(b) > 0 {
			return b, nil
		}
	}
	return nil, errors.New("neither hex nor base64: give a hello as hex, base64 or bytes")
}

// isText reports whether b is printable ASCII and white space. So is what hexdump -C
// prints.
func isText(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// DecodeHex decodes hex digits, which may have blanks, colons, commas, 0x and \x between
// them. The error is [hex.ErrLength] if nothing is wrong but that their number is odd.
func DecodeHex(text string) ([]byte, error) {
	text = strings.NewReplacer("0x", " ", "0X", " ", `\x`, " ", ":", " ", ",", " ", ";", " ", `"`, " ").Replace(text)
	return hex.DecodeString(strings.Join(strings.Fields(text), ""))
}

// decodeDump decodes what xxd, hexdump -C and Wireshark print: on each line an offset
// in hex, bytes in hex and, after two blanks or a bar, the same bytes as text. A line
// with * repeats the line before it up to the next offset.
func decodeDump(text string) ([]byte, bool) {
	var b, last []byte
	repeated := false
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, " \r\t")
		if line == "*" && last != nil {
			repeated = true
			continue
		}
		offset, digits, found := strings.Cut(strings.TrimLeft(line, " \t"), " ")
		at, err := strconv.ParseUint(strings.TrimSuffix(offset, ":"), 16, 32)
		if err == nil && repeated && at <= maxInput {
			for len(b) < int(at) {
				b = append(b, last...)
			}
			repeated = false
		}
		if err != nil || len(offset) < 4 || at != uint64(len(b)) {
			return nil, false
		}
		if !found {
			return b, len(b) > 0 && i == len(lines)-1 // hexdump ends with the length
		}
		digits, _, _ = strings.Cut(digits, "|")
		n := len(b)
		for j, group := range strings.Split(strings.TrimLeft(digits, " "), " ") {
			if group == "" && j != 8 { // hexdump has two blanks in the middle of 16 bytes
				break
			}
			data, err := hex.DecodeString(group)
			if err != nil {
				break
			}
			b = append(b, data...)
		}
		if last = b[n:len(b):len(b)]; len(last) == 0 || len(last) > 64 {
			return nil, false
		}
	}
	return b, len(b) > 0
}
