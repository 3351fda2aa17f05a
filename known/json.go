package known

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tlspeek/tlspeek/internal/jsonw"
)

// MarshalText returns the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name. An unknown one is read as KindOther.
func (k *Kind) UnmarshalText(b []byte) error {
	*k = ParseKind(string(b))
	return nil
}

// MarshalText returns the verdict's name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a verdict's name. Any other text is an error.
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

// UnmarshalJSON reads an array of names, and ignores those of no field.
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
		if f&b != 0 {
			dst = jsonw.AppendString(jsonw.Comma(dst), b.name())
		}
	}
	return append(dst, ']')
}

// The keys of the JSON of a Candidate, a Tell and a Claim.
const (
	keyName     jsonw.Key = `,"name":`
	keyVersion  jsonw.Key = `,"version":`
	keyFamily   jsonw.Key = `,"family":`
	keyLibrary  jsonw.Key = `,"library":`
	keyKind     jsonw.Key = `,"kind":`
	keyLearned  jsonw.Key = `,"learned":`
	keyDistance jsonw.Key = `,"distance":`
	keyDiffers  jsonw.Key = `,"differs":`
	keyField    jsonw.Key = `,"field":`
	keyOffset   jsonw.Key = `,"offset":`
	keyFound    jsonw.Key = `,"found":`
	keyExpected jsonw.Key = `,"expected":`
	keyVerdict  jsonw.Key = `,"verdict":`
	keyProgram  jsonw.Key = `,"program":`
	keyNovel    jsonw.Key = `,"novel":`
	keyLead     jsonw.Key = `,"lead":`
	keyReasons  jsonw.Key = `,"reasons":`
	keyProxy    jsonw.Key = `,"proxy":`
	keyRecorded jsonw.Key = `,"recorded":`
)

// AppendJSON appends c to dst as the JSON object that encoding/json would write.
func (c *Candidate) AppendJSON(dst []byte) []byte {
	dst = jsonw.AppendString(keyName.Begin(append(dst, '{')), c.Name)
	if c.Version != "" {
		dst = jsonw.AppendString(append(dst, keyVersion...), c.Version)
	}
	dst = jsonw.AppendString(append(dst, keyFamily...), c.Family)
	if c.Library != "" {
		dst = jsonw.AppendString(append(dst, keyLibrary...), c.Library)
	}
	dst = jsonw.AppendString(append(dst, keyKind...), c.Kind.String())
	if c.Learned {
		dst = append(append(dst, keyLearned...), "true"...)
	}
	dst = strconv.AppendUint(append(dst, keyDistance...), uint64(c.Distance), 10)
	if c.Differs != 0 {
		dst = c.Differs.appendJSON(append(dst, keyDiffers...))
	}
	if c.Recorded {
		dst = append(append(dst, keyRecorded...), "true"...)
	}
	return append(dst, '}')
}

// AppendJSON appends t to dst as the JSON object that encoding/json would write.
func (t *Tell) AppendJSON(dst []byte) []byte {
	dst = jsonw.AppendString(keyName.Begin(append(dst, '{')), t.Name)
	dst = jsonw.AppendString(append(dst, keyField...), t.Field)
	if t.Offset != 0 {
		dst = strconv.AppendInt(append(dst, keyOffset...), int64(t.Offset), 10)
	}
	dst = jsonw.AppendString(append(dst, keyFound...), t.Found)
	dst = jsonw.AppendString(append(dst, keyExpected...), t.Expected)
	if t.Novel {
		dst = append(append(dst, keyNovel...), "true"...)
	}
	if t.Lead {
		dst = append(append(dst, keyLead...), "true"...)
	}
	return append(dst, '}')
}

// AppendJSON appends c to dst as the JSON object that encoding/json would write.
func (c *Claim) AppendJSON(dst []byte) []byte {
	dst = jsonw.AppendString(keyVerdict.Begin(append(dst, '{')), c.Verdict.String())
	if c.Program != "" {
		dst = jsonw.AppendString(append(dst, keyProgram...), c.Program)
	}
	if len(c.Reasons) > 0 {
		dst = keyReasons.Strings(dst, c.Reasons)
	}
	if c.Proxy != "" {
		dst = jsonw.AppendString(append(dst, keyProxy...), c.Proxy)
	}
	return append(dst, '}')
}
