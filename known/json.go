package known

import (
	"encoding/json"
	"fmt"
)

// MarshalText returns the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *Kind) UnmarshalText(b []byte) error {
	*k = ParseKind(string(b))
	return nil
}

// MarshalText returns the verdict's name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a verdict's name.
func (v *Verdict) UnmarshalText(b []byte) error {
	for *v = Unknown; *v <= Inconsistent; *v++ {
		if v.String() == string(b) {
			return nil
		}
	}
	return fmt.Errorf("verdict %q is none of unknown, consistent, inconsistent", b)
}

// MarshalJSON returns the names of the fields as an array.
func (f Fields) MarshalJSON() ([]byte, error) { return f.appendJSON(nil), nil }

// UnmarshalJSON reads an array of names; it passes over one that is no field's.
func (f *Fields) UnmarshalJSON(b []byte) error {
	var names []string
	if err := json.Unmarshal(b, &names); err != nil {
		return fmt.Errorf("reading fields: %w", err)
	}
	*f = 0
	for _, name := range names {
		for b := FieldCipherSuites; b < fieldEnd; b <<= 1 {
			if b.name() == name {
				*f |= b
			}
		}
	}
	return nil
}

func (f Fields) appendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for b := FieldCipherSuites; b < fieldEnd; b <<= 1 {
		if f&b == 0 {
			continue
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = appendJSONText(dst, b.name())
	}
	return append(dst, ']')
}

// AppendJSON appends c to dst as a JSON object, as encoding/json has it.
func (c *Claim) AppendJSON(dst []byte) []byte {
	dst = appendJSONText(append(dst, `{"verdict":`...), c.Verdict.String())
	if c.Says != "" {
		dst = appendJSONText(append(dst, `,"says":`...), c.Says)
	}
	if len(c.Reasons) > 0 {
		dst = append(dst, `,"reasons":[`...)
		for i, r := range c.Reasons {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONText(dst, r)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendJSONText appends s as a JSON string. What a client chose was escaped
// before, with parser.AppendText, so s is valid UTF-8.
func appendJSONText(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
