package event

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// An Origin is where Events come from.
type Origin uint8

// The origins.
const (
	Anywhere Origin = iota
	Live            // from a server
	Offline         // from a capture
)

// A Field is a key of an Event's JSON form. Its row in [Fields] is all that JSON,
// columns and the test of docs/event.md need to have it.
type Field struct {
	Key    string
	Size   Size   // the least size of Event that has it
	Origin Origin // of the Events that can have it

	// Columns are the columns that a table of Events has by default, which are
	// the field itself or, of a field with parts, some of those.
	Columns []string

	// One of these reads the value. What value reads is written by appendTo.
	text     func(e *Event) string
	texts    func(e *Event) []string
	number   func(e *Event) int64
	value    func(e *Event) any
	appendTo func(o object, e *Event) (object, error)
}

// Append appends the field of e to dst, which is a JSON object without its end:
// the key and the value, with a comma before them unless they are the first. It
// appends nothing where e does not have the field.
func (f *Field) Append(dst []byte, e *Event) ([]byte, error) {
	switch o := object(dst); {
	case f.text != nil:
		return o.text(f.Key, f.text(e)), nil
	case f.number != nil:
		return o.number(f.Key, f.number(e)), nil
	case f.texts != nil:
		return o.texts(f.Key, f.texts(e)), nil
	default:
		return f.appendTo(o, e)
	}
}

// Text returns the field of e as a column of a table has it: text as it is,
// numbers in decimal, lists with commas between, and other values in JSON. It is
// empty where e does not have the field.
func (f *Field) Text(e *Event) string {
	switch {
	case f.text != nil:
		return f.text(e)
	case f.texts != nil:
		return strings.Join(f.texts(e), ",")
	case f.number != nil:
		if n := f.number(e); n != 0 {
			return strconv.FormatInt(n, 10)
		}
		return ""
	}
	return textAt(reflect.ValueOf(f.value(e)), nil, true)
}

// Fields are the keys of an Event, in the order of its JSON form.
var Fields = slices.Concat(fieldsBefore(), fingerprintFields(), fieldsAfter())

func fieldsBefore() []Field {
	return []Field{
		timeField("time", Compact, func(e *Event) time.Time { return e.Time }),
		offline(textField("file", Full, func(e *Event) string { return e.File })),
		offline(numberField("packet", Full, func(e *Event) int64 { return e.Packet })),
		{
			Key:     "transport",
			Columns: []string{"transport"},
			value:   func(e *Event) any { return e.Transport },
			appendTo: func(o object, e *Event) (object, error) {
				return o.quoted("transport", e.Transport), nil // even if it is empty
			},
		},
		addrField("src_ip", Compact, func(e *Event) netip.Addr { return e.SrcIP }),
		numberField("src_port", Compact, func(e *Event) int64 { return int64(e.SrcPort) }),
		addrField("dst_ip", Compact, func(e *Event) netip.Addr { return e.DstIP }),
		numberField("dst_port", Compact, func(e *Event) int64 { return int64(e.DstPort) }),
		offline(textsField("via", Full, func(e *Event) []string { return e.Via })),
		numberField("hello_index", Compact, func(e *Event) int64 { return int64(e.HelloIndex) }),
		{
			Key:     "sni",
			Columns: []string{"sni"},
			value:   func(e *Event) any { return e.SNI },
			appendTo: func(o object, e *Event) (object, error) {
				if e.SNI == nil { // "" is an extension without a name
					return o, nil
				}
				return o.quoted("sni", *e.SNI), nil
			},
		},
		textsField("alpn", Compact, func(e *Event) []string { return e.ALPN }),
		textField("version", Compact, func(e *Event) string { return e.Version }),
	}
}

// fingerprintFields returns a field for each of [fingerprint.Methods].
func fingerprintFields() []Field {
	fields := make([]Field, len(fingerprint.Methods))
	for i := range fields {
		m := &fingerprint.Methods[i]
		f := textField(m.Key, Compact, func(e *Event) string { return e.Fingerprints[i] })
		if m.Full {
			f.Size = Full
		}
		if m.Live {
			f.Origin, f.Columns = Live, nil
		}
		fields[i] = f
	}
	return fields
}

func fieldsAfter() []Field {
	return []Field{
		textField("session", Compact, func(e *Event) string { return e.Session }),
		structField("carrier", Full, func(e *Event) *Carrier { return e.Carrier },
			"carrier.records", "carrier.datagrams", "carrier.segments", "carrier.bytes", "carrier.split"),
		structField("quic", Full, func(e *Event) *QUIC { return e.QUIC }),
		structField("sslv2", Compact, func(e *Event) *SSLv2 { return e.SSLv2 }),
		{
			Key:     "client",
			Columns: []string{"client.name"},
			value:   func(e *Event) any { return e.Client },
			appendTo: func(o object, e *Event) (object, error) {
				if len(e.Client) == 0 {
					return o, nil
				}
				return e.clients.append(o.key("client"), e.Client), nil
			},
		},
		{
			Key:     "tells",
			Columns: []string{"tells.name"},
			value:   func(e *Event) any { return e.Tells },
			appendTo: func(o object, e *Event) (object, error) {
				return appendList(o, "tells", e.Tells, (*known.Tell).AppendJSON), nil
			},
		},
		{
			Key:    "claim",
			Origin: Live,
			value:  func(e *Event) any { return e.Claim },
			appendTo: func(o object, e *Event) (object, error) {
				if e.Claim == nil {
					return o, nil
				}
				return e.Claim.AppendJSON(o.key("claim")), nil
			},
		},
		textField("error", Compact, func(e *Event) string { return e.Error }),
		{Key: "received", text: func(e *Event) string { return e.Received }},
		structField("hello", Detail, func(e *Event) *parser.Field { return e.Hello }),
		{
			Key:   "raw",
			Size:  Detail,
			value: func(e *Event) any { return e.Raw },
			appendTo: func(o object, e *Event) (object, error) {
				if len(e.Raw) == 0 {
					return o, nil
				}
				return o.json("raw", e.Raw)
			},
		},
	}
}

func textField(key string, size Size, text func(*Event) string) Field {
	return Field{Key: key, Size: size, Columns: []string{key}, text: text}
}

func textsField(key string, size Size, texts func(*Event) []string) Field {
	return Field{Key: key, Size: size, Columns: []string{key}, texts: texts}
}

// numberField is a field that is absent if it is 0.
func numberField(key string, size Size, number func(*Event) int64) Field {
	return Field{Key: key, Size: size, Columns: []string{key}, number: number}
}

func timeField(key string, size Size, of func(*Event) time.Time) Field {
	return Field{
		Key:     key,
		Size:    size,
		Columns: []string{key},
		value:   func(e *Event) any { return of(e) },
		appendTo: func(o object, e *Event) (object, error) {
			return o.time(key, of(e)), nil
		},
	}
}

func addrField(key string, size Size, of func(*Event) netip.Addr) Field {
	return Field{
		Key:     key,
		Size:    size,
		Columns: []string{key},
		value:   func(e *Event) any { return of(e) },
		appendTo: func(o object, e *Event) (object, error) {
			return o.addr(key, of(e)), nil
		},
	}
}

// structField is a field that encoding/json writes, unless it is nil.
func structField[T any](key string, size Size, of func(*Event) *T, columns ...string) Field {
	return Field{
		Key:     key,
		Size:    size,
		Columns: columns,
		value:   func(e *Event) any { return of(e) },
		appendTo: func(o object, e *Event) (object, error) {
			v := of(e)
			if v == nil {
				return o, nil
			}
			return o.json(key, v)
		},
	}
}

// offline marks a field of captures.
func offline(f Field) Field {
	f.Origin = Offline
	return f
}
