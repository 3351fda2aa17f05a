package known

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/parser"
)

// TestWhereTellsAreLookedFor lists the tells by what they rest on, and names one
// that is not looked for in a browser's shape over a transport, or in too many.
func TestWhereTellsAreLookedFor(t *testing.T) {
	always := []string{"duplicate-extension", "duplicate-group", "unregistered-suites"} // no TLS stack sends these
	overTCP := []string{"shuffled-suites", "sorted"}                                    // of whole lists, which are long over TCP only
	anyTransport := []string{"no-tls13-version", "key-share-group", "foreign-extension", "malformed-extension", "ech-aead", "ech-payload", "http2-stack", "http2-order"}
	hasKeys := []string{"hybrid-share", "http2-settings", "http2-writing"} // Safari's keys are not known, nor how it writes
	overHTTP3, http3Order := []string{"http3-stack"}, []string{"http3-order"}
	browsersOverTCP := []string{ // of what browsers send over TCP, or leave out there
		"alpn-transport", "missing-extension", "point-formats", "session-id", "compression-methods", "record-version", "padding",
	}
	boringSSL := []string{"grease-extensions", "grease-versions", "grease-key-share"} // Chromium sends no GREASE over QUIC
	for b, want := range map[browser]struct{ anywhere, tls []string }{
		noBrowser:  {always, overTCP},
		suitesOnly: {always, append([]string{"scsv"}, overTCP...)},
		chromium: {
			slices.Concat(always, anyTransport, hasKeys, []string{"certificate-compression", "alps", "mixed-eras", "trust-anchors", "http2-encoding"}),
			slices.Concat(overTCP, browsersOverTCP, boringSSL, []string{"signature-algorithms", "known-order"}),
		},
		firefox: {
			slices.Concat(always, anyTransport, hasKeys, []string{"record-size-limit"}),
			slices.Concat(overTCP, browsersOverTCP),
		},
		safari: {
			slices.Concat(always, anyTransport, []string{"certificate-compression"}),
			slices.Concat(overTCP, browsersOverTCP, boringSSL),
		},
	} {
		for transport := range numTransports {
			names := want.anywhere
			switch {
			case transport == parser.TLS:
				names = slices.Concat(want.anywhere, want.tls)
			case transport == parser.QUIC && b.name() != "" && b != suitesOnly:
				names = slices.Concat(want.anywhere, overHTTP3)
				if b != safari {
					names = append(names, http3Order...)
				}
			}
			if transport == parser.QUIC {
				names = slices.Concat(names, []string{"quic-versions"}) // of a browser's shape over TCP
			}
			var got []string
			for _, row := range tellsFor[b][transport] {
				got = append(got, row.name)
			}
			assert.ElementsMatch(t, names, got, "in the shape of %q over %s", b.name(), transport)
		}
	}
}
