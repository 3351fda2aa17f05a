package explain_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestDiffHasEveryField changes one field of a hello after the other, and names
// those that a difference does not show.
func TestDiffHasEveryField(t *testing.T) {
	edits := map[string]func(*parser.ClientHello){
		"Transport":                func(h *parser.ClientHello) { h.Transport = parser.QUIC },
		"LegacyVersion":            func(h *parser.ClientHello) { h.LegacyVersion-- },
		"LegacySessionID":          func(h *parser.ClientHello) { h.LegacySessionID = nil },
		"CipherSuites":             func(h *parser.ClientHello) { h.CipherSuites = nil },
		"LegacyCompressionMethods": func(h *parser.ClientHello) { h.LegacyCompressionMethods = []byte{1, 0} },
		"Extensions":               func(h *parser.ClientHello) { h.Extensions = h.Extensions[1:] },
		"ServerName":               func(h *parser.ClientHello) { h.ServerName = []byte("other.example") },
		"SupportedGroups":          func(h *parser.ClientHello) { h.SupportedGroups = nil },
		"ECPointFormats":           func(h *parser.ClientHello) { h.ECPointFormats = []byte{0, 1, 2} },
		"SignatureAlgorithms":      func(h *parser.ClientHello) { h.SignatureAlgorithms = nil },
		"SignatureAlgorithmsCert":  func(h *parser.ClientHello) { h.SignatureAlgorithmsCert = h.SignatureAlgorithms },
		"DelegatedCredentials":     func(h *parser.ClientHello) { h.DelegatedCredentials = nil },
		"ALPNProtocols":            func(h *parser.ClientHello) { h.ALPNProtocols = nil },
		"ApplicationSettings":      func(h *parser.ClientHello) { h.ApplicationSettings = [][]byte{[]byte("h2")} },
		"SupportedVersions":        func(h *parser.ClientHello) { h.SupportedVersions = nil },
		"PSKKeyExchangeModes":      func(h *parser.ClientHello) { h.PSKKeyExchangeModes = []byte{0} },
		"KeyShares":                func(h *parser.ClientHello) { h.KeyShares = nil },
		"TransportParameters":      func(h *parser.ClientHello) { h.TransportParameters = []parser.TransportParameter{{ID: 1}} },

		"CertificateCompressionAlgorithms": func(h *parser.ClientHello) { h.CertificateCompressionAlgorithms = nil },
	}
	others := map[string]string{
		"Raw":               "has all others",
		"Random":            "differs on each connection",
		"Cookie":            "DTLS has it, and shows its length",
		"ExtensionsPresent": "without extensions there are none to compare",
		"Trailing":          "no valid message has it",
		"SSLv2":             "has other fields",
		"CipherSpecs":       "SSLv2 has it",
		"RecordSizeLimit":   "is compared as the body of its extension",
		"SessionTicket":     "is compared as the body of its extension",
		"PSKIdentities":     "is compared as the body of its extension",
		"PSKBinders":        "is compared as the body of its extension",
		"ECH":               "is compared as the body of its extension",
	}
	h := hellotest.Real(t)["firefox-153"]
	fields := reflect.TypeFor[parser.ClientHello]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		edit := edits[name]
		if edit == nil {
			assert.True(t, others[name] != "" || !fields.Field(i).IsExported(), "ClientHello.%s is not compared: add it to helloParts, and here", name)
			continue
		}
		changed := h.Clone()
		edit(changed)
		require.NotEqual(t, reflect.ValueOf(h).Elem().Field(i).Interface(), reflect.ValueOf(changed).Elem().Field(i).Interface(), name)
		assert.NotEmpty(t, diff(h, changed).Changes, "a difference in %s is not shown", name)
	}
}

// TestDiffOfOneExtension: a change in the body of an extension is one change, of a
// field with its name.
func TestDiffOfOneExtension(t *testing.T) {
	for typ, bodies := range map[parser.ExtensionType][2]string{
		// Decoded, and not compared again by length.
		parser.ExtServerName:                   {"\x00\x04\x00\x00\x01a", "\x00\x05\x00\x00\x02ab"},
		parser.ExtSupportedVersions:            {"\x02\x03\x04", "\x04\x03\x04\x03\x03"},
		parser.ExtSupportedGroups:              {"\x00\x02\x00\x1d", "\x00\x04\x00\x1d\x00\x17"},
		parser.ExtKeyShare:                     {"\x00\x05\x00\x1d\x00\x01x", "\x00\x05\x00\x17\x00\x01x"},
		parser.ExtSignatureAlgorithms:          {"\x00\x02\x04\x03", "\x00\x04\x04\x03\x08\x04"},
		parser.ExtSignatureAlgorithmsCert:      {"\x00\x02\x04\x03", "\x00\x04\x04\x03\x08\x04"},
		parser.ExtDelegatedCredential:          {"\x00\x02\x04\x03", "\x00\x04\x04\x03\x08\x04"},
		parser.ExtECPointFormats:               {"\x01\x00", "\x02\x00\x01"},
		parser.ExtALPN:                         {"\x00\x03\x02h2", "\x00\x06\x02h2\x02h3"},
		parser.ExtApplicationSettings:          {"\x00\x03\x02h2", "\x00\x06\x02h2\x02h3"},
		parser.ExtApplicationSettingsOld:       {"\x00\x03\x02h2", "\x00\x06\x02h2\x02h3"},
		parser.ExtPSKKeyExchangeModes:          {"\x01\x01", "\x02\x01\x00"},
		parser.ExtCompressCertificate:          {"\x02\x00\x02", "\x04\x00\x02\x00\x01"},
		parser.ExtQUICTransportParameters:      {"\x01\x01\x05", "\x01\x01\x05\x03\x01\x05"},
		parser.ExtQUICTransportParametersDraft: {"\x01\x01\x05", "\x01\x01\x05\x03\x01\x05"},
		// Compared by their bytes.
		parser.ExtStatusRequest:     {"\x01\x00\x00\x00\x00", "\x02\x00\x00\x00\x00"},
		parser.ExtStatusRequestV2:   {"\x00\x07\x02\x00\x04\x00\x00\x00\x00", "\x00\x07\x01\x00\x04\x00\x00\x00\x00"},
		parser.ExtMaxFragmentLength: {"\x01", "\x02"},
		parser.ExtRecordSizeLimit:   {"\x40\x01", "\x40\x00"},
		parser.ExtRenegotiationInfo: {"\x00", "\x01"},
		parser.ExtUseSRTP:           {"\x00\x02\x00\x01\x00", "\x00\x02\x00\x02\x00"},
		parser.ExtHeartbeat:         {"\x01", "\x02"},
		// Compared by their lengths.
		parser.ExtSessionTicket: {"", "ticket"},
		0x1234:                  {"", "body"},
	} {
		before := hellotest.Hello(hellotest.Extension(typ, []byte(bodies[0])))
		after := hellotest.Hello(hellotest.Extension(typ, []byte(bodies[1])))
		name := typ.String()
		switch typ {
		case parser.ExtALPN:
			name = "alpn"
		case parser.ExtApplicationSettingsOld:
			name = "application_settings"
		case parser.ExtQUICTransportParameters, parser.ExtQUICTransportParametersDraft:
			name = "transport_parameters"
		}
		changes := diff(before, after).Changes
		for _, c := range changes {
			assert.Equal(t, name, c.Field)
		}
		if typ == parser.ExtKeyShare { // one added, one removed
			assert.Len(t, changes, 2, "%s: %v", typ, lines(changes))
		} else {
			assert.Len(t, changes, 1, "%s: %v", typ, lines(changes))
		}
	}
	same := diff(hellotest.Hello(hellotest.Extension(0x1234, []byte("body"))), hellotest.Hello(hellotest.Extension(0x1234, []byte("BODY"))))
	assert.Empty(t, same.Changes, "the body of an unknown extension may be random")
}
