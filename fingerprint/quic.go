package fingerprint

import (
	"encoding/binary"
	"slices"

	"github.com/tlspeek/tlspeek/internal/grease"
	"github.com/tlspeek/tlspeek/internal/varint"
	"github.com/tlspeek/tlspeek/parser"
)

var methodQUICHeaderID = Method{
	Key:     "quic_header_id",
	Title:   "QUIC header",
	Summary: "the first Initial packet; tlsfingerprint.io",
	About:   "tlsfingerprint.io: the header and the frame types of the client's first Initial packet.",
	Full:    true,
	Form:    "tlsfp_id",
	Append: func(dst []byte, in *Input) []byte {
		if in.QUIC == nil || in.Hello.SSLv2 {
			return dst
		}
		return AppendQUICHeaderID(dst, in.QUIC)
	},
}

var methodQUICParamsID = Method{
	Key:     "quic_params_id",
	Title:   "QUIC parameters",
	Summary: "the transport parameters; tlsfingerprint.io",
	About:   "tlsfingerprint.io: the transport parameters, sorted, and the values of eleven of them.",
	Full:    true,
	Form:    "tlsfp_id",
	Append:  ofHello(AppendQUICParamsID),
}

// A QUICInitial is what a QUIC client shows besides its hello: the header and the
// frames of its first Initial packet (RFC 9000, section 17.2.2), and how the
// hello arrived.
type QUICInitial struct {
	Version         uint32 // as on the wire: 1 is RFC 9000's
	DCIDLen         int    // of the destination connection ID, in bytes
	SCIDLen         int    // of the source connection ID, in bytes
	TokenLen        int    // in bytes; 0 without a token
	PacketNumber    uint64 // the lowest one seen
	PacketNumberLen int    // bytes on the wire, 1 to 4
	FrameTypes      []byte // in any order, each once or more

	Initials   int  // packets that carried the hello
	OutOfOrder bool // CRYPTO frames came out of order, or overlapped
}

// QUICHeaderID returns the id at tlsfingerprint.io of a client's first Initial
// packet, 16 hex digits. q must not be nil.
func QUICHeaderID(q *QUICInitial) string { return string(AppendQUICHeaderID(nil, q)) }

// AppendQUICHeaderID appends what [QUICHeaderID] returns.
func AppendQUICHeaderID(dst []byte, q *QUICInitial) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, q.Version)
	dst = binary.BigEndian.AppendUint32(dst, uint32(q.DCIDLen))
	dst = binary.BigEndian.AppendUint32(dst, uint32(q.SCIDLen))
	dst = binary.BigEndian.AppendUint32(dst, uint32(q.PacketNumberLen))
	types := len(dst)
	dst = append(dst, q.FrameTypes...)
	slices.Sort(dst[types:])
	dst = dst[:types+len(slices.Compact(dst[types:]))]
	token := byte(0)
	if q.TokenLen > 0 {
		token = 1
	}
	return replaceBySHA1(append(dst, token), start)
}

// QUICParamsID returns the id at tlsfingerprint.io of the transport parameters
// in h, 16 hex digits, or the empty string unless QUIC carried h.
func QUICParamsID(h *parser.ClientHello) string { return string(AppendQUICParamsID(nil, h)) }

// AppendQUICParamsID appends what [QUICParamsID] returns.
func AppendQUICParamsID(dst []byte, h *parser.ClientHello) []byte {
	if h.SSLv2 || h.Transport != parser.QUIC {
		return dst
	}
	// Of RFC 9000, section 18.2: max_idle_timeout, max_udp_payload_size,
	// initial_max_data, initial_max_stream_data_bidi_local, _bidi_remote and
	// _uni, initial_max_streams_bidi and _uni, ack_delay_exponent,
	// max_ack_delay, active_connection_id_limit.
	hashed := [...]uint64{0x01, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0e}

	var scratch [32]uint64
	ids := scratch[:0]
	for i := range h.TransportParameters {
		id := h.TransportParameters[i].ID
		if parser.IsGREASETransportParameter(id) {
			id = grease.TransportParameter
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	start := len(dst)
	for _, id := range ids {
		dst = binary.BigEndian.AppendUint64(dst, id)
	}
	for _, id := range hashed {
		dst = binary.BigEndian.AppendUint64(dst, transportParameter(h, id))
	}
	return replaceBySHA1(dst, start)
}

// transportParameter returns the value of an integer parameter, 0 if it is
// absent or malformed.
func transportParameter(h *parser.ClientHello, id uint64) uint64 {
	for i := range h.TransportParameters {
		if p := &h.TransportParameters[i]; p.ID == id {
			v, _ := varint.Parse(p.Value)
			return v
		}
	}
	return 0
}
