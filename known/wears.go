package known

import (
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// A browser is the browser whose shape a hello has: genuine or not.
type browser uint8

const (
	noBrowser browser = iota
	chromium
	firefox
	safari
	borrowed // a browser's cipher suites, and nothing else of it
)

// The cipher suites of browsers over TCP, in the order in which they send them
// on a machine with AES instructions; without, the same in another order.
var (
	chromiumSuites = [...]parser.CipherSuite{
		0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
		0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
		0x000a, // to version 80
	}
	firefoxSuites = [...]parser.CipherSuite{
		0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030,
		0xc00a, 0xc009, 0xc013, 0xc014, 0x0033, 0x0039, 0x009c, 0x009d, 0x002f, 0x0035, 0x000a,
	}
	safariSuites = [...]parser.CipherSuite{
		0x1301, 0x1302, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8,
		0xc024, 0xc023, 0xc00a, 0xc009, 0xc028, 0xc027, 0xc014, 0xc013, 0x009d, 0x009c,
		0x003d, 0x003c, 0x0035, 0x002f, 0xc008, 0xc012, 0x000a,
	}
)

// scsv is TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746), which OpenSSL appends to
// the cipher suites that it was told to offer. Browsers send the extension.
const scsv parser.CipherSuite = 0x00ff

// worn returns whose shape h has. It goes by the cipher suites, and by what
// the browser has and an ordinary client with its suites has not.
func worn(h *parser.ClientHello) browser {
	if h.Transport == parser.QUIC {
		if len(h.ApplicationSettings) > 0 {
			return chromium
		}
		return noBrowser
	}
	if h.Transport != parser.TLS || len(h.CipherSuites) > 32 {
		return noBrowser
	}
	var c, f, s, n int
	var greased, hasSCSV bool
	for _, v := range h.CipherSuites {
		switch {
		case parser.IsGREASE(v):
			greased = true
			continue
		case v == scsv:
			hasSCSV = true
			continue
		}
		n++
		if slices.Contains(chromiumSuites[:], v) {
			c++
		}
		if slices.Contains(firefoxSuites[:], v) {
			f++
		}
		if slices.Contains(safariSuites[:], v) {
			s++
		}
	}
	switch {
	case hasSCSV && (c == n && n >= 15 || f == n && n >= 16 || s == n && n >= 20) && has13(h):
		return borrowed
	case c == n && n >= 12 && (greased || h.HasExtension(parser.ExtCompressCertificate) || hasALPS(h)):
		return chromium
	case f == n && n >= 13 && !greased &&
		(h.HasExtension(parser.ExtRecordSizeLimit) || h.HasExtension(parser.ExtDelegatedCredential)):
		return firefox
	case s == n && n >= 13 && greased:
		return safari
	}
	return noBrowser
}

func has13(h *parser.ClientHello) bool {
	return slices.ContainsFunc(h.CipherSuites, func(v parser.CipherSuite) bool { return v>>8 == 0x13 })
}

func hasALPS(h *parser.ClientHello) bool {
	return h.HasExtension(parser.ExtApplicationSettings) || h.HasExtension(parser.ExtApplicationSettingsOld)
}

// offers13 reports whether TLS 1.3, a draft of it, or something later is offered.
func offers13(h *parser.ClientHello) bool {
	return slices.ContainsFunc(h.SupportedVersions, func(v parser.Version) bool {
		return v > parser.VersionTLS12 && !parser.IsGREASE(v)
	})
}

// name returns the browser's name, as it is in a sentence.
func (b browser) name() string {
	switch b {
	case chromium:
		return "Chromium"
	case firefox:
		return "Firefox"
	case safari:
		return "Safari"
	}
	return ""
}
