package event

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/tlspeek/tlspeek/internal/jsonw"
	"github.com/tlspeek/tlspeek/parser"
)

// AppendJSON appends e to dst as one JSON object, without a newline. An error is that
// of encoding/json; no Event of an Observer causes one.
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

// UnmarshalJSON sets e to the Event that AppendJSON wrote, except the names that
// [parser.Field.UnmarshalJSON] cannot read back. It ignores unknown keys.
func (e *Event) UnmarshalJSON(b []byte) error {
	type plain Event // without methods
	*e = Event{}
	if err := json.Unmarshal(b, (*plain)(e)); err != nil {
		return err
	}
	return e.Fingerprints.UnmarshalJSON(b)
}

// appendClientText appends a member with the text of bytes that the client chose.
func appendClientText(dst []byte, key jsonw.Key, b []byte) []byte {
	dst = append(key.Begin(dst), '"')
	start := len(dst)
	dst = parser.AppendText(dst, b)
	if text := dst[start:]; bytes.IndexByte(text, '"') >= 0 || bytes.IndexByte(text, '\\') >= 0 {
		return jsonw.AppendString(dst[:start-1], string(text))
	}
	return append(dst, '"')
}

// appendTime appends a member unless the time is zero.
func appendTime(dst []byte, key jsonw.Key, e *Event) []byte {
	if e.Time.IsZero() {
		return dst
	}
	dst = append(key.Begin(dst), '"')
	if e.line != nil {
		dst = e.line.appendTime(dst, e.Time)
	} else {
		dst = e.Time.AppendFormat(dst, time.RFC3339Nano)
	}
	return append(dst, '"')
}

// appendAddr appends a member unless the address is not valid.
func appendAddr(dst []byte, key jsonw.Key, a netip.Addr) []byte {
	if !a.IsValid() {
		return dst
	}
	return append(a.AppendTo(append(key.Begin(dst), '"')), '"')
}

// appendNumber appends a member unless the number is 0.
func appendNumber(dst []byte, key jsonw.Key, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(key.Begin(dst), n, 10)
}

// appendMarshaled appends a member that is rare enough to be left to encoding/json.
func appendMarshaled(dst []byte, key jsonw.Key, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, err
	}
	return append(key.Begin(dst), b...), nil
}

// appendTree appends a member with the tree of a hello. encoding/json would read all
// of the tree again.
func appendTree(dst []byte, key jsonw.Key, f *parser.Field) []byte {
	dst = key.Begin(dst)
	start := len(dst)
	return escapeHTML(f.AppendJSON(dst), start)
}

// escapeHTML escapes in the JSON in dst[start:] what encoding/json escapes in texts:
// <, >, &, and the line separators of Unicode. Few hellos have any of them.
func escapeHTML(dst []byte, start int) []byte {
	const separators = "\xe2\x80" // U+2028 and U+2029 begin with these bytes
	text := dst[start:]
	if bytes.IndexByte(text, '<') < 0 && bytes.IndexByte(text, '>') < 0 && bytes.IndexByte(text, '&') < 0 &&
		!bytes.Contains(text, []byte(separators)) {
		return dst
	}
	var escaped bytes.Buffer
	json.HTMLEscape(&escaped, text)
	return append(dst[:start], escaped.Bytes()...)
}
