package known

import (
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// A Tell is a sign that a hello was not made by the client whose shape it has, with
// the evidence. Found and Expected are phrases in English.
type Tell struct {
	Name     string `json:"name"`             // one of [TellKinds], or of those that a [Tracker] finds
	Field    string `json:"field"`            // its name in the tree of [parser.Dissect], http2, http2_wire or http3
	Offset   int    `json:"offset,omitempty"` // in the handshake message; 0, where msg_type is, if the evidence has no single place
	Found    string `json:"found"`            // what the hello has there
	Expected string `json:"expected"`         // what the genuine client has there

	// Novel is set if the client may be a version that is newer than those that are
	// known, and does this now. Then the tell is no evidence; see [IsEvidence].
	Novel bool `json:"novel,omitempty"`

	// Lead is set if genuine clients are not known well enough to tell it from what
	// some of them do. Then it is something to look into, and no evidence.
	Lead bool `json:"lead,omitempty"`
}

// IsEvidence reports whether t is evidence that another client made the hello.
func (t *Tell) IsEvidence() bool { return !t.Novel && !t.Lead }

// A tellRow is one kind of tell. To add one, write its find function in a file
// and add a row to tells.
type tellRow struct {
	name   string
	nature nature
	doc    string // one line, for documentation

	// browsers are those in whose shape the tell is looked for: anyClient for what
	// no TLS stack at all sends.
	browsers   browsers
	transports transports

	// find appends the evidence as tells without a name.
	find func(dst []Tell, v view) []Tell
}

// transports is a set of transports.
type transports uint8

const (
	overTLS  transports = 1 << parser.TLS
	overQUIC transports = 1 << parser.QUIC
	overAny             = overTLS | overQUIC | 1<<parser.DTLS
)

func (s transports) has(t parser.Transport) bool { return s&(1<<t) != 0 }

// tells has a row for each kind of tell, in the order in which they are reported:
// first those for any client. Each rests on what a TLS stack always does, not on what
// it was seen to do. A contradiction stays one in all versions of a browser; a novelty
// may be what a later version does. Most are looked for only in a browser's shape: GREASE in a hello
// of curl is unusual, but imitates no other client.
var tells = [...]tellRow{
	{"duplicate-extension", contradiction, "an extension type twice (RFC 8446, section 4.2)", anyClient, overAny, tellDuplicateExtension},
	{"duplicate-group", contradiction, "a group twice in supported_groups or key_share", anyClient, overAny, tellDuplicateGroup},
	{"shuffled-suites", contradiction, "the suites of Go's crypto/tls, shuffled as uTLS does", anyClient, overTLS, tellShuffled},
	{"sorted", contradiction, "cipher suites or extensions in numeric order", anyClient, overTLS, tellSorted},
	{"unregistered-suites", contradiction, "cipher suites of which IANA has registered none", anyClient, overAny, tellUnregisteredSuites},
	{"quic-versions", contradiction, "a browser's suites or versions of TLS 1.2, over QUIC (RFC 9001, section 4.2)", anyClient, overQUIC, tellQUICVersions},
	{"scsv", contradiction, "a browser's suites, with OpenSSL's 00ff behind them", onlySuites, overTLS, tellSCSV},
	{"no-tls13-version", contradiction, "TLS 1.3 suites or key shares, but no such version offered", anyBrowser, overAny, tellVersion},
	{"key-share-group", contradiction, "a key share for a group that is not offered (RFC 8446, section 4.2.8)", anyBrowser, overAny, tellKeyShareGroup},
	{"alpn-transport", contradiction, "HTTP/3 over TCP", anyBrowser, overTLS, tellALPN},
	{"foreign-extension", novelty, "an extension that the browser's library does not have", anyBrowser, overAny, tellForeign},
	{"malformed-extension", contradiction, "an extension whose body violates its RFC", anyBrowser, overAny, tellMalformed},
	{"missing-extension", novelty, "an extension is absent that the browser's library always sends", anyBrowser, overTLS, tellMissing},
	{"ech-aead", novelty, "an AEAD for ECH that does not go with the order of the suites", anyBrowser, overAny, tellECHAEAD},
	{"ech-payload", novelty, "a payload length that the browser's padding cannot give", anyBrowser, overAny, tellECHPayload},
	{"certificate-compression", novelty, "algorithms other than the browser's", toChromium | toSafari, overAny, tellCertificateCompression},
	{"point-formats", novelty, "more than uncompressed points", anyBrowser, overTLS, tellPointFormats},
	{"session-id", novelty, "none, with TLS 1.3 over TCP", anyBrowser, overTLS, tellSessionID},
	{"compression-methods", contradiction, "more than null, with TLS 1.3 (RFC 8446, section 4.1.2)", anyBrowser, overTLS, tellCompressionMethods},
	{"record-version", novelty, "not 0301 on a first hello", anyBrowser, overTLS, tellRecordVersion},
	{"padding", novelty, "padding not to 512 bytes, or none where it is due", anyBrowser, overTLS, tellPadding},
	{"grease-extensions", novelty, "not two GREASE extensions, the first empty, the last one zero byte", toChromium | toSafari, overTLS, tellGREASEExtensions},
	{"grease-versions", novelty, "GREASE suites, but no GREASE version", toChromium | toSafari, overTLS, tellGREASEVersions},
	{"grease-key-share", novelty, "another GREASE group in key_share than in supported_groups", toChromium | toSafari, overTLS, tellGREASEKeyShare},
	{"alps", novelty, "application_settings for anything but the transport's HTTP", toChromium, overAny, tellALPS},
	{"trust-anchors", novelty, "ids in trust_anchors that are no relative object identifiers, or twice the same", toChromium, overAny, tellTrustAnchors},
	{"signature-algorithms", novelty, "schemes that the browser does not offer", toChromium, overTLS, tellSchemes},
	{"mixed-eras", contradiction, "features of which one was gone when the other came", toChromium, overAny, tellMixedEras},
	{"known-order", contradiction, "the order of extensions that an imitation has in its code, and Chromium draws at random", toChromium, overTLS, tellKnownOrder},
	{"record-size-limit", novelty, "not the limit that Firefox sends", toFirefox, overAny, tellRecordSizeLimit},
	{"hybrid-share", novelty, "Firefox's X25519 key differs between its shares, or Chromium's is the same in both", toChromium | toFirefox, overAny, tellHybridShare},
	{"http2-stack", contradiction, "the HTTP/2 settings of another program", anyBrowser, overAny, tellHTTP2},
	{"http2-settings", novelty, "HTTP/2 settings without one that the browser has sent in each version", toChromium | toFirefox, overAny, tellHTTP2Settings},
	{"http2-order", novelty, "another order of the pseudo-headers than the browser's", anyBrowser, overAny, tellHTTP2Order},
	{"http2-encoding", novelty, "HTTP/2 frames or fields encoded in another way than Chromium's", toChromium, overAny, tellHTTP2Encoding},
	{"http2-writing", lead, "HTTP/2 written in another way than the browser's", toChromium | toFirefox, overAny, tellHTTP2Writing},
	{"http3-stack", contradiction, "the HTTP/3 settings of another program", anyBrowser, overQUIC, tellHTTP3},
	{"http3-order", novelty, "another order of the pseudo-headers over HTTP/3 than the browser's", toChromium | toFirefox, overQUIC, tellHTTP3Order},
}

// A TellKind describes one kind of [Tell].
type TellKind struct {
	Name string // as in [Tell.Name]
	Doc  string // one line

	// Novelty is set if a later version of a browser may do what the tell shows, so
	// that [Tell.Novel] may be set. Otherwise it is a contradiction in each version.
	Novelty bool

	// Lead is set if the tell is no evidence in any version: [Tell.Lead] is set.
	Lead bool
}

// TellKinds returns the kinds of tells that [AppendTells] looks for, in the order in
// which it reports them. The caller owns the list.
func TellKinds() []TellKind {
	list := make([]TellKind, len(tells))
	for i := range tells {
		list[i] = TellKind{tells[i].name, tells[i].doc, tells[i].nature == novelty, tells[i].nature == lead}
	}
	return list
}

// AppendTells appends to dst the tells of the observation; see [TellKinds]. A hello in
// SSLv2 format has none. It allocates only for what it appends, keeps nothing of o, and
// may be called by several goroutines at once.
func AppendTells(dst []Tell, o *Observation) []Tell { return current.appendTells(dst, o) }

func (k *knowledge) appendTells(dst []Tell, o *Observation) []Tell {
	h := o.Hello
	if h == nil || h.SSLv2 || h.Transport >= numTransports {
		return dst
	}
	v := view{Observation: o, extensions: extensionsOf(h)}
	v.browser = shapeOf(h, v.extensions)
	asked, novel := false, false // isNovel is the same for all novelties, and allocates
	for _, row := range tellsFor[v.browser][h.Transport] {
		n := len(dst)
		dst = row.find(dst, v)
		if n < len(dst) && row.nature == novelty && !asked {
			asked, novel = true, k.isNovel(v)
		}
		for ; n < len(dst); n++ {
			dst[n].Name, dst[n].Novel, dst[n].Lead = row.name, novel && row.nature == novelty, row.nature == lead
		}
	}
	return dst
}

const (
	numBrowsers   = suitesOnly + 1
	numTransports = parser.DTLS + 1
)

// tellsFor has the rows that are looked for, by browser and transport.
var tellsFor = selectTells()

func selectTells() (selected [numBrowsers][numTransports][]*tellRow) {
	for b := range numBrowsers {
		for t := range numTransports {
			for i := range tells {
				if row := &tells[i]; row.browsers.has(b) && row.transports.has(t) {
					selected[b][t] = append(selected[b][t], row)
				}
			}
		}
	}
	return selected
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

// isSecond reports whether the hello answers a HelloRetryRequest.
func (o *Observation) isSecond() bool { return o.Index > 1 || isSecond(o.Hello) }

// mayBeSecond reports whether the hello answers a HelloRetryRequest, or may do so
// in a capture that lacks the first one: it has GREASE among the groups and a
// single key share, which is not GREASE, and its record does not say that it is
// the first.
func (o *Observation) mayBeSecond() bool { return o.isSecond() || o.looksSecond() }

// looksSecond is mayBeSecond for a hello without a cookie and an index.
func (o *Observation) looksSecond() bool {
	h := o.Hello
	return o.RecordVersion != parser.VersionTLS10 &&
		len(h.KeyShares) == 1 && !parser.IsGREASE(h.KeyShares[0].Group) &&
		slices.ContainsFunc(h.SupportedGroups, parser.IsGREASE[parser.NamedGroup])
}
