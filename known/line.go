package known

import (
	"bytes"
	"unicode/utf8"
)

// readPlain reads a line of a clients file that is as [Entry.AppendLine] writes it
// for texts without escapes: an object of strings and booleans with known keys. It
// reports whether the line is such a one. If it is not, e is undefined, and
// encoding/json must read the line, which takes several times as long.
func (e *Entry) readPlain(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte{'{'})
	for ok {
		var key, text []byte
		if key, rest, ok = cutString(skipBlanks(rest)); !ok {
			return false
		}
		if rest, ok = bytes.CutPrefix(skipBlanks(rest), []byte{':'}); !ok {
			return false
		}
		rest = skipBlanks(rest)
		if flag := e.flag(key); flag != nil {
			if rest, ok = cutBool(rest, flag); !ok {
				return false
			}
		} else {
			if text, rest, ok = cutString(rest); !ok || !e.set(key, text) {
				return false
			}
		}
		rest = skipBlanks(rest)
		if len(rest) == 1 && rest[0] == '}' {
			return true
		}
		rest, ok = bytes.CutPrefix(rest, []byte{','})
	}
	return false
}

// flag returns the boolean of a key, or nil.
func (e *Entry) flag(key []byte) *bool {
	switch string(key) {
	case "permutes":
		return &e.Permutes
	case "scanner":
		return &e.Scanner
	case "learned":
		return &e.Learned
	}
	return nil
}

// set sets the text of a key. It reports whether there is one.
func (e *Entry) set(key, text []byte) bool {
	var s *string
	switch string(key) {
	case "kind":
		return e.Kind.UnmarshalText(text) == nil
	case "name":
		s = &e.Name
	case "version":
		s = &e.Version
	case "family":
		s = &e.Family
	case "library":
		s = &e.Library
	case "transport":
		s = &e.Transport
	case "flags":
		s = &e.Flags
	case "http2":
		s = &e.HTTP2
	case "source":
		s = &e.Source
	case "date":
		s = &e.Date
	case "os":
		s = &e.OS
	case "grade":
		s = &e.Grade
	case "evidence":
		s = &e.Evidence
	case "doubt":
		s = &e.Doubt
	case "signature":
		s = &e.Signature
	case "ja3":
		s = &e.JA3
	case "ja4":
		s = &e.JA4
	case "npf":
		s = &e.NPF
	case "hello":
		s = &e.Hello
	default:
		return false
	}
	*s = string(text)
	return true
}

func skipBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// cutString cuts a JSON string without escapes off b.
func cutString(b []byte) (text, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	b = b[1:]
	n := bytes.IndexByte(b, '"')
	if n < 0 {
		return nil, nil, false
	}
	ascii := true
	for _, c := range b[:n] {
		if c < ' ' || c == '\\' {
			return nil, nil, false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return b[:n], b[n+1:], ascii || utf8.Valid(b[:n])
}

// cutBool cuts a JSON boolean off b and stores it.
func cutBool(b []byte, flag *bool) (rest []byte, ok bool) {
	if rest, ok = bytes.CutPrefix(b, []byte("true")); ok {
		*flag = true
		return rest, true
	}
	if rest, ok = bytes.CutPrefix(b, []byte("false")); ok {
		*flag = false
	}
	return rest, ok
}
