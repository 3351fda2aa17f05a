package fingerprint

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/tlspeek/tlspeek/internal/varint"
	"github.com/tlspeek/tlspeek/parser"
)

// TLSFP returns the id of h at tlsfingerprint.io, 16 hex digits: the first 8
// bytes of a SHA-1 over the lists of the hello, its extensions in wire order.
// It is the form that clienthellod, pyquicfp and retina share since 2026.
func TLSFP(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendTLSFP(buf[:0], h))
}

// AppendTLSFP appends what [TLSFP] returns.
func AppendTLSFP(dst []byte, h *parser.ClientHello) []byte { return appendTLSFP(dst, h, false) }

// TLSFPNorm returns the normalised id of h at tlsfingerprint.io, for which the
// extensions are sorted.
func TLSFPNorm(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendTLSFPNorm(buf[:0], h))
}

// AppendTLSFPNorm appends what [TLSFPNorm] returns.
func AppendTLSFPNorm(dst []byte, h *parser.ClientHello) []byte { return appendTLSFP(dst, h, true) }

func appendTLSFP(dst []byte, h *parser.ClientHello, normalised bool) []byte {
	if h.SSLv2 {
		return dst
	}
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.LegacyVersion))
	dst = appendDegreased(dst, h.CipherSuites)
	dst = append(dst, h.LegacyCompressionMethods...)
	var scratch [64]uint16
	types := scratch[:0]
	for i := range h.Extensions {
		types = append(types, degrease(uint16(h.Extensions[i].Type)))
	}
	if normalised {
		sortValues(types)
	}
	dst = appendDegreased(dst, types)
	dst = appendDegreased(dst, h.SupportedGroups)
	dst = append(dst, h.ECPointFormats...)
	dst = appendDegreased(dst, h.SignatureAlgorithms)
	for _, p := range h.ALPNProtocols {
		if parser.IsGREASEALPN(p) {
			p = []byte("\x0a\x0a")
		}
		dst = append(append(dst, byte(len(p))), p...)
	}
	for i := range h.KeyShares {
		dst = binary.BigEndian.AppendUint16(dst, degrease(uint16(h.KeyShares[i].Group)))
	}
	for _, m := range h.PSKKeyExchangeModes {
		if parser.IsGREASEMode(m) {
			m = 0x0b
		}
		dst = append(dst, m)
	}
	dst = appendDegreased(dst, h.SupportedVersions)
	if h.HasExtension(parser.ExtCompressCertificate) {
		dst = append(dst, byte(2*len(h.CertificateCompressionAlgorithms)))
		dst = appendDegreased(dst, h.CertificateCompressionAlgorithms)
	}
	dst = binary.BigEndian.AppendUint16(dst, h.RecordSizeLimit)
	return foldID(dst, start)
}

// A QUICInitial has what fingerprints need of the first Initial packet of a
// QUIC client, beside its hello (RFC 9000, section 17.2.2).
type QUICInitial struct {
	Version         uint32
	DCIDLen         int    // of the destination connection id, in bytes
	SCIDLen         int    // of the source connection id, in bytes
	PacketNumberLen int    // in bytes, 1 to 4
	FrameTypes      []byte // in any order, each once or more
	Token           bool   // whether a token is there
}

// QUICHeaderID returns the id at tlsfingerprint.io of a client's first Initial
// packet, 16 hex digits.
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
	if q.Token {
		token = 1
	}
	return foldID(append(dst, token), start)
}

// QUICParamsID returns the id at tlsfingerprint.io of the transport parameters
// in h, 16 hex digits, or nothing if h came otherwise than by QUIC.
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
			id = 27
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
	return foldID(dst, start)
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

// appendDegreased appends each value as two bytes, GREASE as 0x0a0a.
func appendDegreased[T ~uint16](dst []byte, list []T) []byte {
	for _, v := range list {
		dst = binary.BigEndian.AppendUint16(dst, degrease(uint16(v)))
	}
	return dst
}

// foldID replaces what follows start by the first 8 bytes of its SHA-1 in hex.
func foldID(dst []byte, start int) []byte {
	sum := sha1.Sum(dst[start:])
	return hex.AppendEncode(dst[:start], sum[:8])
}
