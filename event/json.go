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
	return e.appendFields(append(dst, '{'), Fields)
}

// appendFields appends some of the fields, and the end of the object.
func (e *Event) appendFields(dst []byte, fields []Field) ([]byte, error) {
	var err error
	for i := range fields {
		if dst, err = fields[i].Append(dst, e); err != nil {
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

// An object is a JSON object that is being written, still without its end.
type object []byte

func (o object) key(k string) object {
	if o[len(o)-1] != '{' {
		o = append(o, ',')
	}
	o = append(append(o, '"'), k...)
	return append(o, `":`...)
}

func (o object) text(k, v string) object {
	if v == "" {
		return o
	}
	return o.quoted(k, v)
}

// quoted appends text that may be empty.
func (o object) quoted(k, v string) object { return parser.AppendQuoted(o.key(k), v) }

func (o object) texts(k string, v []string) object {
	if len(v) == 0 {
		return o
	}
	o = append(o.key(k), '[')
	for i, s := range v {
		if i > 0 {
			o = append(o, ',')
		}
		o = parser.AppendQuoted(o, s)
	}
	return append(o, ']')
}

// appendList appends a list, unless it is empty, each value by f.
func appendList[T any](o object, k string, list []T, f func(*T, []byte) []byte) object {
	if len(list) == 0 {
		return o
	}
	o = append(o.key(k), '[')
	for i := range list {
		if i > 0 {
			o = append(o, ',')
		}
		o = f(&list[i], o)
	}
	return append(o, ']')
}

// peers appends what carried the hello, and from where to where.
func (o object) peers(transport string, src, dst netip.AddrPort) object {
	o = append(o.key("transport"), '"')
	o = append(append(o, transport...), '"')
	o = o.addr("src_ip", src.Addr())
	o = o.number("src_port", int64(src.Port()))
	o = o.addr("dst_ip", dst.Addr())
	return o.number("dst_port", int64(dst.Port()))
}

func (o object) number(k string, v int64) object {
	if v == 0 {
		return o
	}
	return strconv.AppendInt(o.key(k), v, 10)
}

func (o object) addr(k string, a netip.Addr) object {
	if !a.IsValid() {
		return o
	}
	o = append(o.key(k), '"')
	return append(a.AppendTo(o), '"')
}

func (o object) time(k string, t time.Time) object {
	if t.IsZero() {
		return o
	}
	o = append(o.key(k), '"')
	return append(t.AppendFormat(o, time.RFC3339Nano), '"')
}

// serverName appends the text of a server's name.
func (o object) serverName(name []byte) object {
	o = append(o.key("sni"), '"')
	start := len(o)
	o = parser.AppendText(o, name)
	if text := o[start:]; bytes.IndexByte(text, '"') >= 0 || bytes.IndexByte(text, '\\') >= 0 {
		return parser.AppendQuoted(o[:start-1], string(text))
	}
	return append(o, '"')
}

// A clock writes times as [time.RFC3339Nano] does. It remembers the second.
type clock struct {
	second int64 // since 1970
	text   []byte
}

// append appends the text of t, which is in UTC.
func (c *clock) append(dst []byte, t time.Time) []byte {
	if second := t.Unix(); second != c.second || c.text == nil {
		c.second, c.text = second, t.AppendFormat(c.text[:0], "2006-01-02T15:04:05")
	}
	dst = append(dst, c.text...)
	if n := t.Nanosecond(); n != 0 {
		digits := [10]byte{'.'}
		last := 0
		for i := 9; i > 0; i-- {
			digit := byte(n % 10)
			digits[i], n = '0'+digit, n/10
			if digit != 0 && last == 0 {
				last = i
			}
		}
		dst = append(dst, digits[:last+1]...)
	}
	return append(dst, 'Z')
}

// json appends what is rare enough to be left to encoding/json.
func (o object) json(k string, v any) (object, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return o, err
	}
	return append(o.key(k), b...), nil
}
