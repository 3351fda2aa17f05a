package known

import (
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// ReleasesDate is the newest date in known/releases.jsonl, which says what versions of
// browsers have, and when they were released.
const ReleasesDate = releasesDate

// versionBounds are the first and the last version of a browser that have a feature;
// 0 means no bound.
type versionBounds struct{ since, until int }

// A versionFeature is a feature that not all versions of a browser have.
type versionFeature struct {
	browser browser
	name    string
	present func(o *Observation) bool
}

// versionFeatures are the features that can refute a claimed version. featureBounds, from
// known/releases.jsonl, has the bounds of each, in the same order.
//
// A flag, a policy or a preference can bring back a feature that a browser has dropped.
// So these features have no upper bound: application_settings at 4469
// (UseNewAlpsCodepointHttp2 and UseNewAlpsCodepointQUIC), suites of Firefox
// (security.ssl3.*), its HTTP/2 priority tree (network.http.http2.enabled.deps). Nor have
// features of Safari, as on macOS a new Safari has the TLS and HTTP/2 of an older system, but
// for one that no system has had for years.
var versionFeatures = [...]versionFeature{
	{chromium, "trust_anchors", func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtTrustAnchors)
	}},
	{chromium, "ids in trust_anchors", func(o *Observation) bool {
		e, _ := o.Hello.Extension(parser.ExtTrustAnchors)
		return len(e.Data) > 2
	}},
	{chromium, "ML-DSA among the signature algorithms", func(o *Observation) bool {
		return hasMLDSA(o.Hello)
	}},
	{chromium, "no ML-DSA among the signature algorithms", func(o *Observation) bool {
		return o.Hello.Transport == parser.TLS && !hasMLDSA(o.Hello)
	}},
	{chromium, "application_settings at 44cd", func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtApplicationSettings)
	}},
	{chromium, "X25519MLKEM768", func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedGroups, 0x11ec)
	}},
	{chromium, "X25519Kyber768Draft00", func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedGroups, 0x6399)
	}},
	{chromium, "encrypted_client_hello", func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtEncryptedClientHello)
	}},
	{chromium, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", func(o *Observation) bool {
		return slices.Contains(o.Hello.CipherSuites, 0x000a)
	}},
	{chromium, "TLS 1.0 among the versions", func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedVersions, parser.VersionTLS10)
	}},
	{chromium, "extensions in a fixed order", func(o *Observation) bool { return hasFixedOrder(o.Hello) }},
	{chromium, "channel_id", func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtChannelID)
	}},
	{chromium, "HTTP/2 settings without ENABLE_PUSH", func(o *Observation) bool {
		return isChromiumHTTP2(o.HTTP2) && !strings.Contains(o.HTTP2, ";2:0;")
	}},
	{chromium, "HTTP/2 settings with MAX_CONCURRENT_STREAMS", func(o *Observation) bool {
		return isChromiumHTTP2(o.HTTP2) && strings.Contains(o.HTTP2, ";3:1000;")
	}},
	{chromium, "HTTP/2 settings without MAX_CONCURRENT_STREAMS", func(o *Observation) bool {
		return isChromiumHTTP2(o.HTTP2) && !strings.Contains(o.HTTP2, ";3:1000;")
	}},
	{firefox, "X25519MLKEM768", func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedGroups, 0x11ec)
	}},
	{safari, "X25519MLKEM768", func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedGroups, 0x11ec)
	}},
	{safari, "no TLS 1.3", func(o *Observation) bool {
		// A second attempt after a failure says that it is one.
		return o.Hello.Transport == parser.TLS && !slices.Contains(o.Hello.SupportedVersions, parser.VersionTLS13) &&
			!slices.Contains(o.Hello.CipherSuites, 0x5600) // TLS_FALLBACK_SCSV
	}},
	{safari, "HTTP/2 settings with NO_RFC7540_PRIORITIES", func(o *Observation) bool {
		s := stackOf(o.HTTP2)
		return s != nil && s.browser == safari && strings.Contains(o.HTTP2, ";9:1")
	}},
}

// hasMLDSA reports whether h offers ML-DSA-44 as a signature.
func hasMLDSA(h *parser.ClientHello) bool { return slices.Contains(h.SignatureAlgorithms, 0x0904) }

func isChromiumHTTP2(h2 string) bool {
	s := stackOf(h2)
	return s != nil && s.browser == chromium
}
