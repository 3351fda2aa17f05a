package fingerprint

import "github.com/tlspeek/tlspeek/parser"

var methodJA4 = Method{
	Key:     "ja4",
	Title:   "JA4",
	Summary: "lists sorted: a permuted order does not change it",
	About:   "FoxIO (JA4.md of github.com/FoxIO-LLC/ja4): counts, and digests of the sorted cipher suites and of the sorted extensions with the signature algorithms.",
	Append:  ofHello(AppendJA4),
}

var methodJA4R = Method{
	Key:     "ja4_r",
	Title:   "JA4_r",
	Summary: "JA4 with its lists instead of their digests",
	About:   "FoxIO (JA4.md of github.com/FoxIO-LLC/ja4): JA4 with the sorted lists instead of their digests.",
	Full:    true,
	Lists:   true,
	Digest:  "ja4",
	Append:  ofHello(AppendJA4R),
}

var methodJA4O = Method{
	Key:     "ja4_o",
	Title:   "JA4_o",
	Summary: "JA4 in the order of the wire",
	About:   "FoxIO (JA4.md of github.com/FoxIO-LLC/ja4): JA4 of the lists in wire order, server_name and ALPN kept.",
	Full:    true,
	Lists:   true,
	Ordered: true,
	Form:    "ja4",
	Append:  ofHello(AppendJA4O),
}

var methodJA4RO = Method{
	Key:     "ja4_ro",
	Title:   "JA4_ro",
	Summary: "JA4_o with its lists instead of their digests",
	About:   "FoxIO (JA4.md of github.com/FoxIO-LLC/ja4): JA4_o with its lists instead of their digests.",
	Full:    true,
	Lists:   true,
	Ordered: true,
	Digest:  "ja4_o",
	Append:  ofHello(AppendJA4RO),
}

// JA4 returns the JA4 fingerprint of h, such as
// "t13d1516h2_8daaf6152771_e5627efa2ab1".
//
// It follows technical_details/JA4.md of github.com/FoxIO-LLC/ja4, and ignores GREASE
// in every list. Where that document leaves a choice:
//
//   - the version of a DTLS hello is the numerically highest offered, although
//     DTLS counts down, so DTLS 1.3 with 1.2 results in d2;
//   - a supported_versions extension without a version results in 00;
//   - a GREASE protocol in ALPN is skipped, as in every other list;
//   - if an extension comes twice, both are listed and the first is read;
//   - the list of a malformed extension is empty.
func JA4(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendJA4(buf[:0], h))
}

// AppendJA4 appends what [JA4] returns.
func AppendJA4(dst []byte, h *parser.ClientHello) []byte { return appendJA4(dst, h, true, true) }

// JA4R returns JA4_r: JA4 with its two lists instead of their digests.
func JA4R(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendJA4R(buf[:0], h))
}

// AppendJA4R appends what [JA4R] returns.
func AppendJA4R(dst []byte, h *parser.ClientHello) []byte { return appendJA4(dst, h, true, false) }

// JA4O returns JA4_o: JA4 with the lists in wire order, and with server_name and ALPN
// among the extensions.
func JA4O(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendJA4O(buf[:0], h))
}

// AppendJA4O appends what [JA4O] returns.
func AppendJA4O(dst []byte, h *parser.ClientHello) []byte { return appendJA4(dst, h, false, true) }

// JA4RO returns JA4_ro: JA4_o with its two lists instead of their digests.
func JA4RO(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendJA4RO(buf[:0], h))
}

// AppendJA4RO appends what [JA4RO] returns.
func AppendJA4RO(dst []byte, h *parser.ClientHello) []byte { return appendJA4(dst, h, false, false) }

func appendJA4(dst []byte, h *parser.ClientHello, sorted, hashed bool) []byte {
	if h.SSLv2 {
		return dst
	}
	var scratchSuites, scratchTypes [64]uint16
	suites := appendWithoutGREASE(scratchSuites[:0], h.CipherSuites)
	types := typesOf(h.Extensions, scratchTypes[:0])
	dst = appendJA4a(dst, h, len(suites), &types)
	if sorted {
		sortValues(suites)
	}

	dst = append(dst, '_')
	start := len(dst)
	dst = appendHexList(dst, suites)
	if hashed {
		dst = replaceByJA4Hash(dst, start)
	}

	dst = append(dst, '_')
	start = len(dst)
	if sorted {
		dst = types.appendWithoutSNIAndALPN(dst)
	} else {
		dst = appendHexList(dst, appendExtensionTypes(scratchTypes[:0], h))
	}
	if schemes := appendWithoutGREASE(scratchSuites[:0], h.SignatureAlgorithms); len(schemes) > 0 {
		dst = appendHexList(append(dst, '_'), schemes)
	}
	if hashed {
		dst = replaceByJA4Hash(dst, start)
	}
	return dst
}

// replaceByJA4Hash replaces what follows start by the first 12 hex digits of its
// SHA-256, or by zeros if nothing follows.
func replaceByJA4Hash(dst []byte, start int) []byte {
	if len(dst) == start {
		return append(dst, "000000000000"...)
	}
	return replaceBySHA256(dst, start, 12)
}

func appendJA4a(dst []byte, h *parser.ClientHello, suites int, types *typeSet) []byte {
	dst = append(append(dst, carrierLetter(h.Transport)), ja4Version(h)...)
	sni := byte('i')
	if types.has(parser.ExtServerName) {
		sni = 'd'
	}
	extensions := min(types.count, 99)
	suites = min(suites, 99)
	first, last := ja4ALPN(h.ALPNProtocols)
	return append(dst, sni,
		byte('0'+suites/10), byte('0'+suites%10),
		byte('0'+extensions/10), byte('0'+extensions%10),
		first, last)
}

func carrierLetter(t parser.Transport) byte {
	switch t {
	case parser.QUIC:
		return 'q'
	case parser.DTLS:
		return 'd'
	}
	return 't'
}

// ja4Version returns the highest version offered, as JA4 writes it.
func ja4Version(h *parser.ClientHello) string {
	v := h.LegacyVersion
	if h.HasExtension(parser.ExtSupportedVersions) {
		v = 0
		for _, offered := range h.SupportedVersions {
			if offered > v && !parser.IsGREASE(offered) {
				v = offered
			}
		}
	}
	return ja4VersionText(v)
}

// ja4VersionText returns a version as JA4 writes it.
func ja4VersionText(v parser.Version) string {
	switch v {
	case parser.VersionTLS13:
		return "13"
	case parser.VersionTLS12:
		return "12"
	case parser.VersionTLS11:
		return "11"
	case parser.VersionTLS10:
		return "10"
	case parser.VersionSSL30:
		return "s3"
	case parser.VersionSSL20:
		return "s2"
	case parser.VersionDTLS10:
		return "d1"
	case parser.VersionDTLS12:
		return "d2"
	case parser.VersionDTLS13:
		return "d3"
	}
	return "00"
}

// ja4ALPN returns the first and the last byte of the first protocol that is
// not GREASE. If one of the two is not alphanumeric in ASCII, it returns the
// first and the last digit of the protocol in hex.
func ja4ALPN(protocols [][]byte) (first, last byte) {
	for _, p := range protocols {
		if parser.IsGREASEALPN(p) {
			continue
		}
		if len(p) == 0 {
			break
		}
		first, last = p[0], p[len(p)-1]
		if !isAlphanumeric(first) || !isAlphanumeric(last) {
			const digits = "0123456789abcdef"
			return digits[first>>4], digits[last&15]
		}
		return first, last
	}
	return '0', '0'
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
