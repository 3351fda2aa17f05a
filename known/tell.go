package known

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// AppendTells appends to dst the tells that the observation shows. It allocates
// only for what it appends.
//
// Most are looked for only where a hello has a browser's shape: a GREASE value
// in a hello of curl is odd, but it imitates nobody. Each rests on what the
// browser's TLS stack always does, not on what was once seen of it.
//
//	duplicate-extension     an extension type twice (RFC 8446, section 4.2)
//	duplicate-group         a group twice in supported_groups or key_share
//	key-share-group         a key share for a group that is not offered (section 4.2.8)
//	no-tls13-version        TLS 1.3 suites or key shares, but no such version offered
//	shuffled-suites         the suites of Go's crypto/tls, shuffled as uTLS does
//	scsv                    a browser's suites, with OpenSSL's 00ff behind them
//	grease-extensions       not two GREASE extensions, the first empty, the last one zero byte
//	grease-key-share        another GREASE group in key_share than in supported_groups
//	grease-versions         GREASE suites, but no GREASE version
//	ech-aead                an AEAD for ECH that does not go with the order of the suites
//	ech-payload             a payload length that the browser's padding cannot give
//	alps                    application_settings for anything but the transport's HTTP
//	alpn-transport          HTTP/3 over TCP
//	signature-algorithms    schemes that the browser's library has not
//	foreign-extension       an extension that the browser's library has not
//	malformed-extension     an extension whose body is not as its RFC has it
//	missing-extension       none of an extension that the browser's library always sends
//	features-of-two-ages    features of which one came after the other was gone
//	sorted                  cipher suites or extensions in numeric order
//	record-size-limit       not the limit that Firefox sends
//	certificate-compression other algorithms than the browser's
//	point-formats           more than uncompressed points
//	compression-methods     more than none, with TLS 1.3 (RFC 8446, section 4.1.2)
//	session-id              none, with TLS 1.3 over TCP
//	padding                 not what pads to 512 bytes, or none where it is due
//	record-version          not 0301 on a first hello
//	http2-stack             the HTTP/2 settings of another program
func AppendTells(dst []Tell, o *Observation) []Tell {
	h := o.Hello
	if h == nil || h.SSLv2 {
		return dst
	}
	dst = tellDuplicates(dst, h)
	dst = tellShuffled(dst, h)
	dst = tellSorted(dst, h)
	b := browserShapeOf(h)
	switch b {
	case noBrowser:
		return dst
	case suitesOnly:
		return append(dst, Tell{"scsv", "cipher_suites", suiteOffset(h, slices.Index(h.CipherSuites, scsv)),
			"a browser's cipher suites with 00ff", "the extension renegotiation_info; OpenSSL sends 00ff"})
	}
	dst = tellVersion(dst, h)
	dst = tellKeyShares(dst, h)
	dst = tellALPN(dst, h)
	dst = tellForeign(dst, h, b)
	dst = tellMalformed(dst, h, b)
	dst = tellMissing(dst, h, b)
	dst = tellECH(dst, h, b)
	dst = tellCertificateCompression(dst, h, b)
	if h.Transport == parser.TLS {
		dst = tellLegacy(dst, o, b)
		dst = tellPadding(dst, o, b)
	}
	switch b {
	case chromium:
		dst = tellGREASE(dst, o)
		dst = tellALPS(dst, h)
		dst = tellSchemes(dst, h)
		dst = tellAges(dst, h)
	case safari:
		dst = tellGREASE(dst, o)
	case firefox:
		dst = tellRecordSizeLimit(dst, h)
	}
	return tellHTTP2(dst, o, b)
}

// suiteOffset returns the offset in the message of the i-th cipher suite.
func suiteOffset(h *parser.ClientHello, i int) int {
	n := 4 + 2 + 32 + 1 + len(h.LegacySessionID) + 2 + 2*i
	if h.Transport == parser.DTLS {
		n += 1 + len(h.Cookie)
	}
	return n
}

// offsetOf returns the offset in the message of an extension, or 0.
func offsetOf(h *parser.ClientHello, t parser.ExtensionType) int {
	e, _ := h.Extension(t)
	return e.Offset
}

func tellDuplicates(dst []Tell, h *parser.ClientHello) []Tell {
	var seen uint64 // by a hash of 6 bits
	for i := range h.Extensions {
		e := &h.Extensions[i]
		bit := uint64(1) << (uint32(e.Type) * 0x9e3779b1 >> 26)
		for j := 0; seen&bit != 0 && j < i; j++ {
			if h.Extensions[j].Type == e.Type {
				return append(dst, Tell{"duplicate-extension", "extensions", e.Offset,
					fmt.Sprintf("%v (%04x) twice", e.Type, uint16(e.Type)), "each type once (RFC 8446, section 4.2)"})
			}
		}
		seen |= bit
		if i > 64 {
			break
		}
	}
	for i, g := range limit(h.SupportedGroups) {
		if slices.Contains(h.SupportedGroups[:i], g) {
			dst = append(dst, Tell{"duplicate-group", "supported_groups", offsetOf(h, parser.ExtSupportedGroups),
				fmt.Sprintf("%v (%04x) twice", g, uint16(g)), "each group once"})
			break
		}
	}
	for i, k := range limit(h.KeyShares) {
		if slices.ContainsFunc(h.KeyShares[:i], func(o parser.KeyShare) bool { return o.Group == k.Group }) {
			return append(dst, Tell{"duplicate-group", "key_share", offsetOf(h, parser.ExtKeyShare),
				fmt.Sprintf("two shares for %v (%04x)", k.Group, uint16(k.Group)), "one share for a group (RFC 8446, section 4.2.8)"})
		}
	}
	return dst
}

// tellKeyShares finds shares for groups that are not offered.
func tellKeyShares(dst []Tell, h *parser.ClientHello) []Tell {
	for _, k := range limit(h.KeyShares) {
		if !parser.IsGREASE(k.Group) && !slices.Contains(h.SupportedGroups, k.Group) {
			return append(dst, Tell{"key-share-group", "key_share", offsetOf(h, parser.ExtKeyShare),
				fmt.Sprintf("a share for %v (%04x)", k.Group, uint16(k.Group)), "shares for groups of supported_groups (RFC 8446, section 4.2.8)"})
		}
	}
	return dst
}

func tellVersion(dst []Tell, h *parser.ClientHello) []Tell {
	if offersLater(h) {
		return dst
	}
	for i, v := range h.CipherSuites {
		if v>>8 == 0x13 && !parser.IsGREASE(v) {
			return append(dst, Tell{"no-tls13-version", "cipher_suites", suiteOffset(h, i),
				v.String(), "TLS 1.3 in supported_versions where its cipher suites are"})
		}
	}
	if e, ok := h.Extension(parser.ExtKeyShare); ok {
		return append(dst, Tell{"no-tls13-version", "key_share", e.Offset,
			"key_share", "TLS 1.3 in supported_versions where its extensions are"})
	}
	return dst
}

// tellShuffled looks for the suites of Go's crypto/tls in an order that it never
// has: it puts those with CBC and SHA-256, and with RC4, last. No browser
// offers them without their counterparts with AES-256, which Go has not.
//
// A list that a person wrote for a library with the same suites, as Node's for
// BoringSSL in Bun, has the suites with ECDHE before those without.
func tellShuffled(dst []Tell, h *parser.ClientHello) []Tell {
	if h.Transport != parser.TLS || len(h.CipherSuites) < 8 || len(h.CipherSuites) > 32 {
		return dst
	}
	odd := -1
	late, mixed, rsa := false, false, false
	for i, v := range h.CipherSuites {
		switch v {
		case 0x0005, 0x003c, 0xc007, 0xc011, 0xc023, 0xc027:
			if odd < 0 {
				odd = i
			}
		case 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9:
			late = late || odd >= 0
		case 0x000a, 0x002f, 0x0035, 0x009c, 0x009d, 0x1301, 0x1302, 0x1303,
			0xc009, 0xc00a, 0xc012, 0xc013, 0xc014:
		default:
			return dst // not one of Go's
		}
		ecdhe := v>>8 == 0xc0 || v>>8 == 0xcc
		mixed = mixed || ecdhe && rsa
		rsa = rsa || v>>8 == 0
	}
	if odd < 0 || !late || !mixed {
		return dst
	}
	return append(dst, Tell{"shuffled-suites", "cipher_suites", suiteOffset(h, odd),
		fmt.Sprintf("%v before suites with ECDHE and AEAD", h.CipherSuites[odd]),
		"crypto/tls, whose suites these are, has it last; browsers do not have it"})
}

func tellALPN(dst []Tell, h *parser.ClientHello) []Tell {
	if h.Transport != parser.TLS {
		return dst
	}
	for _, name := range h.ALPNProtocols {
		if bytes.HasPrefix(name, []byte("h3")) {
			return append(dst, Tell{"alpn-transport", "application_layer_protocol_negotiation", offsetOf(h, parser.ExtALPN),
				parser.Text(name) + " over TCP", "h3 over QUIC alone (RFC 9114, section 3.1)"})
		}
	}
	return dst
}

// tellSorted finds lists that were made from a text that had sorted them, such
// as the readable form of a JA4: in what may pass for a browser, with TLS 1.3
// and HTTP/2.
func tellSorted(dst []Tell, h *parser.ClientHello) []Tell {
	if h.Transport != parser.TLS || len(h.CipherSuites) > 40 || !offers13(h) ||
		!slices.ContainsFunc(h.ALPNProtocols, func(name []byte) bool { return string(name) == "h2" }) {
		return dst
	}
	if ascending(h.CipherSuites) {
		dst = append(dst, Tell{"sorted", "cipher_suites", suiteOffset(h, 0),
			"cipher suites in numeric order", "an order of preference"})
	}
	n := 0
	last := parser.ExtensionType(0)
	for i := range h.Extensions {
		t := h.Extensions[i].Type
		if parser.IsGREASE(t) || t == parser.ExtPadding || t == parser.ExtPreSharedKey {
			continue
		}
		if t < last {
			return dst
		}
		last = t
		n++
	}
	if n < 10 {
		return dst
	}
	return append(dst, Tell{"sorted", "extensions", h.Extensions[0].Offset,
		"extensions in numeric order", "an order of the library's own, or a random one"})
}

// ascending reports whether a list of ten values or more, less GREASE, ascends.
func ascending(list []parser.CipherSuite) bool {
	n := 0
	last := parser.CipherSuite(0)
	for _, v := range list {
		if parser.IsGREASE(v) {
			continue
		}
		if v < last {
			return false
		}
		last = v
		n++
	}
	return n >= 10
}

// tellMissing finds that an extension is missing which BoringSSL and NSS always
// send when they offer TLS 1.3 and TLS 1.2 over TCP. NSS leaves
// psk_key_exchange_modes out where it may keep no sessions, as in Tor Browser.
func tellMissing(dst []Tell, h *parser.ClientHello, b browser) []Tell {
	if h.Transport != parser.TLS || !offers13(h) || !slices.Contains(h.SupportedVersions, parser.VersionTLS12) {
		return dst
	}
	for _, t := range [...]parser.ExtensionType{
		parser.ExtSupportedGroups, parser.ExtECPointFormats, parser.ExtSignatureAlgorithms,
		parser.ExtExtendedMasterSecret, parser.ExtPSKKeyExchangeModes, parser.ExtKeyShare, parser.ExtRenegotiationInfo,
	} {
		if !h.HasExtension(t) && !(b == firefox && t == parser.ExtPSKKeyExchangeModes) {
			return append(dst, Tell{"missing-extension", "extensions", h.Extensions[0].Offset,
				fmt.Sprintf("no %v (%04x)", t, uint16(t)), b.name() + " always sends it"})
		}
	}
	return dst
}

// tellForeign finds extensions that the library of a browser cannot send.
func tellForeign(dst []Tell, h *parser.ClientHello, b browser) []Tell {
	for i := range h.Extensions {
		e := &h.Extensions[i]
		foreign := false
		switch e.Type {
		case parser.ExtEncryptThenMAC, parser.ExtStatusRequestV2, parser.ExtMaxFragmentLength, parser.ExtSRP:
			foreign = true // in no browser's library
		case parser.ExtRecordSizeLimit, parser.ExtPostHandshakeAuth:
			foreign = b != firefox
		case parser.ExtDelegatedCredential:
			foreign = b == safari
		case parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld, parser.ExtTrustAnchors:
			foreign = b != chromium
		}
		if foreign {
			dst = append(dst, Tell{"foreign-extension", "extensions", e.Offset,
				fmt.Sprintf("%v (%04x)", e.Type, uint16(e.Type)), b.name() + " does not send it"})
		}
	}
	return dst
}

// tellMalformed finds the first extension whose body is not as it should be.
func tellMalformed(dst []Tell, h *parser.ClientHello, b browser) []Tell {
	for i := range h.Extensions {
		if e := &h.Extensions[i]; e.Err != nil {
			return append(dst, Tell{"malformed-extension", "extensions", e.Offset,
				fmt.Sprintf("%v (%04x): %v", e.Type, uint16(e.Type), e.Err), b.name() + " sends none"})
		}
	}
	return dst
}
