package fingerprint

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"

	"github.com/tlspeek/tlspeek/internal/grease"
	"github.com/tlspeek/tlspeek/parser"
)

var methodTLSFP = Method{
	Key:     "tlsfp_id",
	Title:   "tlsfingerprint.io",
	Summary: "in the order of the wire",
	About:   "tlsfingerprint.io: the lists of the hello, extensions in wire order.",
	Full:    true,
	Ordered: true,
	Lists:   true,
	Append:  ofHello(AppendTLSFP),
}

var methodTLSFPNorm = Method{
	Key:     "tlsfp_norm_id",
	Title:   "tlsfingerprint.io, normalised",
	Summary: "extensions sorted",
	About:   "tlsfingerprint.io: the lists of the hello, extensions sorted.",
	Full:    true,
	Lists:   true,
	Form:    "tlsfp_id",
	Append:  ofHello(AppendTLSFPNorm),
}

// TLSFP returns the id of h at tlsfingerprint.io, 16 hex digits: the first 8
// bytes of a SHA-1 over the lists of the hello, its extensions in wire order.
// clienthellod, pyquicfp and retina compute the same since 2026.
func TLSFP(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendTLSFP(buf[:0], h))
}

// AppendTLSFP appends what [TLSFP] returns.
func AppendTLSFP(dst []byte, h *parser.ClientHello) []byte { return appendTLSFP(dst, h, false) }

// TLSFPNorm returns the normalised id of h at tlsfingerprint.io, which is [TLSFP] with
// its extensions sorted.
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
	dst = appendNormalized(dst, h.CipherSuites)
	dst = append(dst, h.LegacyCompressionMethods...)
	var scratch [64]uint16
	types := scratch[:0]
	for i := range h.Extensions {
		types = append(types, grease.Normalize(h.Extensions[i].Type))
	}
	if normalised {
		sortValues(types)
	}
	dst = appendNormalized(dst, types)
	dst = appendNormalized(dst, h.SupportedGroups)
	dst = append(dst, h.ECPointFormats...)
	dst = appendNormalized(dst, h.SignatureAlgorithms)
	for _, p := range h.ALPNProtocols {
		if parser.IsGREASEALPN(p) {
			p = []byte("\x0a\x0a")
		}
		dst = append(append(dst, byte(len(p))), p...)
	}
	for i := range h.KeyShares {
		dst = binary.BigEndian.AppendUint16(dst, grease.Normalize(h.KeyShares[i].Group))
	}
	for _, m := range h.PSKKeyExchangeModes {
		if parser.IsGREASEMode(m) {
			m = 0x0b
		}
		dst = append(dst, m)
	}
	dst = appendNormalized(dst, h.SupportedVersions)
	if h.HasExtension(parser.ExtCompressCertificate) {
		dst = append(dst, byte(2*len(h.CertificateCompressionAlgorithms)))
		dst = appendNormalized(dst, h.CertificateCompressionAlgorithms)
	}
	dst = binary.BigEndian.AppendUint16(dst, h.RecordSizeLimit)
	return replaceBySHA1(dst, start)
}

// appendNormalized appends each value as two bytes, and all GREASE as one.
func appendNormalized[T ~uint16](dst []byte, list []T) []byte {
	for _, v := range list {
		dst = binary.BigEndian.AppendUint16(dst, grease.Normalize(v))
	}
	return dst
}

// replaceBySHA1 replaces what follows start by the first 8 bytes of its SHA-1 in hex.
func replaceBySHA1(dst []byte, start int) []byte {
	sum := sha1.Sum(dst[start:])
	return hex.AppendEncode(dst[:start], sum[:8])
}
