package fingerprint

import (
	"encoding/hex"

	"github.com/tlspeek/tlspeek/parser"
)

var methodStable = Method{
	Key:      "stable",
	Title:    "Stable",
	Summary:  "the same for a new and a resumed session; tlspeek's own",
	About:    "This project (docs/stable.md): a digest of the lists of the hello without what resumption, GREASE and the server change.",
	Full:     true,
	Lists:    true,
	Append:   ofHello(AppendStable),
	Variants: []Variant{{Form: "stable_full", Append: ofHello(AppendStableFull)}},
}

// Stable returns a fingerprint of h that stays the same when the client resumes a
// session, answers a HelloRetryRequest or a HelloVerifyRequest, permutes its
// extensions, draws other GREASE values, or connects to an address instead of a
// name. That of Chromium 156 is "s1t13_006d3c15c9ad431897821763": the format, s1;
// the transport and the highest version, as in JA4; and the first 24 hex digits of
// the SHA-256 of what follows the first underscore in [StableFull]. docs/stable.md
// defines it.
func Stable(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendStable(buf[:0], h))
}

// AppendStable appends what [Stable] returns.
func AppendStable(dst []byte, h *parser.ClientHello) []byte {
	if h.SSLv2 {
		return dst
	}
	start := len(dst) + len("s1t13_")
	return replaceBySHA256(AppendStableFull(dst, h), start, 24)
}

// StableFull returns the text behind [Stable]: "s1", the transport and the version,
// and six lists, each after an underscore and with commas between its values, in
// lower-case hex and without GREASE:
//
//   - the supported versions, or legacy_version where there are none;
//   - the cipher suites;
//   - the extension types, sorted, without those that depend on the server or on
//     earlier connections: server_name (0000), padding (0015), session_ticket
//     (0023), pre_shared_key (0029), early_data (002a) and cookie (002c);
//   - the supported groups;
//   - the signature algorithms;
//   - the ALPN protocols, each byte as two digits.
//
// All but the extensions are in wire order.
func StableFull(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendStableFull(buf[:0], h))
}

// AppendStableFull appends what [StableFull] returns.
func AppendStableFull(dst []byte, h *parser.ClientHello) []byte {
	if h.SSLv2 {
		return dst
	}
	dst = append(dst, 's', '1', carrierLetter(h.Transport))
	dst = append(append(dst, ja4Version(h)...), '_')

	var scratch [64]uint16
	versions := appendWithoutGREASE(scratch[:0], h.SupportedVersions)
	if len(versions) == 0 {
		versions = append(versions, uint16(h.LegacyVersion))
	}
	dst = append(appendHexList(dst, versions), '_')
	dst = append(appendHexList(dst, appendWithoutGREASE(scratch[:0], h.CipherSuites)), '_')
	dst = append(appendHexList(dst, stableExtensions(scratch[:0], h)), '_')
	dst = append(appendHexList(dst, appendWithoutGREASE(scratch[:0], h.SupportedGroups)), '_')
	dst = append(appendHexList(dst, appendWithoutGREASE(scratch[:0], h.SignatureAlgorithms)), '_')
	first := true
	for _, p := range h.ALPNProtocols {
		if parser.IsGREASEALPN(p) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		dst, first = hex.AppendEncode(dst, p), false
	}
	return dst
}

// IsTransient reports whether an extension of a client comes and goes with the
// server, the session or the length of the message. Its types are server_name,
// padding, session_ticket, pre_shared_key, early_data and cookie.
func IsTransient(t parser.ExtensionType) bool {
	switch t {
	case parser.ExtServerName, parser.ExtPadding, parser.ExtSessionTicket,
		parser.ExtPreSharedKey, parser.ExtEarlyData, parser.ExtCookie:
		return true
	}
	return false
}

// stableExtensions appends the types that [Stable] has, sorted, to an empty list.
func stableExtensions(list []uint16, h *parser.ClientHello) []uint16 {
	for i := range h.Extensions {
		if t := h.Extensions[i].Type; !IsTransient(t) && !parser.IsGREASE(t) {
			list = append(list, uint16(t))
		}
	}
	sortValues(list)
	return list
}
