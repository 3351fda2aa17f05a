// Package jsonw writes JSON in append style. It allocates nothing but what append
// does.
//
// The methods of [Key] append a member of an object. The caller writes the braces.
// Whether a comma must come first follows from the last byte of dst: none comes
// after the brace or bracket that begins an object or a list.
package jsonw

// A Key is a key of an object in the form in which it stands between two members:
// `,"name":`. Where it is a constant and never the first of its object, appending
// it as it is is faster than [Key.Begin].
type Key string

// KeyOf returns the Key of a name, which must need no escape.
func KeyOf(name string) Key { return Key(`,"` + name + `":`) }

// Begin appends the key. Its value must follow.
func (k Key) Begin(dst []byte) []byte {
	if dst[len(dst)-1] == '{' {
		k = k[1:]
	}
	return append(dst, k...)
}

// Quoted appends a member that is a string, in the form of [AppendString].
func (k Key) Quoted(dst []byte, s string) []byte { return AppendString(k.Begin(dst), s) }

// Strings appends a member that is a list of strings.
func (k Key) Strings(dst []byte, list []string) []byte {
	return List(dst, k, list, func(s *string, dst []byte) []byte { return AppendString(dst, *s) })
}

// List appends a member that is a list of what appendElement appends.
func List[T any](dst []byte, k Key, list []T, appendElement func(*T, []byte) []byte) []byte {
	dst = append(k.Begin(dst), '[')
	for i := range list {
		dst = appendElement(&list[i], Comma(dst))
	}
	return append(dst, ']')
}

// Comma appends a comma before an element of a list, unless it is the first.
func Comma(dst []byte) []byte {
	if dst[len(dst)-1] == '[' {
		return dst
	}
	return append(dst, ',')
}

// AppendString appends s as a JSON string to dst. It escapes only what JSON
// requires. s must be valid UTF-8.
func AppendString(dst []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	for {
		n := plainPrefix(s)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		if c := s[n]; c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		} else {
			dst = append(dst, '\\', c)
		}
		s = s[n+1:]
	}
}

// plainPrefix returns how many bytes at the start of s need no escape in JSON.
// It tests eight at a time, in one word: the high bit of each byte of the sum
// marks a byte that needs one.
func plainPrefix(s string) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for last := len(s) - 8; last >= 0; i += 8 {
		i = min(i, last)
		b := s[i : i+8]
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, backslash := w^ones*'"', w^ones*'\\'
		if ((w-ones*' ')&^w|(quote-ones)&^quote|(backslash-ones)&^backslash)&high != 0 {
			break
		}
		if i == last {
			return len(s)
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}
