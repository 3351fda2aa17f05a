package explain

import (
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// missingExamples names extensions that browsers send and OpenSSL does not know.
const missingExamples = "application_settings (44cd), encrypted_client_hello (fe0d) and trust_anchors (ca34) among them"

// openSSLTypes are the extensions of a ClientHello that OpenSSL 3.2 to 3.5 implements.
// Modules of a server get these in SSL_client_hello_get1_extensions_present, and no
// others.
var openSSLTypes = [...]parser.ExtensionType{
	0x0000, 0x0001, 0x0005, 0x000a, 0x000b, 0x000c, 0x000d, 0x000e, 0x0010, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0017, 0x001b,
	0x0023, 0x0029, 0x002a, 0x002b, 0x002c, 0x002d, 0x002f, 0x0031, 0x0032, 0x0033, 0x0039, 0x3374, 0xff01,
}

func openSSLKnows(t parser.ExtensionType) bool {
	_, ok := slices.BinarySearch(openSSLTypes[:], t)
	return ok
}

// isNewInOpenSSL32 reports whether OpenSSL implements t from version 3.2 on.
func isNewInOpenSSL32(t parser.ExtensionType) bool {
	switch t {
	case 0x0013, 0x0014, 0x001b: // client_certificate_type, server_certificate_type, compress_certificate
		return true
	}
	return false
}

// seenBy drops the extensions that a library does not show, also from the count.
func (p *ja4Parts) seenBy(knows func(parser.ExtensionType) bool) {
	p.types = slices.DeleteFunc(slices.Clone(p.types), func(t parser.ExtensionType) bool { return !knows(t) })
	p.typeCount = len(p.types)
}
