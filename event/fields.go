package event

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/jsonw"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// An Origin is where Events come from.
type Origin uint8

// The origins.
const (
	Anywhere Origin = iota
	Live            // a server
	Offline         // a capture
)

// A Field is a key of an Event's JSON form. To add one, add its row to [Fields]: JSON,
// columns and the test of docs/event.md read that table.
type Field struct {
	Key    string // as in JSON: "src_ip"
	Size   Size   // the least size of Event that has it
	Origin Origin // of the Events that can have the field

	// Columns are the columns that a table of Events has by default: the field
	// itself or, of a field with parts, some of those.
	Columns []string

	scope   scope     // the hellos that share the value
	jsonKey jsonw.Key // of Key

	// appendTo appends the field in JSON, or nothing if e does not have it.
	appendTo func(dst []byte, key jsonw.Key, e *Event) ([]byte, error)

	// text returns the value in the form for a column. It is nil for a field with
	// parts, whose value is what value returns.
	text  func(e *Event) string
	value func(e *Event) any
}

// A scope says which hellos that are in a Memo share the value that a field has in
// a compact Event. A field may be shared only if all that it depends on is in
// appendMemoKey.
type scope uint8

const (
	perHello      scope = iota // none
	perShape                   // those of one memoShape
	perCandidates              // of these, all with tells, and all without
)

// Append appends the field of e to dst, which is a JSON object without its end:
// the key and the value, with a comma before them unless they are the first. It
// appends nothing if e does not have the field. An error is that of encoding/json.
func (f *Field) Append(dst []byte, e *Event) ([]byte, error) { return f.appendTo(dst, f.jsonKey, e) }

// Text returns the field of e in the form for a column: text as it is, numbers in
// decimal, lists with commas between their values, and other values in JSON. It is
// empty if e does not have the field.
func (f *Field) Text(e *Event) string {
	if f.text != nil {
		return f.text(e)
	}
	return textAt(reflect.ValueOf(f.value(e)), nil, true)
}

// Fields are the keys of an Event, in the order of its JSON form. It must not be
// changed.
var Fields = allFields()

func allFields() []Field {
	all := slices.Concat(fieldsBefore(), fingerprintFields(), fieldsAfter())
	for i := range all {
		all[i].jsonKey = jsonw.KeyOf(all[i].Key)
	}
	return all
}

func fieldsBefore() []Field {
	return []Field{
		{
			Key:      "time",
			Columns:  []string{"time"},
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) { return appendTime(dst, key, e.Time), nil },
			text:     func(e *Event) string { return timeText(e.Time) },
		},
		offline(textField("file", Full, func(e *Event) string { return e.File })),
		{
			Key:     "packet",
			Size:    Full,
			Origin:  Offline,
			Columns: []string{"packet"},
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return appendNumber(dst, key, e.Packet), nil
			},
			text: func(e *Event) string { return numberText(e.Packet) },
		},
		{
			Key:     "transport",
			Columns: []string{"transport"},
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return key.Quoted(dst, e.Transport), nil // even if it is empty
			},
			text: func(e *Event) string { return e.Transport },
		},
		{
			Key:      "src_ip",
			Columns:  []string{"src_ip"},
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) { return appendAddr(dst, key, e.SrcIP), nil },
			text:     func(e *Event) string { return addrText(e.SrcIP) },
		},
		{
			Key:     "src_port",
			Columns: []string{"src_port"},
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return appendNumber(dst, key, int64(e.SrcPort)), nil
			},
			text: func(e *Event) string { return numberText(int64(e.SrcPort)) },
		},
		{
			Key:      "dst_ip",
			Columns:  []string{"dst_ip"},
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) { return appendAddr(dst, key, e.DstIP), nil },
			text:     func(e *Event) string { return addrText(e.DstIP) },
		},
		{
			Key:     "dst_port",
			Columns: []string{"dst_port"},
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return appendNumber(dst, key, int64(e.DstPort)), nil
			},
			text: func(e *Event) string { return numberText(int64(e.DstPort)) },
		},
		offline(textsField("via", Full, func(e *Event) []string { return e.Via })),
		{
			Key:     "hello_index",
			Columns: []string{"hello_index"},
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return appendNumber(dst, key, int64(e.HelloIndex)), nil
			},
			text: func(e *Event) string { return numberText(int64(e.HelloIndex)) },
		},
		{
			Key:     "sni",
			Columns: []string{"sni"},
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				switch {
				case e.SNI == nil: // unlike "", which is the extension without a name
					return dst, nil
				case e.serverName != nil:
					return appendClientText(dst, key, e.serverName), nil
				}
				return key.Quoted(dst, *e.SNI), nil
			},
			text: func(e *Event) string {
				if e.SNI == nil {
					return ""
				}
				return *e.SNI
			},
		},
		scoped(perShape, textsField("alpn", Compact, func(e *Event) []string { return e.ALPN })),
		scoped(perShape, textField("version", Compact, func(e *Event) string { return e.Version })),
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
		} else if !m.Ordered {
			f.scope = perShape
		}
		if m.Live {
			f.Origin, f.Columns = Live, nil
		}
		fields[i] = f
	}
	return fields
}

// fieldsAfter returns the fields after the fingerprints. Hellos in a Memo have none
// of sslv2, error and received, and share that.
func fieldsAfter() []Field {
	return []Field{
		scoped(perShape, textField("session", Compact, func(e *Event) string { return e.Session })),
		structField("carrier", Full, func(e *Event) *Carrier { return e.Carrier },
			"carrier.records", "carrier.datagrams", "carrier.segments", "carrier.bytes", "carrier.split"),
		structField("quic", Full, func(e *Event) *QUIC { return e.QUIC }),
		scoped(perShape, structField("sslv2", Compact, func(e *Event) *SSLv2 { return e.SSLv2 })),
		scoped(perCandidates, listField("client", func(e *Event) []known.Candidate { return e.Client }, (*known.Candidate).AppendJSON, "client.name")),
		listField("tells", func(e *Event) []known.Tell { return e.Tells }, (*known.Tell).AppendJSON, "tells.name"),
		{
			Key:    "claim",
			Origin: Live,
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				if e.Claim == nil {
					return dst, nil
				}
				return e.Claim.AppendJSON(key.Begin(dst)), nil
			},
			value: func(e *Event) any { return e.Claim },
		},
		scoped(perShape, textField("error", Compact, func(e *Event) string { return e.Error })),
		scoped(perShape, withoutColumns(textField("received", Compact, func(e *Event) string { return e.Received }))),
		structField("hello", Detail, func(e *Event) *parser.Field { return e.Hello }),
		{
			Key:  "raw",
			Size: Detail,
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				if len(e.Raw) == 0 {
					return dst, nil
				}
				return appendMarshaled(dst, key, e.Raw)
			},
			value: func(e *Event) any { return e.Raw },
		},
	}
}

// textField is a field that is absent if it is empty.
func textField(key string, size Size, of func(*Event) string) Field {
	return Field{
		Key:     key,
		Size:    size,
		Columns: []string{key},
		appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
			if s := of(e); s != "" {
				dst = key.Quoted(dst, s)
			}
			return dst, nil
		},
		text: of,
	}
}

// textsField is a list of texts that is absent if it is empty.
func textsField(key string, size Size, of func(*Event) []string) Field {
	return Field{
		Key:     key,
		Size:    size,
		Columns: []string{key},
		appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
			if list := of(e); len(list) > 0 {
				dst = key.Strings(dst, list)
			}
			return dst, nil
		},
		text: func(e *Event) string { return strings.Join(of(e), ",") },
	}
}

// structField is a field with parts that is absent if it is nil.
func structField[T any](key string, size Size, of func(*Event) *T, columns ...string) Field {
	return Field{
		Key:     key,
		Size:    size,
		Columns: columns,
		appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
			v := of(e)
			if v == nil {
				return dst, nil
			}
			return appendMarshaled(dst, key, v)
		},
		value: func(e *Event) any { return of(e) },
	}
}

// listField is a list of values with parts that is absent if it is empty.
func listField[T any](key string, of func(*Event) []T, appendElement func(*T, []byte) []byte, columns ...string) Field {
	return Field{
		Key:     key,
		Columns: columns,
		appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
			if list := of(e); len(list) > 0 {
				dst = jsonw.List(dst, key, list, appendElement)
			}
			return dst, nil
		},
		value: func(e *Event) any { return of(e) },
	}
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func numberText(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// offline marks a field of captures.
func offline(f Field) Field {
	f.Origin = Offline
	return f
}

// scoped sets the scope of a field.
func scoped(s scope, f Field) Field {
	f.scope = s
	return f
}

// withoutColumns has a field left out of tables unless it is asked for.
func withoutColumns(f Field) Field {
	f.Columns = nil
	return f
}
