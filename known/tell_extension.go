package known

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/internal/padding"
	"github.com/tlspeek/tlspeek/parser"
)

// This file has the tells in the presence and the bodies of extensions.

func tellALPN(dst []Tell, v view) []Tell {
	h := v.Hello
	for _, name := range h.ALPNProtocols {
		if bytes.HasPrefix(name, []byte("h3")) {
			return append(dst, Tell{Field: "application_layer_protocol_negotiation", Offset: offsetOf(h, parser.ExtALPN),
				Found: parser.Text(name) + " over TCP", Expected: "h3 over QUIC alone (RFC 9114, section 3.1)"})
		}
	}
	return dst
}

// foreign has, by browser, the types of extensions that its library cannot send.
var foreign = [...]extensionSet{
	chromium: bitsOf(parser.ExtEncryptThenMAC, parser.ExtStatusRequestV2, parser.ExtMaxFragmentLength, parser.ExtSRP,
		parser.ExtRecordSizeLimit, parser.ExtPostHandshakeAuth),
	firefox: bitsOf(parser.ExtEncryptThenMAC, parser.ExtStatusRequestV2, parser.ExtMaxFragmentLength, parser.ExtSRP,
		parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld, parser.ExtTrustAnchors),
	safari: bitsOf(parser.ExtEncryptThenMAC, parser.ExtStatusRequestV2, parser.ExtMaxFragmentLength, parser.ExtSRP,
		parser.ExtRecordSizeLimit, parser.ExtPostHandshakeAuth, parser.ExtDelegatedCredential,
		parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld, parser.ExtTrustAnchors),
}

func tellForeign(dst []Tell, v view) []Tell {
	types := foreign[v.browser]
	if !v.extensions.hasAny(types) {
		return dst
	}
	for i := range v.Hello.Extensions {
		if e := &v.Hello.Extensions[i]; types.hasAny(bitsOf(e.Type)) {
			dst = append(dst, Tell{Field: "extensions", Offset: e.Offset,
				Found: fmt.Sprintf("%v (%04x)", e.Type, uint16(e.Type)), Expected: v.browser.name() + " does not send it"})
		}
	}
	return dst
}

// malformed reports whether the extension of type t is malformed.
func malformed(h *parser.ClientHello, t parser.ExtensionType) bool {
	e, _ := h.Extension(t)
	return e.Err != nil
}

func tellMalformed(dst []Tell, v view) []Tell {
	if !v.extensions.malformed {
		return dst
	}
	for i := range v.Hello.Extensions {
		if e := &v.Hello.Extensions[i]; e.Err != nil {
			return append(dst, Tell{Field: "extensions", Offset: e.Offset,
				Found: fmt.Sprintf("%v (%04x): %v", e.Type, uint16(e.Type), e.Err), Expected: v.browser.name() + " sends none"})
		}
	}
	return dst
}

// required are the types that tellMissing looks for.
var required = [...]parser.ExtensionType{
	parser.ExtSupportedGroups, parser.ExtECPointFormats, parser.ExtSignatureAlgorithms,
	parser.ExtExtendedMasterSecret, parser.ExtPSKKeyExchangeModes, parser.ExtKeyShare, parser.ExtRenegotiationInfo,
}

var requiredSet = bitsOf(required[:]...)

// tellMissing finds that an extension is absent which BoringSSL and NSS always
// send when they offer TLS 1.3 and TLS 1.2 over TCP. NSS leaves
// psk_key_exchange_modes out where it may keep no sessions, as in Tor Browser.
func tellMissing(dst []Tell, v view) []Tell {
	h := v.Hello
	if v.extensions.hasAll(requiredSet) || !offers13(h) || !slices.Contains(h.SupportedVersions, parser.VersionTLS12) {
		return dst
	}
	for _, t := range required {
		if !v.has(t) && !(v.browser == firefox && t == parser.ExtPSKKeyExchangeModes) {
			return append(dst, Tell{Field: "extensions", Offset: h.Extensions[0].Offset,
				Found: fmt.Sprintf("no %v (%04x)", t, uint16(t)), Expected: v.browser.name() + " always sends it"})
		}
	}
	return dst
}

// outerECH returns encrypted_client_hello if it is an outer one with a payload:
// GREASE, or encrypted with a key that the server has published.
func outerECH(h *parser.ClientHello) *parser.EncryptedClientHello {
	if h.ECH == nil || h.ECH.Type != 0 || len(h.ECH.Payload) == 0 {
		return nil
	}
	return h.ECH
}

// tellECHAEAD holds the AEAD of ECH against ssl/encrypted_client_hello.cc of
// BoringSSL.
//
// AEAD and the order of suites both follow from whether the machine has AES
// instructions. That holds for GREASE, whose payload has one of four lengths: a
// server that publishes a key may want another AEAD. A policy that fixes the
// order of suites (CNSA) puts AES-256-GCM first.
func tellECHAEAD(dst []Tell, v view) []Tell {
	h := v.Hello
	ech := outerECH(h)
	if ech == nil || ech.AEAD == 1 || malformed(h, parser.ExtEncryptedClientHello) {
		return dst
	}
	offset := offsetOf(h, parser.ExtEncryptedClientHello) + 4 + 1 + 2
	if ech.AEAD == 2 {
		return append(dst, Tell{Field: "encrypted_client_hello.cipher_suite", Offset: offset,
			Found: "AES-256-GCM", Expected: "AES-128-GCM or ChaCha20Poly1305; no browser offers AES-256-GCM"})
	}
	i := slices.IndexFunc(h.CipherSuites, func(v parser.CipherSuite) bool { return v>>8 == 0x13 && !parser.IsGREASE(v) })
	n := len(ech.Payload)
	if v.browser == chromium && i >= 0 && h.CipherSuites[i] == 0x1301 && ech.AEAD == 3 && n%32 == 16 && n >= 144 && n <= 240 {
		dst = append(dst, Tell{Field: "encrypted_client_hello.cipher_suite", Offset: offset,
			Found: "ChaCha20Poly1305, with TLS_AES_128_GCM_SHA256 as first cipher suite", Expected: "AES-128-GCM where AES is first: both follow from the processor"})
	}
	return dst
}

// tellECHPayload holds the length of ECH's payload against the padding of
// BoringSSL and of NSS (lib/ssl/tls13ech.c).
func tellECHPayload(dst []Tell, v view) []Tell {
	h := v.Hello
	ech := outerECH(h)
	if ech == nil || ech.AEAD == 2 {
		return dst
	}
	n := len(ech.Payload)
	var t Tell
	switch {
	case v.browser == chromium && n%32 != 16:
		t = Tell{Found: fmt.Sprintf("%d bytes", n), Expected: "a multiple of 32, and 16 for the tag"}
	case v.browser == firefox && n%32 == 16:
		t = Tell{Found: fmt.Sprintf("%d bytes, as BoringSSL pads", n), Expected: "239 or another length of 15 more than a multiple of 32, as NSS pads"}
	default:
		return dst
	}
	e, _ := h.Extension(parser.ExtEncryptedClientHello)
	if e.Err != nil {
		return dst
	}
	t.Field, t.Offset = "encrypted_client_hello.payload", e.Offset+4+len(e.Data)-n
	return append(dst, t)
}

func tellALPS(dst []Tell, v view) []Tell {
	h := v.Hello
	at := parser.ExtApplicationSettings
	switch isNew, isOld := v.has(at), v.has(parser.ExtApplicationSettingsOld); {
	case isNew && isOld:
		return append(dst, Tell{Field: "extensions", Offset: offsetOf(h, parser.ExtApplicationSettingsOld),
			Found: "application_settings at 4469 and at 44cd", Expected: "one of them"})
	case isOld:
		at = parser.ExtApplicationSettingsOld
	case !isNew:
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
	return append(dst, Tell{Field: "application_settings", Offset: offsetOf(h, at), Found: found, Expected: want})
}

func tellRecordSizeLimit(dst []Tell, v view) []Tell {
	h := v.Hello
	if v.has(parser.ExtRecordSizeLimit) && offers13(h) && h.RecordSizeLimit != 0x4001 {
		return append(dst, Tell{Field: "record_size_limit", Offset: offsetOf(h, parser.ExtRecordSizeLimit),
			Found: fmt.Sprintf("%04x", h.RecordSizeLimit), Expected: "4001 with TLS 1.3 (RFC 8449, section 4)"})
	}
	return dst
}

// tellCertificateCompression compares with what the browsers can decompress.
func tellCertificateCompression(dst []Tell, v view) []Tell {
	h := v.Hello
	var want parser.CertificateCompressionAlgorithm = 2
	expected := "brotli"
	if v.browser == safari {
		want, expected = 1, "zlib"
	}
	list := h.CertificateCompressionAlgorithms
	if len(list) == 1 && list[0] == want || !v.has(parser.ExtCompressCertificate) {
		return dst
	}
	return append(dst, Tell{Field: "compress_certificate", Offset: offsetOf(h, parser.ExtCompressCertificate),
		Found: fmt.Sprint(limit(list)), Expected: expected})
}

// tellPadding holds a hello against RFC 7685 as BoringSSL and NSS implement it:
// a hello of 256 to 511 bytes becomes one of 512, or up to 4 bytes more where
// no shorter extension fits. A body of one byte or more is zeros.
//
// BoringSSL does not pad the hello after a HelloRetryRequest.
func tellPadding(dst []Tell, v view) []Tell {
	h := v.Hello
	n := len(h.Raw)
	if !v.has(parser.ExtPadding) {
		// Chromium padded up to version 118, the last one whose hellos have this shape.
		if v.browser == chromium && padding.IsDue(n) &&
			v.has(parser.ExtApplicationSettingsOld) && !v.has(parser.ExtEncryptedClientHello) && offers13(h) && !v.mayBeSecond() {
			dst = append(dst, Tell{Field: "length", Offset: 1, Found: fmt.Sprintf("%d bytes without padding", n), Expected: "padding to 512 bytes"})
		}
		return dst
	}
	e, _ := h.Extension(parser.ExtPadding)
	if n != padding.PaddedLen && (n < padding.PaddedLen || n > padding.PaddedLen+5 || len(e.Data) > 1) {
		dst = append(dst, Tell{Field: "padding", Offset: e.Offset, Found: fmt.Sprintf("padding to %d bytes", n), Expected: "padding to 512 bytes"})
	}
	if slices.ContainsFunc(e.Data, func(c byte) bool { return c != 0 }) {
		dst = append(dst, Tell{Field: "padding", Offset: e.Offset, Found: "padding that is not zero", Expected: "zeros (RFC 7685)"})
	}
	return dst
}
