package known

import (
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// formerOrder is the order of Chromium's extensions up to version 79. Others may stand
// between them.
var formerOrder = [...]parser.ExtensionType{
	parser.ExtRenegotiationInfo, parser.ExtExtendedMasterSecret, parser.ExtSessionTicket,
	parser.ExtSignatureAlgorithms, parser.ExtStatusRequest, parser.ExtSignedCertificateTimestamp, parser.ExtALPN,
	parser.ExtECPointFormats, parser.ExtKeyShare, parser.ExtPSKKeyExchangeModes, parser.ExtSupportedVersions,
	parser.ExtSupportedGroups, parser.ExtCompressCertificate,
}

// hasFixedOrder reports whether the extensions of h are in one of the orders that Chromium
// had before it permuted them, and so many of them that chance does not do that.
func hasFixedOrder(h *parser.ClientHello) bool {
	return h.Transport == parser.TLS && (follows(h, canonical[:]) || follows(h, formerOrder[:]))
}

// follows reports whether h has minOrdered extensions or more of a list, in its order.
func follows(h *parser.ClientHello, list []parser.ExtensionType) bool {
	n, last := 0, -1
	for i := range limit(h.Extensions) {
		at := slices.Index(list, h.Extensions[i].Type)
		if at < 0 {
			continue
		}
		if at <= last {
			return false
		}
		last = at
		n++
	}
	return n >= minOrdered
}
