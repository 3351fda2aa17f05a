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

// A suite says what a cipher suite tells about browsers.
type suite struct {
	offered browsers // that offer it, or have offered it, over TCP since TLS 1.3
	kind    suiteKind
}

// A suiteKind is a kind of cipher suites whose place in the list is a feature.
type suiteKind uint8

const (
	otherSuite  suiteKind = iota
	tls13AES128           // the suites of TLS 1.3
	tls13AES256
	tls13ChaCha
	tls12AES128 // those of TLS 1.2 with ECDHE and AEAD
	tls12AES256
	tls12ChaCha
	ecdsaCBC // TLS_ECDHE_ECDSA_WITH_AES_*_CBC_SHA
	numSuiteKinds
)

// suiteOf returns what v tells. No browser offers v if offered is empty.
func suiteOf(v parser.CipherSuite) suite {
	switch v {
	case 0x1301:
		return suite{anyBrowser, tls13AES128}
	case 0x1302:
		return suite{anyBrowser, tls13AES256}
	case 0x1303:
		return suite{anyBrowser, tls13ChaCha}
	case 0xc02b, 0xc02f:
		return suite{anyBrowser, tls12AES128}
	case 0xc02c, 0xc030:
		return suite{anyBrowser, tls12AES256}
	case 0xcca8, 0xcca9:
		return suite{anyBrowser, tls12ChaCha}
	case 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035, 0x000a: // 000a in Chromium to version 80
		return suite{anyBrowser, otherSuite}
	case 0xc009, 0xc00a:
		return suite{toFirefox | toSafari, ecdsaCBC}
	case 0x0033, 0x0039:
		return suite{toFirefox, otherSuite}
	case 0xc023, 0xc024, 0xc027, 0xc028, 0x003c, 0x003d, 0xc008, 0xc012:
		return suite{toSafari, otherSuite}
	}
	return suite{}
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
func browserShapeOf(h *parser.ClientHello) browser { return shapeOf(h, extensionsOf(h)) }

// shapeOf is [browserShapeOf] of a hello whose extensions are known.
func shapeOf(h *parser.ClientHello, has extensionSet) browser {
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
	var places suitePlaces
	for i, v := range h.CipherSuites {
		switch {
		case parser.IsGREASE(v):
			greased = true
		case v == scsv:
			hasSCSV = true
		default:
			n++
			s := suiteOf(v)
			if offered &= s.offered; offered == 0 {
				return noBrowser
			}
			if places[s.kind] == 0 {
				places[s.kind] = uint8(i + 1)
			}
		}
	}
	if hasSCSV && h.CipherSuites[0] == 0x1301 &&
		(offered.has(chromium) && n >= 15 || offered.has(firefox) && n >= 16 || offered.has(safari) && n >= 20) {
		return suitesOnly
	}
	distinct := false
	b := pointsTo(h, has, &places, greased)
	switch b {
	case chromium:
		distinct = has.hasAny(alps) || greased && hasBrotliOnly(h) || n >= 12 && (greased || has.hasAny(compressCertificate))
	case firefox:
		distinct = has.hasAny(delegatedCredential) ||
			has.hasAny(recordSizeLimit) && (n >= 13 || isNSS13(h))
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

var (
	alps                = bitsOf(parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld)
	compressCertificate = bitsOf(parser.ExtCompressCertificate)
	delegatedCredential = bitsOf(parser.ExtDelegatedCredential)
	recordSizeLimit     = bitsOf(parser.ExtRecordSizeLimit)
)

// suitePlaces has the place of the first suite of each kind, counted from 1, and 0
// for a kind that is not offered.
type suitePlaces [numSuiteKinds]uint8

// pointsTo returns the browser to which most features of h point, or noBrowser
// if none leads by minLead.
func pointsTo(h *parser.ClientHello, has extensionSet, places *suitePlaces, greased bool) browser {
	var points points
	points.choose(greased, toChromium|toSafari, toFirefox)

	// NSS has ChaCha20 between AES-128 and AES-256, BoringSSL has it before or
	// after both; Apple prefers AES-256.
	if aes128, aes256, chacha := places[tls13AES128], places[tls13AES256], places[tls13ChaCha]; min(aes128, aes256, chacha) > 0 {
		points.choose(aes128 < chacha && chacha < aes256, toFirefox, toChromium|toSafari)
	}
	if aes128, aes256, chacha := places[tls12AES128], places[tls12AES256], places[tls12ChaCha]; min(aes128, aes256, chacha) > 0 {
		points.choose(aes128 < chacha && chacha < aes256, toFirefox, toChromium|toSafari)
		points.choose(aes256 < aes128, toSafari, toChromium|toFirefox)
		points.choose(places[ecdsaCBC] > 0, toFirefox|toSafari, toChromium)
	}

	if has.hasAny(alps) {
		points.add(toChromium)
		points.add(toChromium)
	}
	if has.hasAny(recordSizeLimit) {
		points.add(toFirefox)
	}
	if has.hasAny(delegatedCredential) {
		points.add(toFirefox)
	}
	switch list := h.CertificateCompressionAlgorithms; {
	case len(list) > 1:
		points.add(toFirefox)
	case hasBrotliOnly(h):
		points.add(toChromium)
	case len(list) == 1 && list[0] == 1:
		points.add(toSafari)
	}

	if len(h.SupportedGroups) > 0 {
		points.choose(slices.Contains(h.SupportedGroups, 0x0019), toFirefox|toSafari, toChromium)
		if slices.ContainsFunc(h.SupportedGroups, func(g parser.NamedGroup) bool { return g>>8 == 0x01 }) { // ffdhe
			points.add(toFirefox)
		}
	}
	if p521, pss := slices.Index(h.SignatureAlgorithms, 0x0603), slices.Index(h.SignatureAlgorithms, 0x0804); pss >= 0 {
		points.choose(p521 >= 0 && p521 < pss, toFirefox, toChromium|toSafari)
		if i := slices.Index(h.SignatureAlgorithms, 0x0805); i >= 0 && slices.Contains(h.SignatureAlgorithms[i+1:], 0x0805) {
			points.add(toSafari) // has had it twice since iOS 12
		}
	}

	return points.leader()
}

// points counts features by browser, in 8 bits each.
type points uint32

// pointsOf has a point for each browser of a set.
var pointsOf = [anyBrowser + 1]points{
	toChromium: 1 << (8 * chromium), toFirefox: 1 << (8 * firefox), toSafari: 1 << (8 * safari),
	toChromium | toFirefox: 1<<(8*chromium) | 1<<(8*firefox),
	toChromium | toSafari:  1<<(8*chromium) | 1<<(8*safari),
	toFirefox | toSafari:   1<<(8*firefox) | 1<<(8*safari),
	anyBrowser:             1<<(8*chromium) | 1<<(8*firefox) | 1<<(8*safari),
}

func (p *points) add(to browsers) { *p += pointsOf[to] }

// choose adds points for a feature that is present, or for its absence.
func (p *points) choose(present bool, with, without browsers) {
	if present {
		p.add(with)
	} else {
		p.add(without)
	}
}

func (p points) of(b browser) int { return int(p >> (8 * b) & 0xff) }

// leader returns the browser that leads the others by minLead, or noBrowser.
func (p points) leader() browser {
	best, second := chromium, 0
	for b := firefox; b <= safari; b++ {
		if p.of(b) > p.of(best) {
			second = p.of(best)
			best = b
		} else {
			second = max(second, p.of(b))
		}
	}
	if p.of(best)-second < minLead {
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

// appleFamily is the family of programs with the TLS stack of Apple's systems, which is
// that of Safari, too, and of other browsers on iOS.
const appleFamily = "Apple"

// has reports whether the clients of a family send what b sends.
func (b browser) has(family string) bool {
	return family == b.name() || b == safari && family == appleFamily
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
