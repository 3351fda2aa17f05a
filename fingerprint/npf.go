package fingerprint

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/internal/grease"
	"github.com/tlspeek/tlspeek/internal/varint"
	"github.com/tlspeek/tlspeek/parser"
)

// methodNPF is the format with all extensions sorted, which has a form for each
// transport.
var methodNPF = Method{
	Key:     "npf",
	Title:   "NPF",
	Summary: "Cisco's network protocol fingerprinting",
	About:   "Cisco (doc/npf.md of github.com/cisco/mercury): version, cipher suites and all extensions, sorted, some with their bodies.",
	Full:    true,
	Append: func(dst []byte, in *Input) []byte {
		if in.QUIC != nil {
			return AppendNPFQUIC(dst, in.Hello, in.QUIC.Version)
		}
		return AppendNPF1(dst, in.Hello)
	},
	Variants: []Variant{
		{Form: "npf", Append: ofHello(AppendNPF)},
		{Form: "npf", Append: ofHello(AppendNPF2)},
		{Form: "npf", Append: func(dst []byte, in *Input) []byte {
			if in.QUIC == nil {
				return dst
			}
			return AppendNPFQUIC1(dst, in.Hello, in.QUIC.Version)
		}},
	},
}

// NPF returns the fingerprint of h in Cisco's Network Protocol Fingerprinting,
// format "tls" or "dtls", which has all extensions in wire order:
// "tls/(0303)(13021303)((0000)(000a000400020017))".
//
// It follows doc/npf.md of github.com/cisco/mercury, with two differences that
// are also those of mercury's code: the version is the hello's legacy_version,
// not the record's, and sorted extensions have GREASE in its place by number,
// which is after 003e, not first as in that document's example. A QUIC hello
// has [NPFQUIC] and [NPFQUIC1] instead: NPF returns the empty string.
func NPF(h *parser.ClientHello) string { return string(AppendNPF(nil, h)) }

// AppendNPF appends what [NPF] returns.
func AppendNPF(dst []byte, h *parser.ClientHello) []byte {
	return appendNPF(dst, h, "/", npfWireOrder)
}

// NPF1 returns the fingerprint of h in format "tls/1" or "dtls/1", which has
// all extensions sorted.
func NPF1(h *parser.ClientHello) string { return string(AppendNPF1(nil, h)) }

// AppendNPF1 appends what [NPF1] returns.
func AppendNPF1(dst []byte, h *parser.ClientHello) []byte {
	return appendNPF(dst, h, "/1/", npfSorted)
}

// NPF2 returns the fingerprint of h in format "tls/2" or "dtls/2", which has a
// selection of the extensions, sorted: those that come and go with a session
// are left out, and those that are not registered are written as one number.
//
// Mercury's code writes at most three extensions of one number, which its document
// does not mention. NPF2 writes all of them.
func NPF2(h *parser.ClientHello) string { return string(AppendNPF2(nil, h)) }

// AppendNPF2 appends what [NPF2] returns.
func AppendNPF2(dst []byte, h *parser.ClientHello) []byte {
	return appendNPF(dst, h, "/2/", npfSelected)
}

// NPFQUIC returns the fingerprint, in format "quic", of a hello that came in
// QUIC packets of the given version. Its extensions are those of "tls/1", with
// the IDs of the transport parameters.
func NPFQUIC(h *parser.ClientHello, version uint32) string {
	return string(AppendNPFQUIC(nil, h, version))
}

// AppendNPFQUIC appends what [NPFQUIC] returns.
func AppendNPFQUIC(dst []byte, h *parser.ClientHello, version uint32) []byte {
	return appendNPFQUIC(dst, h, "quic/(", version, npfSorted)
}

// NPFQUIC1 returns the fingerprint of h in format "quic/1". Its extensions are
// those of "tls/2", with the ids of the transport parameters.
func NPFQUIC1(h *parser.ClientHello, version uint32) string {
	return string(AppendNPFQUIC1(nil, h, version))
}

// AppendNPFQUIC1 appends what [NPFQUIC1] returns.
func AppendNPFQUIC1(dst []byte, h *parser.ClientHello, version uint32) []byte {
	return appendNPFQUIC(dst, h, "quic/1/(", version, npfSelected)
}

// NPFHash returns the hash form of an NPF fingerprint: its prefix, and the
// first 32 hex digits of the SHA-256 of the rest, which begins with the first
// parenthesis.
func NPFHash(npf string) string {
	i := strings.IndexByte(npf, '(')
	if i < 0 {
		return npf
	}
	return string(replaceBySHA256([]byte(npf), i, 32))
}

type npfFormat uint8

const (
	npfWireOrder npfFormat = iota
	npfSorted
	npfSelected
)

func appendNPF(dst []byte, h *parser.ClientHello, rule string, f npfFormat) []byte {
	if h.SSLv2 || h.Transport == parser.QUIC {
		return dst
	}
	dst = append(append(dst, h.Transport.String()...), rule...)
	return appendNPFHello(dst, h, f)
}

func appendNPFQUIC(dst []byte, h *parser.ClientHello, prefix string, version uint32, f npfFormat) []byte {
	if h.SSLv2 || h.Transport != parser.QUIC {
		return dst
	}
	dst = append(dst, prefix...)
	dst = appendHex(dst, uint16(version>>16))
	dst = append(appendHex(dst, uint16(version)), ')')
	return appendNPFHello(dst, h, f)
}

// appendNPFHello appends what all formats have: version, cipher suites and
// extensions.
func appendNPFHello(dst []byte, h *parser.ClientHello, f npfFormat) []byte {
	dst = appendHex(append(dst, '('), uint16(h.LegacyVersion))
	dst = append(dst, ")("...)
	for _, s := range h.CipherSuites {
		dst = appendHex(dst, grease.Normalize(s))
	}
	dst = append(dst, ')')
	if f == npfWireOrder {
		dst = append(dst, '(')
		for i := range h.Extensions {
			e := &h.Extensions[i]
			dst = appendNPFElement(dst, npfElement{grease.Normalize(e.Type), e.Data}, false)
		}
		return append(dst, ')')
	}

	var scratch [48]uint32
	keys := scratch[:0] // each a type, and the index of the extension
	for i := range h.Extensions {
		typ := grease.Normalize(h.Extensions[i].Type)
		if f == npfSelected {
			var selected bool
			if typ, selected = npfSelect(typ); !selected {
				continue
			}
		}
		keys = append(keys, uint32(typ)<<16|uint32(i))
	}
	slices.Sort(keys)
	quic := h.Transport == parser.QUIC
	element := func(key uint32) npfElement { return npfElement{uint16(key >> 16), h.Extensions[uint16(key)].Data} }
	dst = append(dst, '[')
	for len(keys) > 0 {
		n := 1 // extensions of this type
		for n < len(keys) && keys[n]>>16 == keys[0]>>16 {
			n++
		}
		if n > 1 {
			slices.SortStableFunc(keys[:n], func(a, b uint32) int { return element(a).compare(element(b), quic) })
		}
		for _, key := range keys[:n] {
			dst = appendNPFElement(dst, element(key), quic)
		}
		keys = keys[n:]
	}
	return append(dst, ']')
}

// An npfElement is an extension under the number by which NPF writes it.
type npfElement struct {
	typ  uint16
	data []byte
}

// compare orders by the text that is written of e and o.
func (e npfElement) compare(o npfElement, quic bool) int {
	if e.typ != o.typ {
		return int(e.typ) - int(o.typ)
	}
	if !npfFixed(e.typ) && !e.hasParameters() {
		return 0 // nothing but the type is written
	}
	return bytes.Compare(appendNPFElement(nil, e, quic), appendNPFElement(nil, o, quic))
}

// hasParameters reports whether e has the transport parameters of QUIC.
func (e npfElement) hasParameters() bool {
	return e.typ == uint16(parser.ExtQUICTransportParameters) || e.typ == uint16(parser.ExtQUICTransportParametersDraft)
}

// appendNPFElement appends one extension: whole, as its type alone, or, in
// QUIC, as its type and the ids of its transport parameters.
func appendNPFElement(dst []byte, e npfElement, quic bool) []byte {
	if quic && e.hasParameters() {
		dst = append(appendHex(append(dst, "(("...), e.typ), ')')
		return append(appendParameterIDs(dst, e.data), ')')
	}
	dst = appendHex(append(dst, '('), e.typ)
	if npfFixed(e.typ) {
		dst = appendHex(dst, uint16(len(e.data)))
		prefix := len(e.data) // how much of it has no GREASE
		switch parser.ExtensionType(e.typ) {
		case parser.ExtSupportedGroups:
			prefix = min(2, prefix)
		case parser.ExtSupportedVersions:
			prefix = min(1, prefix)
		}
		dst = hex.AppendEncode(dst, e.data[:prefix])
		rest := e.data[prefix:]
		for ; len(rest) >= 2; rest = rest[2:] {
			dst = appendHex(dst, grease.Normalize(binary.BigEndian.Uint16(rest)))
		}
		dst = hex.AppendEncode(dst, rest)
	}
	return append(dst, ')')
}

// reservedID is how NPF writes the ids that RFC 9000, section 18.1, reserves.
var reservedID = []byte{grease.TransportParameter}

// appendParameterIDs appends the ids in the body of quic_transport_parameters,
// each with the bytes it was sent in, sorted. It ends where the body is malformed.
func appendParameterIDs(dst, body []byte) []byte {
	var scratch [32][]byte
	ids := scratch[:0]
	for len(body) > 0 {
		id, n := varint.Parse(body)
		length, m := varint.Parse(body[n:])
		if n == 0 || m == 0 || length > uint64(len(body)-n-m) {
			break
		}
		if parser.IsGREASETransportParameter(id) {
			ids = append(ids, reservedID)
		} else {
			ids = append(ids, body[:n])
		}
		body = body[n+m+int(length):]
	}
	slices.SortFunc(ids, bytes.Compare)
	dst = append(dst, '[')
	for _, id := range ids {
		dst = append(hex.AppendEncode(append(dst, '('), id), ')')
	}
	return append(dst, ']')
}

// npfFixed reports whether a type is in the set TLS_EXT_FIXED: its extension
// is written with its body.
func npfFixed(t uint16) bool {
	switch t {
	case 0x0001, 0x0005, 0x0007, 0x0008, 0x0009, 0x000a, 0x000b, 0x000d, 0x000f, 0x0010, 0x0011,
		0x0018, 0x001b, 0x001c, 0x002b, 0x002d, 0x0032, 0x5500:
		return true
	}
	return false
}

// npfSelect returns the number under which format 2 writes a type, and whether
// it writes it at all. The first three cases are the set TLS_EXT_INCLUDE.
func npfSelect(t uint16) (uint16, bool) {
	switch {
	case t == 0x15, t == 0x23, t == 0x29, t == 0x2a:
		return 0, false // padding, session_ticket, pre_shared_key, early_data
	case t <= 0x3e:
		return t, true
	case t == 0x0a0a, t == 0x3374, t == 0x5500, t == 0x754f, t == 0x7550, t == 0xfd00, t == 0xfe0d,
		t == 0xff00, t == 0xff01, t == 0xff03, t == 0xffa5, t == 0xffce:
		return t, true
	case t >= 0xff00:
		return 0xff00, true // Reserved for Private Use
	}
	return 0x3e, true // Unassigned
}
