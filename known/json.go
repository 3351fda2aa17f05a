package known

import (
	"encoding/json"
	"fmt"

	"github.com/tlspeek/tlspeek/parser"
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
	for *v = VerdictUnknown; *v <= VerdictInconsistent; *v++ {
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
		dst = parser.AppendQuoted(dst, b.name())
	}
	return append(dst, ']')
}

// AppendJSON appends c to dst as a JSON object, as encoding/json has it.
func (c *Claim) AppendJSON(dst []byte) []byte {
	dst = parser.AppendQuoted(append(dst, `{"verdict":`...), c.Verdict.String())
	if c.Program != "" {
		dst = parser.AppendQuoted(append(dst, `,"program":`...), c.Program)
	}
	if len(c.Reasons) > 0 {
		dst = append(dst, `,"reasons":[`...)
		for i, r := range c.Reasons {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = parser.AppendQuoted(dst, r)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
