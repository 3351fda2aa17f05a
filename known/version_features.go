package known

import (
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// A versionFeature dates a browser: only versions from since to until have the feature;
// 0 means no bound. The bounds are some versions wider than the captures, because
// features are tried out before they are rolled out, and in stages.
type versionFeature struct {
	browser      browser
	what         string
	since, until int
	present      func(o *Observation) bool
}

// versionFeatures are the features that can refute a claimed version.
//
// A flag, a policy or a preference can bring back a feature that a browser has dropped.
// So these features have no upper bound: application_settings at 4469
// (UseNewAlpsCodepointHttp2 and UseNewAlpsCodepointQUIC), suites of Firefox
// (security.ssl3.*), its HTTP/2 priority tree (network.http.http2.enabled.deps).
var versionFeatures = [...]versionFeature{
	// Some builds from 141 on sent the extension empty; a flag sends it earlier.
	{chromium, "trust_anchors", 133, 0, func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtTrustAnchors)
	}},
	{chromium, "ids in trust_anchors", 146, 0, func(o *Observation) bool {
		e, _ := o.Hello.Extension(parser.ExtTrustAnchors)
		return len(e.Data) > 2
	}},
	{chromium, "ML-DSA among the signature algorithms", 144, 0, func(o *Observation) bool {
		return hasMLDSA(o.Hello)
	}},
	{chromium, "no ML-DSA among the signature algorithms", 0, 155, func(o *Observation) bool {
		return o.Hello.Transport == parser.TLS && !hasMLDSA(o.Hello)
	}},
	{chromium, "application_settings at 44cd", 127, 0, func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtApplicationSettings)
	}},
	{chromium, "X25519MLKEM768", 124, 0, func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedGroups, 0x11ec)
	}},
	{chromium, "X25519Kyber768Draft00", 105, 141, func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedGroups, 0x6399)
	}},
	{chromium, "encrypted_client_hello", 105, 0, func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtEncryptedClientHello)
	}},
	{chromium, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", 0, 97, func(o *Observation) bool {
		return slices.Contains(o.Hello.CipherSuites, 0x000a)
	}},
	{chromium, "TLS 1.0 among the versions", 0, 119, func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedVersions, parser.VersionTLS10)
	}},
	{chromium, "HTTP/2 settings without ENABLE_PUSH", 0, 109, func(o *Observation) bool {
		return isChromiumHTTP2(o.HTTP2) && !strings.Contains(o.HTTP2, ";2:0;")
	}},
	{chromium, "HTTP/2 settings with MAX_CONCURRENT_STREAMS", 0, 119, func(o *Observation) bool {
		return isChromiumHTTP2(o.HTTP2) && strings.Contains(o.HTTP2, ";3:1000;")
	}},
	{chromium, "HTTP/2 settings without MAX_CONCURRENT_STREAMS", 112, 0, func(o *Observation) bool {
		return isChromiumHTTP2(o.HTTP2) && !strings.Contains(o.HTTP2, ";3:1000;")
	}},
	{firefox, "X25519MLKEM768", 124, 0, func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedGroups, 0x11ec)
	}},
}

// hasMLDSA reports whether h offers ML-DSA-44 as a signature.
func hasMLDSA(h *parser.ClientHello) bool { return slices.Contains(h.SignatureAlgorithms, 0x0904) }

func isChromiumHTTP2(h2 string) bool {
	s := stackOf(h2)
	return s != nil && s.browser == chromium
}
