package known

import (
	"fmt"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// This file has the tells in the hello's lists: suites, groups, key shares, and
// the types of its extensions.

func tellDuplicateExtension(dst []Tell, v view) []Tell {
	if !v.extensions.mayRepeat {
		return dst
	}
	list := v.Hello.Extensions
	for i := range list[:min(len(list), 66)] {
		e := &list[i]
		if slices.ContainsFunc(list[:i], func(o parser.Extension) bool { return o.Type == e.Type }) {
			return append(dst, Tell{Field: "extensions", Offset: e.Offset,
				Found: fmt.Sprintf("%v (%04x) twice", e.Type, uint16(e.Type)), Expected: "each type once (RFC 8446, section 4.2)"})
		}
	}
	return dst
}

func tellDuplicateGroup(dst []Tell, v view) []Tell {
	h := v.Hello
	for i, g := range limit(h.SupportedGroups) {
		if slices.Contains(h.SupportedGroups[:i], g) {
			dst = append(dst, Tell{Field: "supported_groups", Offset: offsetOf(h, parser.ExtSupportedGroups),
				Found: fmt.Sprintf("%v (%04x) twice", g, uint16(g)), Expected: "each group once"})
			break
		}
	}
	for i, k := range limit(h.KeyShares) {
		if slices.ContainsFunc(h.KeyShares[:i], func(o parser.KeyShare) bool { return o.Group == k.Group }) {
			return append(dst, Tell{Field: "key_share", Offset: offsetOf(h, parser.ExtKeyShare),
				Found: fmt.Sprintf("two shares for %v (%04x)", k.Group, uint16(k.Group)), Expected: "one share for a group (RFC 8446, section 4.2.8)"})
		}
	}
	return dst
}

func tellKeyShareGroup(dst []Tell, v view) []Tell {
	h := v.Hello
	for _, k := range limit(h.KeyShares) {
		if !parser.IsGREASE(k.Group) && !slices.Contains(h.SupportedGroups, k.Group) {
			return append(dst, Tell{Field: "key_share", Offset: offsetOf(h, parser.ExtKeyShare),
				Found: fmt.Sprintf("a share for %v (%04x)", k.Group, uint16(k.Group)), Expected: "shares for groups of supported_groups (RFC 8446, section 4.2.8)"})
		}
	}
	return dst
}

func tellVersion(dst []Tell, v view) []Tell {
	h := v.Hello
	if offersLater(h) {
		return dst
	}
	for i, v := range h.CipherSuites {
		if v>>8 == 0x13 && !parser.IsGREASE(v) {
			return append(dst, Tell{Field: "cipher_suites", Offset: suiteOffset(h, i),
				Found: v.String(), Expected: "TLS 1.3 in supported_versions where its cipher suites are"})
		}
	}
	if e, ok := h.Extension(parser.ExtKeyShare); ok {
		return append(dst, Tell{Field: "key_share", Offset: e.Offset,
			Found: "key_share", Expected: "TLS 1.3 in supported_versions where its extensions are"})
	}
	return dst
}

func tellSCSV(dst []Tell, v view) []Tell {
	h := v.Hello
	return append(dst, Tell{Field: "cipher_suites", Offset: suiteOffset(h, slices.Index(h.CipherSuites, scsv)),
		Found: "a browser's cipher suites with 00ff", Expected: "the extension renegotiation_info; OpenSSL sends 00ff"})
}

// tellShuffled finds the suites of Go's crypto/tls in an order that it never
// uses: it puts those with CBC and SHA-256, and with RC4, last. No browser
// offers these without their counterparts with AES-256, which Go lacks.
//
// A list that a person wrote for a library with the same suites, such as Node's for
// BoringSSL in Bun, has the suites with ECDHE before the others.
func tellShuffled(dst []Tell, v view) []Tell {
	h := v.Hello
	if len(h.CipherSuites) < 8 || len(h.CipherSuites) > 32 {
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
	return append(dst, Tell{Field: "cipher_suites", Offset: suiteOffset(h, odd),
		Found:    fmt.Sprintf("%v before suites with ECDHE and AEAD", h.CipherSuites[odd]),
		Expected: "crypto/tls, whose suites these are, has it last; browsers do not have it"})
}

// tellSorted finds lists that were made from a text that had sorted them, such as
// the readable form of a JA4. It looks at hellos that may pass for a browser's:
// those with TLS 1.3 and HTTP/2.
func tellSorted(dst []Tell, v view) []Tell {
	h := v.Hello
	suites, extensions := ascending(h.CipherSuites), ascendingTypes(h.Extensions)
	if !suites && !extensions || len(h.CipherSuites) > 40 || !offers13(h) ||
		!slices.ContainsFunc(h.ALPNProtocols, func(name []byte) bool { return string(name) == "h2" }) {
		return dst
	}
	if suites {
		dst = append(dst, Tell{Field: "cipher_suites", Offset: suiteOffset(h, 0),
			Found: "cipher suites in numeric order", Expected: "an order of preference"})
	}
	if extensions {
		dst = append(dst, Tell{Field: "extensions", Offset: h.Extensions[0].Offset,
			Found: "extensions in numeric order", Expected: "an order of the library's own, or a random one"})
	}
	return dst
}

// ascending reports whether a list without GREASE has ten values or more and ascends.
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

// ascendingTypes is [ascending] for the types of extensions, without padding and
// pre_shared_key, whose place is at the end.
func ascendingTypes(list []parser.Extension) bool {
	n := 0
	last := parser.ExtensionType(0)
	for i := range list {
		t := list[i].Type
		if parser.IsGREASE(t) || t == parser.ExtPadding || t == parser.ExtPreSharedKey {
			continue
		}
		if t < last {
			return false
		}
		last = t
		n++
	}
	return n >= 10
}

// tellSchemes finds signature schemes that Chromium's network stack does not
// set in BoringSSL: net/socket/ssl_client_socket_impl.cc. In versions that had
// ALPS at 4469, net/socket/ssl_connect_job.cc tried again after a connection
// that failed, with BoringSSL's own list, which has 0201 at its end.
func tellSchemes(dst []Tell, v view) []Tell {
	h := v.Hello
	if !offers13(h) {
		return dst
	}
	for _, s := range limit(h.SignatureAlgorithms) {
		foreign := s>>8 < 4 && s != 0x0201 || s == 0x0603 || s >= 0x0807 && s <= 0x080b ||
			s == 0x0201 && (v.has(parser.ExtApplicationSettings) || hasMLDSA(h))
		if foreign && !parser.IsGREASE(s) {
			return append(dst, Tell{Field: "signature_algorithms", Offset: offsetOf(h, parser.ExtSignatureAlgorithms),
				Found: fmt.Sprintf("%v (%04x)", s, uint16(s)), Expected: "Chromium does not offer it"})
		}
	}
	return dst
}

// tellMixedEras finds two features of Chromium, one of which was dropped years before
// the other was added. Features that a flag switches on or off prove nothing.
func tellMixedEras(dst []Tell, v view) []Tell {
	h := v.Hello
	if v.has(parser.ExtEncryptedClientHello) && slices.Contains(h.SupportedVersions, parser.VersionTLS10) {
		return append(dst, Tell{Field: "supported_versions", Offset: offsetOf(h, parser.ExtSupportedVersions),
			Found: "TLS 1.0, with encrypted_client_hello", Expected: "TLS 1.0 to version 97, ECH from 115"})
	}
	return dst
}
