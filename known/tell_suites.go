package known

import (
	"fmt"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// This file has the tells in cipher suites and versions that no client of that kind has.

// tellUnregisteredSuites finds a hello that offers suites of which IANA has registered
// none: with those no handshake succeeds, and none is meant to. Tunnels that hide in
// what looks like TLS draw them at random.
//
// Suites for private use, those that were in use without being registered, and those
// that may be registered later say nothing: they may be all that a client offers.
func tellUnregisteredSuites(dst []Tell, v view) []Tell {
	h := v.Hello
	first, n := -1, 0 // of the suites that nobody uses
	for i, s := range h.CipherSuites {
		switch {
		case s.IsRegistered():
			return dst
		case parser.IsGREASE(s) || mayBeUsed(s):
		default:
			if first < 0 {
				first = i
			}
			n++
		}
	}
	if n == 0 {
		return dst
	}
	return append(dst, Tell{Field: "cipher_suites", Offset: suiteOffset(h, first),
		Found:    fmt.Sprintf("%04x, and no suite that is registered among %d", uint16(h.CipherSuites[first]), n),
		Expected: "suites of IANA's registry, or for private use"})
}

// mayBeUsed reports whether a suite that is not registered has been offered by some
// library all the same, lies in a range for private use, or in a block from which IANA
// has registered suites in recent years.
func mayBeUsed(s parser.CipherSuite) bool {
	switch s >> 8 {
	case 0x13, 0xc0, 0xc1, 0xcc, 0xd0, // TLS 1.3, ECC, GOST, ChaCha20-Poly1305 and its drafts, ECDHE_PSK
		0xe0,       // SM2 to SM4 (GB/T 38636)
		0xe4,       // Salsa20
		0xfe, 0xff: // private use; NSS's FIPS suites
		return true
	}
	return s >= 0x0047 && s <= 0x0066 || // drafts of ECC and of 56-bit export suites
		s >= 0x0080 && s <= 0x0083 || // GOST
		s >= 0x16b7 && s <= 0x16ba // CECPQ1 of BoringSSL
}

// tellQUICVersions finds what a browser offers over TCP for TLS 1.2 in a hello over QUIC,
// which has TLS 1.3 or later alone (RFC 9001, section 4.2). BoringSSL and NSS leave out the
// suites of versions that they do not offer. Older versions of crypto/tls, and so of
// quic-go, did not: the hello must have the shape of a browser's over TCP.
func tellQUICVersions(dst []Tell, v view) []Tell {
	h := v.Hello
	t := Tell{Field: "cipher_suites", Expected: "TLS 1.3 alone over QUIC (RFC 9001, section 4.2)"}
	if i := slices.IndexFunc(h.CipherSuites, func(s parser.CipherSuite) bool {
		return s>>8 != 0x13 && !parser.IsGREASE(s) && s.IsRegistered()
	}); i >= 0 {
		t.Offset, t.Found = suiteOffset(h, i), h.CipherSuites[i].String()
	} else if i := slices.IndexFunc(h.SupportedVersions, func(s parser.Version) bool {
		return s>>8 == 0x03 && s < parser.VersionTLS13
	}); i >= 0 {
		t.Field, t.Offset, t.Found = "supported_versions", offsetOf(h, parser.ExtSupportedVersions), h.SupportedVersions[i].String()
	} else {
		return dst
	}
	overTCP := *h
	overTCP.Transport = parser.TLS
	if b := shapeOf(&overTCP, v.extensions); b == noBrowser || b == suitesOnly {
		return dst
	}
	return append(dst, t)
}
