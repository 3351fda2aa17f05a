package known

import (
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// A browser is the browser whose shape a hello has, genuine or not.
type browser uint8

const (
	noBrowser browser = iota
	chromium
	firefox
	safari
	suitesOnly // a browser's cipher suites, and nothing else of it
)

// browsers is a set of browsers.
type browsers uint8

const (
	toChromium browsers = 1 << chromium
	toFirefox  browsers = 1 << firefox
	toSafari   browsers = 1 << safari
	anyBrowser          = toChromium | toFirefox | toSafari

	onlySuites browsers = 1 << suitesOnly
	anyClient           = 1<<noBrowser | anyBrowser | onlySuites
)

func (s browsers) has(b browser) bool { return s&(1<<b) != 0 }

// offeredBy returns the browsers that offer, or have offered, a cipher suite
// over TCP since TLS 1.3.
func offeredBy(v parser.CipherSuite) browsers {
	switch v {
	case 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9,
		0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035, 0x000a: // 000a in Chromium to version 80
		return anyBrowser
	case 0xc009, 0xc00a:
		return toFirefox | toSafari
	case 0x0033, 0x0039:
		return toFirefox
	case 0xc023, 0xc024, 0xc027, 0xc028, 0x003c, 0x003d, 0xc008, 0xc012:
		return toSafari
	}
	return 0
}

// scsv is TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746), which OpenSSL appends to
// the cipher suites that it is given. Browsers send the extension instead.
const scsv parser.CipherSuite = 0x00ff

// browserShapeOf returns the browser whose shape h has, or noBrowser.
//
// A hello has a browser's shape if that browser offers or has offered each of its
// cipher suites, if most of its other features point to that browser, and if it
// has something that an ordinary client with these suites lacks. No single
// feature decides: browsers add and drop suites, extensions and groups.
func browserShapeOf(h *parser.ClientHello) browser {
	if h.Transport == parser.QUIC {
		if len(h.ApplicationSettings) > 0 {
			return chromium
		}
		return noBrowser
	}
	if h.Transport != parser.TLS || len(h.CipherSuites) > 32 {
		return noBrowser
	}
	n, offered := 0, anyBrowser
	var greased, hasSCSV bool
	for _, v := range h.CipherSuites {
		switch {
		case parser.IsGREASE(v):
			greased = true
		case v == scsv:
			hasSCSV = true
		default:
			n++
			if offered &= offeredBy(v); offered == 0 {
				return noBrowser
			}
		}
	}
	if hasSCSV && h.CipherSuites[0] == 0x1301 &&
		(offered.has(chromium) && n >= 15 || offered.has(firefox) && n >= 16 || offered.has(safari) && n >= 20) {
		return suitesOnly
	}
	distinct := false
	b := pointsTo(h, greased)
	switch b {
	case chromium:
		distinct = hasALPS(h) || greased && hasBrotliOnly(h) || n >= 12 && (greased || h.HasExtension(parser.ExtCompressCertificate))
	case firefox:
		distinct = h.HasExtension(parser.ExtDelegatedCredential) ||
			h.HasExtension(parser.ExtRecordSizeLimit) && (n >= 13 || isNSS13(h))
	case safari:
		distinct = n >= 13 && greased
	}
	if !distinct || !offered.has(b) {
		return noBrowser
	}
	return b
}

// minLead is the number of features by which a browser must lead the others. One
// suite, extension, group or scheme more or less moves the lead by less than
// twice as much, so it cannot turn one browser's hello into another's.
const minLead = 2

// pointsTo returns the browser to which most features of h point, or noBrowser
// if none leads by minLead.
func pointsTo(h *parser.ClientHello, greased bool) browser {
	var points [safari + 1]int
	count := func(to browsers) {
		for b := chromium; b <= safari; b++ {
			if to.has(b) {
				points[b]++
			}
		}
	}
	choose := func(present bool, with, without browsers) {
		if present {
			count(with)
		} else {
			count(without)
		}
	}
	choose(greased, toChromium|toSafari, toFirefox)

	// NSS has ChaCha20 between AES-128 and AES-256, BoringSSL has it before or
	// after both; Apple prefers AES-256.
	place := func(a, b parser.CipherSuite) int {
		return slices.IndexFunc(h.CipherSuites, func(v parser.CipherSuite) bool { return v == a || v == b })
	}
	if aes128, aes256, chacha := place(0x1301, 0x1301), place(0x1302, 0x1302), place(0x1303, 0x1303); min(aes128, aes256, chacha) >= 0 {
		choose(aes128 < chacha && chacha < aes256, toFirefox, toChromium|toSafari)
	}
	if aes128, aes256, chacha := place(0xc02b, 0xc02f), place(0xc02c, 0xc030), place(0xcca9, 0xcca8); min(aes128, aes256, chacha) >= 0 {
		choose(aes128 < chacha && chacha < aes256, toFirefox, toChromium|toSafari)
		choose(aes256 < aes128, toSafari, toChromium|toFirefox)
		choose(place(0xc009, 0xc00a) >= 0, toFirefox|toSafari, toChromium)
	}

	if hasALPS(h) {
		count(toChromium)
		count(toChromium)
	}
	if h.HasExtension(parser.ExtRecordSizeLimit) {
		count(toFirefox)
	}
	if h.HasExtension(parser.ExtDelegatedCredential) {
		count(toFirefox)
	}
	switch list := h.CertificateCompressionAlgorithms; {
	case len(list) > 1:
		count(toFirefox)
	case hasBrotliOnly(h):
		count(toChromium)
	case len(list) == 1 && list[0] == 1:
		count(toSafari)
	}

	if len(h.SupportedGroups) > 0 {
		choose(slices.Contains(h.SupportedGroups, 0x0019), toFirefox|toSafari, toChromium)
		if slices.ContainsFunc(h.SupportedGroups, func(g parser.NamedGroup) bool { return g>>8 == 0x01 }) { // ffdhe
			count(toFirefox)
		}
	}
	if p521, pss := slices.Index(h.SignatureAlgorithms, 0x0603), slices.Index(h.SignatureAlgorithms, 0x0804); pss >= 0 {
		choose(p521 >= 0 && p521 < pss, toFirefox, toChromium|toSafari)
		if i := slices.Index(h.SignatureAlgorithms, 0x0805); i >= 0 && slices.Contains(h.SignatureAlgorithms[i+1:], 0x0805) {
			count(toSafari) // has had it twice since iOS 12
		}
	}

	best, second := noBrowser, 0
	for b := chromium; b <= safari; b++ {
		if best == noBrowser || points[b] > points[best] {
			second = points[best]
			best = b
		} else {
			second = max(second, points[b])
		}
	}
	if points[best]-second < minLead {
		return noBrowser
	}
	return best
}

func hasBrotliOnly(h *parser.ClientHello) bool {
	list := h.CertificateCompressionAlgorithms
	return len(list) == 1 && list[0] == 2
}

// isNSS13 reports whether TLS 1.3's suites come first, in the order of NSS, and
// there is a session id, which NSS's own tools do not send.
func isNSS13(h *parser.ClientHello) bool {
	list := h.CipherSuites
	return len(list) >= 3 && list[0] == 0x1301 && list[1] == 0x1303 && list[2] == 0x1302 && len(h.LegacySessionID) > 0
}

func hasALPS(h *parser.ClientHello) bool {
	return h.HasExtension(parser.ExtApplicationSettings) || h.HasExtension(parser.ExtApplicationSettingsOld)
}

// offers13 reports whether TLS 1.3 is offered. Its drafts had other rules and
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

// name returns the browser's name for a sentence.
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
