package explain

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/tlspeek/tlspeek/parser"
)

// helloParts returns the fields of h, as far as they are compared with other.
func helloParts(h, other *parser.ClientHello) []Part {
	parts := []Part{
		{Name: "transport", Text: h.Transport.String()},
		{Name: "legacy_version", Text: h.LegacyVersion.String()},
		{Name: "legacy_session_id", Text: fmt.Sprintf("%d bytes", len(h.LegacySessionID))},
		{Name: "cipher_suites", Values: codePoints(h.CipherSuites)},
		{Name: "legacy_compression_methods", Text: hex.EncodeToString(h.LegacyCompressionMethods)},
	}
	if h.SSLv2 {
		var specs []Value
		for _, s := range h.CipherSpecs {
			specs = append(specs, Value{fmt.Sprintf("%06x", uint32(s)), s.String()})
		}
		return append(parts, Part{Name: "cipher_specs", Values: specs})
	}
	if h.Transport == parser.DTLS {
		// The name is that of RFC 9147, section 5.3; there is also an extension cookie.
		parts = append(parts, Part{Name: "legacy_cookie", Text: fmt.Sprintf("%d bytes", len(h.Cookie))})
	}
	var types []parser.ExtensionType
	for i := range h.Extensions {
		types = append(types, h.Extensions[i].Type)
	}
	parts = append(parts, Part{Name: "extensions", Values: codePoints(types)})
	var groups []parser.NamedGroup
	for _, s := range h.KeyShares {
		groups = append(groups, s.Group)
	}
	parts = append(parts,
		Part{Name: "server_name", Text: parser.Text(h.ServerName)},
		Part{Name: "supported_versions", Values: codePoints(h.SupportedVersions)},
		Part{Name: "supported_groups", Values: codePoints(h.SupportedGroups)},
		Part{Name: "key_share", Values: codePoints(groups)},
		Part{Name: "signature_algorithms", Values: codePoints(h.SignatureAlgorithms)},
		Part{Name: "signature_algorithms_cert", Values: codePoints(h.SignatureAlgorithmsCert)},
		Part{Name: "delegated_credential", Values: codePoints(h.DelegatedCredentials)},
		Part{Name: "ec_point_formats", Text: hex.EncodeToString(h.ECPointFormats)},
		Part{Name: "alpn", Values: protocolValues(h.ALPNProtocols)},
		Part{Name: "application_settings", Values: protocolValues(h.ApplicationSettings)},
		Part{Name: "psk_key_exchange_modes", Text: modesText(h.PSKKeyExchangeModes)},
		Part{Name: "compress_certificate", Values: codePoints(h.CertificateCompressionAlgorithms)},
		Part{Name: "transport_parameters", Values: parameterValues(h)},
	)
	return append(parts, otherExtensions(h, other)...)
}

// otherExtensions returns the bodies of the extensions that both hellos have
// and that helloParts has no field for: in hex where they depend on the client
// alone, and by length where they are random, secret or depend on the server.
func otherExtensions(h, other *parser.ClientHello) []Part {
	shared := map[parser.ExtensionType]bool{}
	for i := range other.Extensions {
		shared[other.Extensions[i].Type] = true
	}
	var parts []Part
	for i := range h.Extensions {
		e := &h.Extensions[i]
		if parser.IsGREASE(e.Type) || !shared[e.Type] {
			continue
		}
		delete(shared, e.Type) // of a duplicate, the first is compared
		p := Part{Name: e.Type.String()}
		switch e.Type {
		case parser.ExtServerName, parser.ExtSupportedVersions, parser.ExtSupportedGroups, parser.ExtKeyShare,
			parser.ExtSignatureAlgorithms, parser.ExtSignatureAlgorithmsCert, parser.ExtDelegatedCredential, parser.ExtECPointFormats,
			parser.ExtALPN, parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld, parser.ExtPSKKeyExchangeModes,
			parser.ExtCompressCertificate, parser.ExtQUICTransportParameters, parser.ExtQUICTransportParametersDraft:
			continue
		case parser.ExtStatusRequest, parser.ExtStatusRequestV2, parser.ExtMaxFragmentLength, parser.ExtRecordSizeLimit,
			parser.ExtRenegotiationInfo, parser.ExtUseSRTP, parser.ExtHeartbeat:
			p.Text = hex.EncodeToString(e.Data)
		default:
			p.Text = fmt.Sprintf("%d bytes", len(e.Data))
		}
		parts = append(parts, p)
	}
	return parts
}

// codePoints returns values of four hex digits, with one value for GREASE.
func codePoints[T codePoint](list []T) []Value {
	values := make([]Value, len(list))
	for i, v := range list {
		text := fmt.Sprintf("%04x", uint16(v))
		if parser.IsGREASE(v) {
			text = "0a0a"
		}
		values[i] = Value{text, v.String()}
	}
	return values
}

func protocolValues(list [][]byte) []Value {
	var values []Value
	for _, p := range list {
		if parser.IsGREASEALPN(p) {
			values = append(values, Value{Text: "GREASE"})
			continue
		}
		values = append(values, Value{Text: parser.Text(p)})
	}
	return values
}

// modesText returns psk_key_exchange_modes in hex, with one value for GREASE.
func modesText(list []byte) string {
	list = bytes.Clone(list)
	for i, m := range list {
		if parser.IsGREASEMode(m) {
			list[i] = 0x0b
		}
	}
	return hex.EncodeToString(list)
}

func parameterValues(h *parser.ClientHello) []Value {
	var values []Value
	for _, p := range h.TransportParameters {
		v := Value{Text: fmt.Sprintf("%#x", p.ID)}
		if parser.IsGREASETransportParameter(p.ID) {
			v = Value{Text: "GREASE"}
		}
		values = append(values, v)
	}
	return values
}
