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

// offeredBy returns the set of browsers, as bits of 1<<browser, that offer or
// have offered a cipher suite over TCP since TLS 1.3.
func offeredBy(v parser.CipherSuite) int {
	switch v {
	case 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9,
		0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035, 0x000a: // 000a in Chromium to version 80
		return 1<<chromium | 1<<firefox | 1<<safari
	case 0xc009, 0xc00a:
		return 1<<firefox | 1<<safari
	case 0x0033, 0x0039:
		return 1 << firefox
	case 0xc023, 0xc024, 0xc027, 0xc028, 0x003c, 0x003d, 0xc008, 0xc012:
		return 1 << safari
	}
	return 0
}

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
	n, all := 0, 1<<chromium|1<<firefox|1<<safari
	var greased, hasSCSV bool
	for _, v := range h.CipherSuites {
		switch {
		case parser.IsGREASE(v):
			greased = true
		case v == scsv:
			hasSCSV = true
		default:
			n++
			if all &= offeredBy(v); all == 0 {
				return noBrowser
			}
		}
	}
	c, f, s := all&(1<<chromium) != 0, all&(1<<firefox) != 0, all&(1<<safari) != 0
	brotli := len(h.CertificateCompressionAlgorithms) == 1 && h.CertificateCompressionAlgorithms[0] == 2
	switch {
	case hasSCSV && h.CipherSuites[0] == 0x1301 && (c && n >= 15 || f && n >= 16 || s && n >= 20):
		return borrowed
	case c && (hasALPS(h) || greased && brotli || n >= 12 && (greased || h.HasExtension(parser.ExtCompressCertificate))):
		return chromium
	case f && !greased && (h.HasExtension(parser.ExtDelegatedCredential) ||
		h.HasExtension(parser.ExtRecordSizeLimit) && (n >= 13 || isNSS13(h))):
		return firefox
	case s && n >= 13 && greased && !h.HasExtension(parser.ExtRecordSizeLimit) && !h.HasExtension(parser.ExtDelegatedCredential):
		return safari // NSS has GREASE, too, where it is told to, and in other places
	}
	return noBrowser
}

// isNSS13 reports whether TLS 1.3's suites come first, in the order of NSS, and
// there is a session id, without which NSS's own tools are.
func isNSS13(h *parser.ClientHello) bool {
	list := h.CipherSuites
	return len(list) >= 3 && list[0] == 0x1301 && list[1] == 0x1303 && list[2] == 0x1302 && len(h.LegacySessionID) > 0
}

func hasALPS(h *parser.ClientHello) bool {
	return h.HasExtension(parser.ExtApplicationSettings) || h.HasExtension(parser.ExtApplicationSettingsOld)
}

// offers13 reports whether TLS 1.3 is offered. Its drafts had other rules, and
// other code points.
func offers13(h *parser.ClientHello) bool {
	return slices.Contains(h.SupportedVersions, parser.VersionTLS13)
}

// offersLater reports whether TLS 1.3, a draft of it, or something later is
// offered.
func offersLater(h *parser.ClientHello) bool {
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
