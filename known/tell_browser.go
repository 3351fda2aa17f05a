package known

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// tellGREASE holds a hello against what BoringSSL does with GREASE, whose code
// is in Chromium and in Apple's systems: ssl/extensions.cc.
func tellGREASE(dst []Tell, o *Observation) []Tell {
	h := o.Hello
	if len(h.CipherSuites) == 0 || !parser.IsGREASE(h.CipherSuites[0]) || h.Transport != parser.TLS {
		return dst
	}
	dst = tellGREASEExtensions(dst, h)
	if e, ok := h.Extension(parser.ExtSupportedVersions); ok &&
		!slices.ContainsFunc(h.SupportedVersions, parser.IsGREASE[parser.Version]) {
		dst = append(dst, Tell{"grease-versions", "supported_versions", e.Offset,
			"no GREASE", "GREASE, as in the cipher suites"})
	}
	e, ok := h.Extension(parser.ExtKeyShare)
	if !ok || o.isSecond() || len(h.KeyShares) == 0 {
		return dst
	}
	var group, share parser.NamedGroup
	if len(h.SupportedGroups) > 0 && parser.IsGREASE(h.SupportedGroups[0]) {
		group = h.SupportedGroups[0]
	}
	if parser.IsGREASE(h.KeyShares[0].Group) {
		share = h.KeyShares[0].Group
	}
	if k := h.KeyShares[0].KeyExchange; share != 0 && string(k) != "\x00" {
		return append(dst, Tell{"grease-key-share", "key_share", e.Offset,
			fmt.Sprintf("%d bytes of key for GREASE", len(k)), "one zero byte"})
	}
	if group == share || o.mayBeSecond() {
		return dst
	}
	return append(dst, Tell{"grease-key-share", "key_share", e.Offset,
		fmt.Sprintf("%04x in supported_groups, %04x first in key_share", uint16(group), uint16(share)),
		"the same GREASE value first in both"})
}

// isSecond reports whether the hello answers a HelloRetryRequest.
func (o *Observation) isSecond() bool { return o.Index > 1 || isSecond(o.Hello) }

// mayBeSecond reports whether the hello answers a HelloRetryRequest, or may do so
// in a capture that lacks the first one: it has GREASE among the groups and a
// single key share, which is not GREASE, and its record does not say that it is
// the first.
func (o *Observation) mayBeSecond() bool {
	h := o.Hello
	return o.isSecond() || o.RecordVersion != parser.VersionTLS10 &&
		len(h.KeyShares) == 1 && !parser.IsGREASE(h.KeyShares[0].Group) &&
		slices.ContainsFunc(h.SupportedGroups, parser.IsGREASE[parser.NamedGroup])
}

func tellGREASEExtensions(dst []Tell, h *parser.ClientHello) []Tell {
	const genuine = "two different GREASE extensions: the first of all, empty, and one zero byte after all but padding and pre_shared_key"
	last := len(h.Extensions) - 1
	for last > 0 && (h.Extensions[last].Type == parser.ExtPadding || h.Extensions[last].Type == parser.ExtPreSharedKey) {
		last--
	}
	n := 0
	for i := range h.Extensions {
		e := &h.Extensions[i]
		if !parser.IsGREASE(e.Type) {
			continue
		}
		n++
		switch {
		case i == 0 && len(e.Data) == 0:
		case i == last && n == 2 && len(e.Data) == 1 && e.Data[0] == 0:
		default:
			return append(dst, Tell{"grease-extensions", "extensions", e.Offset,
				fmt.Sprintf("GREASE extension %d of %d, of %d bytes", i+1, len(h.Extensions), len(e.Data)), genuine})
		}
	}
	if n != 2 && len(h.Extensions) > 0 {
		dst = append(dst, Tell{"grease-extensions", "extensions", h.Extensions[0].Offset,
			fmt.Sprintf("%d GREASE extensions", n), genuine})
	}
	return dst
}

// tellECH holds the outer ECH extension, which is GREASE unless the server has
// published a key, against the library's: ssl/encrypted_client_hello.cc of
// BoringSSL, lib/ssl/tls13ech.c of NSS.
func tellECH(dst []Tell, h *parser.ClientHello, b browser) []Tell {
	e, ok := h.Extension(parser.ExtEncryptedClientHello)
	if !ok || e.Err != nil || h.ECH == nil || h.ECH.Type != 0 {
		return dst
	}
	aead := e.Offset + 4 + 1 + 2
	if h.ECH.AEAD == 2 {
		return append(dst, Tell{"ech-aead", "encrypted_client_hello.cipher_suite", aead,
			"AES-256-GCM", "AES-128-GCM or ChaCha20Poly1305; no browser offers AES-256-GCM"})
	}
	n := len(h.ECH.Payload)
	payload := e.Offset + 4 + len(e.Data) - n
	switch b {
	case chromium:
		// Both follow from whether the machine has AES instructions, in GREASE,
		// whose payload has one of four lengths. A server that publishes a key
		// may have it otherwise, as those do that have AES-128-GCM alone. A policy
		// that fixes the order of suites (CNSA) puts AES-256-GCM first.
		i := slices.IndexFunc(h.CipherSuites, func(v parser.CipherSuite) bool { return v>>8 == 0x13 && !parser.IsGREASE(v) })
		if i >= 0 && h.CipherSuites[i] == 0x1301 && h.ECH.AEAD == 3 && n%32 == 16 && n >= 144 && n <= 240 {
			dst = append(dst, Tell{"ech-aead", "encrypted_client_hello.cipher_suite", aead,
				"ChaCha20Poly1305, with TLS_AES_128_GCM_SHA256 as first cipher suite", "AES-128-GCM where AES is first: both follow from the processor"})
		}
		if n%32 != 16 {
			dst = append(dst, Tell{"ech-payload", "encrypted_client_hello.payload", payload,
				fmt.Sprintf("%d bytes", n), "a multiple of 32, and 16 for the tag"})
		}
	case firefox:
		if n%32 == 16 {
			dst = append(dst, Tell{"ech-payload", "encrypted_client_hello.payload", payload,
				fmt.Sprintf("%d bytes, as BoringSSL pads", n), "239 or another length of 15 more than a multiple of 32, as NSS pads"})
		}
	}
	return dst
}

func tellALPS(dst []Tell, h *parser.ClientHello) []Tell {
	e, isNew := h.Extension(parser.ExtApplicationSettings)
	old, isOld := h.Extension(parser.ExtApplicationSettingsOld)
	if !isNew {
		e = old
	} else if isOld {
		return append(dst, Tell{"alps", "extensions", old.Offset,
			"application_settings at 4469 and at 44cd", "one of them"})
	}
	if !isNew && !isOld {
		return dst
	}
	want := "h2"
	if h.Transport == parser.QUIC {
		want = "h3" // or h3-29
	}
	if len(h.ApplicationSettings) == 1 {
		if name := string(h.ApplicationSettings[0]); name == want || want == "h3" && strings.HasPrefix(name, "h3-") {
			return dst
		}
	}
	found := ""
	for i, name := range limit(h.ApplicationSettings) {
		if i > 0 {
			found += ", "
		}
		found += parser.Text(name)
	}
	return append(dst, Tell{"alps", "application_settings", e.Offset, found, want})
}

// tellSchemes finds signature schemes that Chromium's network stack does not
// set in BoringSSL: net/socket/ssl_client_socket_impl.cc. In versions that had
// ALPS at 4469, net/socket/ssl_connect_job.cc tried again after a connection
// that failed, with BoringSSL's own list, which has 0201 at its end.
func tellSchemes(dst []Tell, h *parser.ClientHello) []Tell {
	if !offers13(h) || h.Transport != parser.TLS {
		return dst
	}
	modern := h.HasExtension(parser.ExtApplicationSettings) || hasMLDSA(h)
	for _, v := range limit(h.SignatureAlgorithms) {
		foreign := v>>8 < 4 && v != 0x0201 || v == 0x0603 || v >= 0x0807 && v <= 0x080b ||
			v == 0x0201 && modern
		if foreign && !parser.IsGREASE(v) {
			return append(dst, Tell{"signature-algorithms", "signature_algorithms", offsetOf(h, parser.ExtSignatureAlgorithms),
				fmt.Sprintf("%v (%04x)", v, uint16(v)), "Chromium does not offer it"})
		}
	}
	return dst
}

// tellAges finds features of Chromium of which one was gone for years when the
// other came. Those that a flag brings back or forward say nothing.
func tellAges(dst []Tell, h *parser.ClientHello) []Tell {
	if h.HasExtension(parser.ExtEncryptedClientHello) && slices.Contains(h.SupportedVersions, parser.VersionTLS10) {
		return append(dst, Tell{"features-of-two-ages", "supported_versions", offsetOf(h, parser.ExtSupportedVersions),
			"TLS 1.0, with encrypted_client_hello", "TLS 1.0 to version 97, ECH from 115"})
	}
	return dst
}

func tellRecordSizeLimit(dst []Tell, h *parser.ClientHello) []Tell {
	if e, ok := h.Extension(parser.ExtRecordSizeLimit); ok && offers13(h) && h.RecordSizeLimit != 0x4001 {
		return append(dst, Tell{"record-size-limit", "record_size_limit", e.Offset,
			fmt.Sprintf("%04x", h.RecordSizeLimit), "4001 with TLS 1.3 (RFC 8449, section 4)"})
	}
	return dst
}

// tellCertificateCompression compares with what the browsers can decompress.
func tellCertificateCompression(dst []Tell, h *parser.ClientHello, b browser) []Tell {
	e, ok := h.Extension(parser.ExtCompressCertificate)
	if !ok || b == firefox {
		return dst
	}
	var want parser.CertificateCompressionAlgorithm = 2
	genuine := "brotli"
	if b == safari {
		want, genuine = 1, "zlib"
	}
	if list := h.CertificateCompressionAlgorithms; len(list) != 1 || list[0] != want {
		return append(dst, Tell{"certificate-compression", "compress_certificate", e.Offset,
			fmt.Sprint(limit(list)), genuine})
	}
	return dst
}

// tellLegacy compares the fields that TLS 1.3 keeps for looks.
func tellLegacy(dst []Tell, o *Observation, b browser) []Tell {
	h := o.Hello
	if e, ok := h.Extension(parser.ExtECPointFormats); ok && (len(h.ECPointFormats) != 1 || h.ECPointFormats[0] != 0) {
		dst = append(dst, Tell{"point-formats", "ec_point_formats", e.Offset,
			fmt.Sprintf("%x", h.ECPointFormats), "00; OpenSSL sends 000102"})
	}
	if !offers13(h) {
		return dst
	}
	// That of a TLS 1.2 session to resume has the length that its server gave it.
	if len(h.LegacySessionID) == 0 {
		dst = append(dst, Tell{"session-id", "legacy_session_id", 4 + 2 + 32,
			"empty", "32 bytes (RFC 8446, appendix D.4), or a session to resume"})
	}
	if m := h.LegacyCompressionMethods; len(m) != 1 || m[0] != 0 {
		dst = append(dst, Tell{"compression-methods", "legacy_compression_methods", suiteOffset(h, len(h.CipherSuites)),
			fmt.Sprintf("%x", m), "00 (RFC 8446, section 4.1.2)"})
	}
	// A second hello has 0303, so 0303 tells only where several shares say that
	// this is the first.
	if v := o.RecordVersion; v != 0 && v != parser.VersionTLS10 && !o.isSecond() &&
		(v != parser.VersionTLS12 || len(h.KeyShares) > 1) {
		dst = append(dst, Tell{Name: "record-version", Field: "legacy_record_version",
			Found: fmt.Sprintf("%04x", uint16(v)), Genuine: b.name() + " has 0301 on its first record"})
	}
	return dst
}

// tellPadding holds a hello against RFC 7685 as BoringSSL and NSS implement it:
// a hello of 256 to 511 bytes becomes one of 512, or up to 4 bytes more where
// no shorter extension fits. A body of one byte or more is zeros.
//
// BoringSSL does not pad the hello after a HelloRetryRequest.
func tellPadding(dst []Tell, o *Observation, b browser) []Tell {
	h := o.Hello
	e, ok := h.Extension(parser.ExtPadding)
	n := len(h.Raw)
	if !ok {
		// Chromium padded up to version 118, the last one whose hellos have this shape.
		if b == chromium && !o.mayBeSecond() && offers13(h) && n >= 256 && n < 512 &&
			h.HasExtension(parser.ExtApplicationSettingsOld) && !h.HasExtension(parser.ExtEncryptedClientHello) {
			dst = append(dst, Tell{"padding", "length", 1, fmt.Sprintf("%d bytes without padding", n), "padding to 512 bytes"})
		}
		return dst
	}
	if n != 512 && (n < 512 || n > 517 || len(e.Data) > 1) {
		dst = append(dst, Tell{"padding", "padding", e.Offset, fmt.Sprintf("padding to %d bytes", n), "padding to 512 bytes"})
	}
	if slices.ContainsFunc(e.Data, func(c byte) bool { return c != 0 }) {
		dst = append(dst, Tell{"padding", "padding", e.Offset, "padding that is not zero", "zeros (RFC 7685)"})
	}
	return dst
}
