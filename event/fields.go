package event

import (
	"encoding/base64"
	"slices"
	"strconv"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/jsonw"
	"github.com/tlspeek/tlspeek/known"
)

// An Origin is where Events come from.
type Origin uint8

// The origins.
const (
	Anywhere Origin = iota
	Live            // a server
	Offline         // a capture
)

// A Field is a key of an Event's JSON form. Its row in [Fields] is all that the
// JSON form and the test of docs/event.md need to have it.
type Field struct {
	Key    string // as in JSON: "src_ip"
	Size   Size   // the least size of Event that has it
	Origin Origin // of the Events that can have the field

	scope   scope     // the hellos that share the value
	jsonKey jsonw.Key // of Key

	// appendTo appends the field in JSON, or nothing if e does not have it.
	appendTo func(dst []byte, key jsonw.Key, e *Event) ([]byte, error)
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
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) { return appendTime(dst, key, e), nil },
		},
		{
			Key: "id",
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				if e.ID == (ID{}) {
					return dst, nil
				}
				return append(appendHex(append(key.Begin(dst), '"'), &e.ID), '"'), nil
			},
		},
		{
			Key:    "file",
			Origin: Offline,
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				switch {
				case e.File == "":
					return dst, nil
				case e.line != nil:
					return append(key.Begin(dst), e.line.file...), nil
				}
				return key.Quoted(dst, e.File), nil
			},
		},
		{
			Key:    "packet",
			Origin: Offline,
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return appendNumber(dst, key, e.Packet), nil
			},
		},
		{
			Key: "transport",
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return key.Quoted(dst, e.Transport), nil // even if it is empty
			},
		},
		{
			Key:      "src_ip",
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) { return appendAddr(dst, key, e.SrcIP), nil },
		},
		{
			Key: "src_port",
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return appendNumber(dst, key, int64(e.SrcPort)), nil
			},
		},
		{
			Key:      "dst_ip",
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) { return appendAddr(dst, key, e.DstIP), nil },
		},
		{
			Key: "dst_port",
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return appendNumber(dst, key, int64(e.DstPort)), nil
			},
		},
		offline(macField("src_mac", func(e *Event) *MAC { return &e.SrcMAC })),
		offline(macField("dst_mac", func(e *Event) *MAC { return &e.DstMAC })),
		{
			Key:    "address_verified",
			Origin: Live,
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				if e.AddressVerified != nil {
					dst = strconv.AppendBool(key.Begin(dst), *e.AddressVerified)
				}
				return dst, nil
			},
		},
		offline(textsField("via", Full, func(e *Event) []string { return e.Via })),
		{
			Key: "hello_index",
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				return appendNumber(dst, key, int64(e.HelloIndex)), nil
			},
		},
		live(textField("conn", Full, func(e *Event) string {
			if e.Conn == (ConnID{}) {
				return ""
			}
			return e.Conn.String()
		})),
		{
			Key:    "shared",
			Size:   Full,
			Origin: Live,
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				if e.Shared {
					dst = append(key.Begin(dst), "true"...)
				}
				return dst, nil
			},
		},
		textField("community_id", Full, func(e *Event) string { return e.CommunityID }),
		{
			Key: "sni",
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				switch {
				case e.SNI == nil: // unlike "", which is the extension without a name
					return dst, nil
				case e.line != nil:
					return appendClientText(dst, key, e.line.serverName), nil
				}
				return key.Quoted(dst, *e.SNI), nil
			},
		},
		scoped(perShape, textsField("alpn", Compact, func(e *Event) []string { return e.ALPN })),
		scoped(perShape, textField("version", Compact, func(e *Event) string { return e.Version })),
		textsField("cipher_suites", Full, func(e *Event) []string { return e.CipherSuites }),
		textsField("extensions", Full, func(e *Event) []string { return e.Extensions }),
		textsField("supported_groups", Full, func(e *Event) []string { return e.SupportedGroups }),
		textsField("signature_algorithms", Full, func(e *Event) []string { return e.SignatureAlgorithms }),
		textsField("supported_versions", Full, func(e *Event) []string { return e.SupportedVersions }),
		textsField("ec_point_formats", Full, func(e *Event) []string { return e.ECPointFormats }),
		textsField("key_share_groups", Full, func(e *Event) []string { return e.KeyShareGroups }),
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
		} else if !m.Ordered && !m.Live {
			f.scope = perShape
		}
		if m.Live {
			f.Origin = Live
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
		structField("carrier", Full, func(e *Event) *Carrier { return e.Carrier }),
		structField("quic", Full, func(e *Event) *QUIC { return e.QUIC }),
		scoped(perShape, structField("sslv2", Compact, func(e *Event) *SSLv2 { return e.SSLv2 })),
		live(textField("http2_wire", Full, func(e *Event) string { return e.HTTP2Wire })),
		live(textField("user_agent", Compact, func(e *Event) string { return e.UserAgent })),
		live(structField("handshake", Full, func(e *Event) *Handshake { return e.Handshake })),
		live(structField("front_ja4", Full, func(e *Event) *FrontJA4 { return e.FrontJA4 })),
		scoped(perCandidates, listField("client", func(e *Event) []known.Candidate { return e.Client }, (*known.Candidate).AppendJSON)),
		listField("tells", func(e *Event) []known.Tell { return e.Tells }, (*known.Tell).AppendJSON),
		{
			Key:    "claim",
			Origin: Live,
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				if e.Claim == nil {
					return dst, nil
				}
				return e.Claim.AppendJSON(key.Begin(dst)), nil
			},
		},
		live(textField("settled", Compact, func(e *Event) string { return e.Settled.String() })),
		live(textField("rule", Compact, func(e *Event) string { return e.Rule })),
		live(textField("action", Compact, func(e *Event) string { return e.Action })),
		live(textsField("tags", Compact, func(e *Event) []string { return e.Tags })),
		scoped(perShape, textField("error", Compact, func(e *Event) string { return e.Error })),
		scoped(perShape, textField("received", Compact, func(e *Event) string { return e.Received })),
		{
			Key:  "hello",
			Size: Detail,
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				if e.Hello != nil {
					dst = appendTree(dst, key, e.Hello)
				}
				return dst, nil
			},
		},
		{
			Key:  "raw",
			Size: Detail,
			appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
				if len(e.Raw) > 0 {
					dst = base64.StdEncoding.AppendEncode(append(key.Begin(dst), '"'), e.Raw)
					dst = append(dst, '"')
				}
				return dst, nil
			},
		},
	}
}

// textField is a field that is absent if it is empty.
func textField(key string, size Size, of func(*Event) string) Field {
	return Field{
		Key:  key,
		Size: size,
		appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
			if s := of(e); s != "" {
				dst = key.Quoted(dst, s)
			}
			return dst, nil
		},
	}
}

// macField is an address that is absent if it is zero.
func macField(key string, of func(*Event) *MAC) Field {
	return Field{
		Key: key,
		appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
			if m := of(e); *m != (MAC{}) {
				dst = append(m.appendTo(append(key.Begin(dst), '"')), '"')
			}
			return dst, nil
		},
	}
}

// textsField is a list of texts that is absent if it is empty.
func textsField(key string, size Size, of func(*Event) []string) Field {
	return Field{
		Key:  key,
		Size: size,
		appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
			if list := of(e); len(list) > 0 {
				dst = key.Strings(dst, list)
			}
			return dst, nil
		},
	}
}

// structField is a field with parts that is absent if it is nil.
func structField[T any](key string, size Size, of func(*Event) *T) Field {
	return Field{
		Key:  key,
		Size: size,
		appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
			v := of(e)
			if v == nil {
				return dst, nil
			}
			return appendMarshaled(dst, key, v)
		},
	}
}

// listField is a list of values with parts that is absent if it is empty.
func listField[T any](key string, of func(*Event) []T, appendElement func(*T, []byte) []byte) Field {
	return Field{
		Key: key,
		appendTo: func(dst []byte, key jsonw.Key, e *Event) ([]byte, error) {
			if list := of(e); len(list) > 0 {
				dst = jsonw.List(dst, key, list, appendElement)
			}
			return dst, nil
		},
	}
}

// live marks a field of servers.
func live(f Field) Field {
	f.Origin = Live
	return f
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
