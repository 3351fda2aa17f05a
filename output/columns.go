package output

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
)

// Columns are all columns. Those of fingerprints follow from [fingerprint.Methods], and
// those of the parts of a client from clientParts.
var Columns = slices.Concat(columnsBefore, fingerprintColumns(), columnsAfter, clientColumns(), columnsLast)

var columnsBefore = []Column{
	{"time", event.Compact, inAll, func(dst []byte, e *event.Event) []byte {
		if e.Time.IsZero() {
			return dst
		}
		return e.Time.AppendFormat(dst, time.RFC3339Nano)
	}},
	{"id", event.Compact, inNone, func(dst []byte, e *event.Event) []byte {
		if e.ID == (event.ID{}) {
			return dst
		}
		return hex.AppendEncode(dst, e.ID[:])
	}},
	{"file", event.Compact, inFull, func(dst []byte, e *event.Event) []byte { return append(dst, e.File...) }},
	{"packet", event.Compact, inFull, func(dst []byte, e *event.Event) []byte { return appendPositive(dst, e.Packet) }},
	{"transport", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return append(dst, e.Transport...) }},
	{"src_ip", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return e.SrcIP.AppendTo(dst) }},
	{"src_port", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return appendPositive(dst, int64(e.SrcPort)) }},
	{"dst_ip", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return e.DstIP.AppendTo(dst) }},
	{"dst_port", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return appendPositive(dst, int64(e.DstPort)) }},
	{"src_mac", event.Compact, inFull, func(dst []byte, e *event.Event) []byte { dst, _ = e.SrcMAC.AppendText(dst); return dst }},
	{"dst_mac", event.Compact, inFull, func(dst []byte, e *event.Event) []byte { dst, _ = e.DstMAC.AppendText(dst); return dst }},
	{"address_verified", event.Compact, inNone, func(dst []byte, e *event.Event) []byte {
		if e.AddressVerified == nil {
			return dst
		}
		return strconv.AppendBool(dst, *e.AddressVerified)
	}},
	{"via", event.Full, inFull, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.Via) }},
	{"hello_index", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return appendPositive(dst, int64(e.HelloIndex)) }},
	{"conn", event.Full, inNone, func(dst []byte, e *event.Event) []byte {
		if e.Conn == (event.ConnID{}) {
			return dst
		}
		return hex.AppendEncode(dst, e.Conn[:])
	}},
	{"shared", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return appendTrue(dst, e.Shared) }},
	{"community_id", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return append(dst, e.CommunityID...) }},
	{"sni", event.Compact, inAll, func(dst []byte, e *event.Event) []byte {
		if e.SNI == nil {
			return dst
		}
		return append(dst, *e.SNI...)
	}},
	{"alpn", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.ALPN) }},
	{"version", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return append(dst, e.Version...) }},
	{"cipher_suites", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.CipherSuites) }},
	{"extensions", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.Extensions) }},
	{"supported_groups", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.SupportedGroups) }},
	{"signature_algorithms", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.SignatureAlgorithms) }},
	{"supported_versions", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.SupportedVersions) }},
	{"ec_point_formats", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.ECPointFormats) }},
	{"key_share_groups", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.KeyShareGroups) }},
}

func fingerprintColumns() []Column {
	columns := make([]Column, len(fingerprint.Methods))
	for i := range columns {
		m := &fingerprint.Methods[i]
		c := Column{m.Key, event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return append(dst, e.Fingerprints[i]...) }}
		if m.Full {
			c.Size, c.inTables = event.Full, inFull
		}
		if m.Live { // captures, which tables are made of, do not have it
			c.inTables = inNone
		}
		columns[i] = c
	}
	return columns
}

// Columns that are rarely filled have size Full, so that the Event that stands as an
// example for a value of them shows everything.
var columnsAfter = []Column{
	{"session", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return append(dst, e.Session...) }},

	{"carrier", event.Full, inNone, carrier(func(dst []byte, c *event.Carrier) []byte { return appendJSON(dst, c) })},
	{"carrier.records", event.Full, inFull, carrier(func(dst []byte, c *event.Carrier) []byte { return appendPositive(dst, int64(c.Records)) })},
	{"carrier.datagrams", event.Full, inFull, carrier(func(dst []byte, c *event.Carrier) []byte { return appendPositive(dst, int64(c.Datagrams)) })},
	{"carrier.segments", event.Full, inFull, carrier(func(dst []byte, c *event.Carrier) []byte { return appendPositive(dst, int64(c.Segments)) })},
	{"carrier.bytes", event.Full, inFull, carrier(func(dst []byte, c *event.Carrier) []byte { return appendPositive(dst, int64(c.Bytes)) })},
	{"carrier.split", event.Full, inFull, carrier(func(dst []byte, c *event.Carrier) []byte { return strconv.AppendBool(dst, c.Split) })},
	{"carrier.overlap", event.Full, inNone, carrier(func(dst []byte, c *event.Carrier) []byte {
		return appendTrue(dst, c.Overlap)
	})},
	{"carrier.prefix", event.Full, inNone, carrier(func(dst []byte, c *event.Carrier) []byte { return appendPositive(dst, c.Prefix) })},

	{"quic", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return appendJSON(dst, q) })},
	{"quic.version", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return append(dst, q.Version...) })},
	{"quic.dcid_len", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return appendInt(dst, q.DCIDLen) })},
	{"quic.scid_len", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return appendInt(dst, q.SCIDLen) })},
	{"quic.token_len", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return appendInt(dst, q.TokenLen) })},
	{"quic.packet_number", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return strconv.AppendUint(dst, q.PacketNumber, 10) })},
	{"quic.packet_number_len", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return appendInt(dst, q.PacketNumberLen) })},
	{"quic.frame_types", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return appendJSON(dst, q.FrameTypes) })},
	{"quic.initials", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return appendInt(dst, q.Initials) })},
	{"quic.out_of_order", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return strconv.AppendBool(dst, q.OutOfOrder) })},
	{"quic.transport_parameters", event.Full, inNone, quic(func(dst []byte, q *event.QUIC) []byte { return appendListJSON(dst, q.TransportParameters) })},
	{"quic.transport_parameters.id", event.Full, inNone, transportParameters(func(dst []byte, p *event.TransportParameter) []byte { return strconv.AppendUint(dst, p.ID, 10) })},
	{"quic.transport_parameters.name", event.Full, inNone, transportParameters(func(dst []byte, p *event.TransportParameter) []byte { return append(dst, p.Name...) })},
	{"quic.transport_parameters.value", event.Full, inNone, transportParameters(func(dst []byte, p *event.TransportParameter) []byte { return append(dst, p.Value...) })},

	{"sslv2", event.Full, inNone, sslv2(func(dst []byte, s *event.SSLv2) []byte { return appendJSON(dst, s) })},
	{"sslv2.cipher_specs", event.Full, inNone, sslv2(func(dst []byte, s *event.SSLv2) []byte { return appendTexts(dst, s.CipherSpecs) })},
	{"sslv2.session_id", event.Full, inNone, sslv2(func(dst []byte, s *event.SSLv2) []byte { return append(dst, s.SessionID...) })},
	{"sslv2.challenge", event.Full, inNone, sslv2(func(dst []byte, s *event.SSLv2) []byte { return append(dst, s.Challenge...) })},

	{"http2_wire", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return append(dst, e.HTTP2Wire...) }},
	{"user_agent", event.Compact, inNone, func(dst []byte, e *event.Event) []byte { return append(dst, e.UserAgent...) }},

	{"handshake", event.Full, inNone, handshake(func(dst []byte, h *event.Handshake) []byte { return appendJSON(dst, h) })},
	{"handshake.version", event.Full, inNone, handshake(func(dst []byte, h *event.Handshake) []byte { return append(dst, h.Version...) })},
	{"handshake.cipher_suite", event.Full, inNone, handshake(func(dst []byte, h *event.Handshake) []byte { return append(dst, h.CipherSuite...) })},
	{"handshake.group", event.Full, inNone, handshake(func(dst []byte, h *event.Handshake) []byte { return append(dst, h.Group...) })},
	{"handshake.alpn", event.Full, inNone, handshake(func(dst []byte, h *event.Handshake) []byte { return append(dst, h.ALPN...) })},
	{"handshake.resumed", event.Full, inNone, handshake(func(dst []byte, h *event.Handshake) []byte { return appendTrue(dst, h.Resumed) })},
	{"handshake.hello_retry_request", event.Full, inNone, handshake(func(dst []byte, h *event.Handshake) []byte { return appendTrue(dst, h.HelloRetryRequest) })},
	{"handshake.error", event.Full, inNone, handshake(func(dst []byte, h *event.Handshake) []byte { return append(dst, h.Error...) })},
	{"handshake.milliseconds", event.Full, inNone, handshake(func(dst []byte, h *event.Handshake) []byte { return appendPositive(dst, h.Milliseconds) })},

	{"front_ja4", event.Full, inNone, frontJA4(func(dst []byte, f *event.FrontJA4) []byte { return appendJSON(dst, f) })},
	{"front_ja4.header", event.Full, inNone, frontJA4(func(dst []byte, f *event.FrontJA4) []byte { return append(dst, f.Header...) })},
	{"front_ja4.ja4", event.Full, inNone, frontJA4(func(dst []byte, f *event.FrontJA4) []byte { return append(dst, f.JA4...) })},

	{"client", event.Compact, inNone, func(dst []byte, e *event.Event) []byte { return appendListJSON(dst, e.Client) }},
}

// columnsLast come after those of the parts of a client.
var columnsLast = []Column{
	{"tells", event.Compact, inNone, func(dst []byte, e *event.Event) []byte { return appendListJSON(dst, e.Tells) }},
	{"tells.name", event.Compact, inFull, tells(func(dst []byte, t *known.Tell) []byte { return append(dst, t.Name...) })},
	{"tells.field", event.Compact, inNone, tells(func(dst []byte, t *known.Tell) []byte { return append(dst, t.Field...) })},
	{"tells.offset", event.Compact, inNone, tells(func(dst []byte, t *known.Tell) []byte { return appendPositive(dst, int64(t.Offset)) })},
	{"tells.found", event.Compact, inNone, tells(func(dst []byte, t *known.Tell) []byte { return append(dst, t.Found...) })},
	{"tells.expected", event.Compact, inNone, tells(func(dst []byte, t *known.Tell) []byte { return append(dst, t.Expected...) })},
	{"tells.novel", event.Compact, inFull, tells(func(dst []byte, t *known.Tell) []byte { return appendTrue(dst, t.Novel) })},
	{"tells.lead", event.Compact, inFull, tells(func(dst []byte, t *known.Tell) []byte { return appendTrue(dst, t.Lead) })},

	{"claim", event.Full, inNone, claim(func(dst []byte, c *known.Claim) []byte { return appendJSON(dst, c) })},
	{"claim.verdict", event.Compact, inNone, claim(func(dst []byte, c *known.Claim) []byte { return append(dst, c.Verdict.String()...) })},
	{"claim.program", event.Full, inNone, claim(func(dst []byte, c *known.Claim) []byte { return append(dst, c.Program...) })},
	{"claim.reasons", event.Full, inNone, claim(func(dst []byte, c *known.Claim) []byte { return appendTexts(dst, c.Reasons) })},
	{"claim.proxy", event.Compact, inNone, claim(func(dst []byte, c *known.Claim) []byte { return append(dst, c.Proxy...) })},

	{"settled", event.Compact, inNone, func(dst []byte, e *event.Event) []byte { return append(dst, e.Settled.String()...) }},
	{"rule", event.Compact, inNone, func(dst []byte, e *event.Event) []byte { return append(dst, e.Rule...) }},
	{"action", event.Compact, inNone, func(dst []byte, e *event.Event) []byte { return append(dst, e.Action...) }},
	{"tags", event.Compact, inNone, func(dst []byte, e *event.Event) []byte { return appendTexts(dst, e.Tags) }},

	{"error", event.Compact, inAll, func(dst []byte, e *event.Event) []byte { return append(dst, e.Error...) }},
	{"received", event.Full, inNone, func(dst []byte, e *event.Event) []byte { return append(dst, e.Received...) }},
	{"hello", event.Detail, inNone, func(dst []byte, e *event.Event) []byte {
		if e.Hello == nil {
			return dst
		}
		return appendJSON(dst, e.Hello)
	}},
	{"raw", event.Detail, inNone, func(dst []byte, e *event.Event) []byte { return base64.StdEncoding.AppendEncode(dst, e.Raw) }},
}

// An appendFunc appends the value of a column.
type appendFunc = func(dst []byte, e *event.Event) []byte

func carrier(appendPart func([]byte, *event.Carrier) []byte) appendFunc {
	return partOf(func(e *event.Event) *event.Carrier { return e.Carrier }, appendPart)
}

func quic(appendPart func([]byte, *event.QUIC) []byte) appendFunc {
	return partOf(func(e *event.Event) *event.QUIC { return e.QUIC }, appendPart)
}

func sslv2(appendPart func([]byte, *event.SSLv2) []byte) appendFunc {
	return partOf(func(e *event.Event) *event.SSLv2 { return e.SSLv2 }, appendPart)
}

func handshake(appendPart func([]byte, *event.Handshake) []byte) appendFunc {
	return partOf(func(e *event.Event) *event.Handshake { return e.Handshake }, appendPart)
}

func frontJA4(appendPart func([]byte, *event.FrontJA4) []byte) appendFunc {
	return partOf(func(e *event.Event) *event.FrontJA4 { return e.FrontJA4 }, appendPart)
}

// appendTrue appends nothing for false, which the JSON form leaves out.
func appendTrue(dst []byte, b bool) []byte {
	if !b {
		return dst
	}
	return append(dst, "true"...)
}

func claim(appendPart func([]byte, *known.Claim) []byte) appendFunc {
	return partOf(func(e *event.Event) *known.Claim { return e.Claim }, appendPart)
}

func transportParameters(appendPart func([]byte, *event.TransportParameter) []byte) appendFunc {
	return quic(func(dst []byte, q *event.QUIC) []byte { return appendEach(dst, q.TransportParameters, appendPart) })
}

func tells(appendPart func([]byte, *known.Tell) []byte) appendFunc {
	return func(dst []byte, e *event.Event) []byte { return appendEach(dst, e.Tells, appendPart) }
}

// partOf appends nothing if the value that of returns is nil.
func partOf[T any](of func(*event.Event) *T, appendPart func([]byte, *T) []byte) appendFunc {
	return func(dst []byte, e *event.Event) []byte {
		if v := of(e); v != nil {
			dst = appendPart(dst, v)
		}
		return dst
	}
}

// appendEach appends a part of each element of a list, with commas between them.
func appendEach[T any](dst []byte, list []T, appendPart func([]byte, *T) []byte) []byte {
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendPart(dst, &list[i])
	}
	return dst
}

func appendTexts(dst []byte, list []string) []byte {
	return appendEach(dst, list, func(dst []byte, s *string) []byte { return append(dst, *s...) })
}

func appendInt(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }

// appendPositive appends n unless it is 0, which the JSON form leaves out.
func appendPositive(dst []byte, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(dst, n, 10)
}

// appendListJSON appends a list in JSON unless it is empty.
func appendListJSON[T any](dst []byte, list []T) []byte {
	if len(list) == 0 {
		return dst
	}
	return appendJSON(dst, list)
}

// appendJSON appends a value of an Event in JSON. None fails to be marshaled.
func appendJSON(dst []byte, v any) []byte {
	b, _ := json.Marshal(v)
	return append(dst, b...)
}
