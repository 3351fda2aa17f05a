package known

import (
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// A feature dates a browser: no version before since has it, none after until.
// The bounds leave some versions beyond those of the captures, because
// features are rolled out in stages, and tried out before.
type feature struct {
	browser      browser
	what         string
	since, until int
	is           func(o *Observation) bool
}

// history has the features by which a claim of a version can be refuted. Those
// that are missing where a policy or a preference switches them off, as the
// hybrid groups and encrypted_client_hello, refute only versions before them.
var history = [...]feature{
	{chromium, "trust_anchors", 146, 0, func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtTrustAnchors)
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
	// A flag brings 4469 back, in versions of which most have ML-DSA, too.
	{chromium, "application_settings at 4469", 0, 141, func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtApplicationSettingsOld) && !hasMLDSA(o.Hello)
	}},
	{chromium, "X25519MLKEM768", 124, 0, func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedGroups, 0x11ec)
	}},
	{chromium, "X25519Kyber768Draft00", 105, 136, func(o *Observation) bool {
		return slices.Contains(o.Hello.SupportedGroups, 0x6399)
	}},
	{chromium, "encrypted_client_hello", 105, 0, func(o *Observation) bool {
		return o.Hello.HasExtension(parser.ExtEncryptedClientHello)
	}},
	{chromium, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", 0, 92, func(o *Observation) bool {
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
	{firefox, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0, 152, func(o *Observation) bool {
		return slices.Contains(o.Hello.CipherSuites, 0xc009)
	}},
	{firefox, "an HTTP/2 priority tree", 0, 139, func(o *Observation) bool {
		return strings.Contains(o.HTTP2, "|3:0:0:201,")
	}},
}

// hasMLDSA reports whether h offers ML-DSA-44 as a signature.
func hasMLDSA(h *parser.ClientHello) bool { return slices.Contains(h.SignatureAlgorithms, 0x0904) }

func isChromiumHTTP2(h2 string) bool {
	s := stackOf(h2)
	return s != nil && s.browser == chromium
}
