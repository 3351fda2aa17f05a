package event

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/tlspeek/tlspeek/parser"
)

// AppendJSON appends e to dst as one JSON object, without a newline.
func (e *Event) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i := range Fields {
		if dst, err = Fields[i].Append(dst, e); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// MarshalJSON returns e as AppendJSON writes it.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// UnmarshalJSON sets e to the Event that AppendJSON wrote. It ignores keys that
// no Event has.
func (e *Event) UnmarshalJSON(b []byte) error {
	type plain Event // without methods
	*e = Event{}
	if err := json.Unmarshal(b, (*plain)(e)); err != nil {
		return err
	}
	return e.Fingerprints.UnmarshalJSON(b)
}

// A member is a key of a JSON object as it stands between two values: `,"key":`.
type member string

func memberOf(key string) member { return member(`,"` + key + `":`) }

// begin appends m to dst, which is an object without its end.
func (m member) begin(dst []byte) []byte {
	if dst[len(dst)-1] == '{' {
		m = m[1:]
	}
	return append(dst, m...)
}

func (m member) quoted(dst []byte, s string) []byte { return parser.AppendQuoted(m.begin(dst), s) }

// clientText appends the text of bytes that the client chose.
func (m member) clientText(dst, b []byte) []byte {
	dst = append(m.begin(dst), '"')
	start := len(dst)
	dst = parser.AppendText(dst, b)
	if text := dst[start:]; bytes.IndexByte(text, '"') >= 0 || bytes.IndexByte(text, '\\') >= 0 {
		return parser.AppendQuoted(dst[:start-1], string(text))
	}
	return append(dst, '"')
}

// time appends a time unless it is zero.
func (m member) time(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return append(t.AppendFormat(append(m.begin(dst), '"'), time.RFC3339Nano), '"')
}

// addr appends an address unless it is not valid.
func (m member) addr(dst []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return dst
	}
	return append(a.AppendTo(append(m.begin(dst), '"')), '"')
}

// number appends a number unless it is 0.
func (m member) number(dst []byte, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(m.begin(dst), n, 10)
}

// marshaled appends what is rare enough to be left to encoding/json.
func (m member) marshaled(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, err
	}
	return append(m.begin(dst), b...), nil
}

// appendList appends a list, unless it is empty.
func appendList[T any](dst []byte, m member, list []T, appendValue func(*T, []byte) []byte) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(m.begin(dst), '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(&list[i], dst)
	}
	return append(dst, ']')
}
