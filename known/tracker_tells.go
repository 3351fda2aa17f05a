package known

import (
	"fmt"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// appendRepeats appends the tells of a hello that repeats something.
func appendRepeats(dst []Tell, h *parser.ClientHello, r *repeats) []Tell {
	if r.orders == 0 && r.values < 2 && !r.run.isTell() && !r.random && !r.session && !r.foreign && !r.share && !r.ech || isSecond(h) {
		return dst
	}
	b := browserShapeOf(h)
	if !anyBrowser.has(b) {
		return dst
	}
	if b == chromium && isFrozen(h, r.orders) {
		dst = append(dst, Tell{Name: "frozen-order", Field: "extensions", Offset: h.Extensions[0].Offset,
			Found:    fmt.Sprintf("%d extensions in the order of an earlier connection", len(h.Extensions)),
			Expected: "a random order in each connection, since version 110"})
	}
	switch {
	case b == firefox:
	case r.values > 1:
		dst = append(dst, Tell{Name: "frozen-grease", Field: "cipher_suites", Offset: suiteOffset(h, 0),
			Found:    fmt.Sprintf("the GREASE values of %d earlier connections, the first %04x", r.values, uint16(h.CipherSuites[0])),
			Expected: "random GREASE values in each connection"})
	case r.run.isTell():
		dst = append(dst, Tell{Name: "narrow-grease", Field: "cipher_suites", Offset: suiteOffset(h, 0),
			Found: r.run.String(), Expected: "a random GREASE value in each place and each connection"})
	}
	return appendDrawnTwice(dst, h, r)
}

// isFrozen reports whether a hello of Chromium's shape has an order that so many
// earlier ones had, and that is random in Chromium.
func isFrozen(h *parser.ClientHello, orders int) bool {
	return orders > 0 && (orders > 1 || orderedExtensions(h) >= minOrdered) &&
		(hasALPS(h) || h.HasExtension(parser.ExtEncryptedClientHello)) && !isCanonical(h)
}

// appendDrawnTwice appends the tells of random bytes that an earlier hello had.
func appendDrawnTwice(dst []Tell, h *parser.ClientHello, r *repeats) []Tell {
	if r.random {
		dst = append(dst, Tell{Name: "repeated-random", Field: "random", Offset: 4 + 2,
			Found: "the random of an earlier connection, with another session ID and key share", Expected: "a random for each connection"})
	}
	if r.session && len(h.SessionTicket) == 0 {
		t := Tell{Name: "repeated-session-id", Field: "legacy_session_id", Offset: 4 + 2 + 32 + 1,
			Found: "the session ID of an earlier connection", Expected: "a random one for each connection"}
		if !h.HasExtension(parser.ExtPreSharedKey) && slices.Contains(h.SupportedVersions, parser.VersionTLS12) {
			t.Lead, t.Expected = true, "a random one for each connection, unless a session of TLS 1.2 is resumed"
		}
		dst = append(dst, t)
	}
	if r.foreign && browserShapeOf(h) == firefox {
		dst = append(dst, Tell{Name: "nss-session-id", Field: "legacy_session_id", Offset: 4 + 2 + 32 + 1, Lead: true,
			Found: "a session ID that does not follow from the random, as in an earlier connection with another one", Expected: "one that does, as NSS makes it, unless a session of TLS 1.2 is resumed"})
	}
	if r.share {
		dst = append(dst, Tell{Name: "repeated-key-share", Field: "key_share", Offset: offsetOf(h, parser.ExtKeyShare),
			Found: "the key of an earlier connection, the last of the list", Expected: "new keys for each connection"})
	}
	if r.ech {
		dst = append(dst, Tell{Name: "repeated-ech", Field: "encrypted_client_hello.enc", Offset: offsetOf(h, parser.ExtEncryptedClientHello),
			Found: "the public key of an earlier connection", Expected: "a new one for each connection, also in GREASE"})
	}
	return dst
}

// orderedExtensions returns the number of extensions whose order [readExtensions]
// hashes.
func orderedExtensions(h *parser.ClientHello) (n int) {
	for i := range h.Extensions {
		if t := h.Extensions[i].Type; !parser.IsGREASE(t) && (t >= 64 || transientExtensions>>t&1 == 0) {
			n++
		}
	}
	return n
}
