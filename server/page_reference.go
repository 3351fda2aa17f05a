package server

import (
	"fmt"
	"path"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// A reference is the document, and the place in it, that defines a field.
type reference struct {
	RFC       int
	Section   string // "4.2.8" or "E.2"
	Draft     string // in the place of an RFC
	BoringSSL string // a source file, where there is no document
}

// Text returns the reference as one cites it.
func (r *reference) Text() string {
	switch {
	case r.BoringSSL != "":
		return "BoringSSL " + path.Base(r.BoringSSL)
	case r.Draft != "":
		return strings.TrimPrefix(r.Draft, "draft-")
	}
	return fmt.Sprintf("RFC %d §%s", r.RFC, r.Section)
}

// URL returns where the document can be read.
func (r *reference) URL() string {
	switch {
	case r.BoringSSL != "":
		return "https://boringssl.googlesource.com/boringssl/+/HEAD/" + r.BoringSSL
	case r.Draft != "":
		return "https://datatracker.ietf.org/doc/html/" + r.Draft
	case r.Section[0] > '9':
		return fmt.Sprintf("https://www.rfc-editor.org/rfc/rfc%d.html#appendix-%s", r.RFC, r.Section)
	}
	return fmt.Sprintf("https://www.rfc-editor.org/rfc/rfc%d.html#section-%s", r.RFC, r.Section)
}

// fieldReference returns where f is defined, or nil where what it is in says so.
func fieldReference(f *parser.Field) *reference {
	if f.Name == "extension" && len(f.Children) > 0 {
		if v, ok := f.Children[0].Value.(uint64); ok {
			return extensionReference(parser.ExtensionType(v))
		}
	}
	if r, ok := fieldReferences[f.Name]; ok {
		return &r
	}
	return nil
}

var fieldReferences = map[string]reference{
	"client_hello":               {RFC: 8446, Section: "4.1.2"},
	"cipher_suites":              {RFC: 8446, Section: "B.4"},
	"legacy_session_id":          {RFC: 8446, Section: "D.4"},
	"legacy_compression_methods": {RFC: 8446, Section: "4.1.2"},
	"extensions":                 {RFC: 8446, Section: "4.2"},
	"cookie":                     {RFC: 6347, Section: "4.2.1"},
	"cipher_specs":               {RFC: 5246, Section: "E.2"},
}

func extensionReference(t parser.ExtensionType) *reference {
	if parser.IsGREASE(t) {
		return &reference{RFC: 8701, Section: "3.1"}
	}
	if r, ok := extensionReferences[t]; ok {
		return &r
	}
	return nil
}

var extensionReferences = map[parser.ExtensionType]reference{
	parser.ExtServerName:                   {RFC: 6066, Section: "3"},
	parser.ExtMaxFragmentLength:            {RFC: 6066, Section: "4"},
	parser.ExtStatusRequest:                {RFC: 6066, Section: "8"},
	parser.ExtSupportedGroups:              {RFC: 8446, Section: "4.2.7"},
	parser.ExtECPointFormats:               {RFC: 8422, Section: "5.1.2"},
	parser.ExtSRP:                          {RFC: 5054, Section: "2.8.1"},
	parser.ExtSignatureAlgorithms:          {RFC: 8446, Section: "4.2.3"},
	parser.ExtUseSRTP:                      {RFC: 5764, Section: "4.1.1"},
	parser.ExtHeartbeat:                    {RFC: 6520, Section: "2"},
	parser.ExtALPN:                         {RFC: 7301, Section: "3.1"},
	parser.ExtStatusRequestV2:              {RFC: 6961, Section: "2.2"},
	parser.ExtSignedCertificateTimestamp:   {RFC: 6962, Section: "3.3.1"},
	parser.ExtClientCertificateType:        {RFC: 7250, Section: "3"},
	parser.ExtServerCertificateType:        {RFC: 7250, Section: "3"},
	parser.ExtPadding:                      {RFC: 7685, Section: "3"},
	parser.ExtEncryptThenMAC:               {RFC: 7366, Section: "2"},
	parser.ExtExtendedMasterSecret:         {RFC: 7627, Section: "5.1"},
	parser.ExtTokenBinding:                 {RFC: 8472, Section: "2"},
	parser.ExtCachedInfo:                   {RFC: 7924, Section: "3"},
	parser.ExtCompressCertificate:          {RFC: 8879, Section: "3"},
	parser.ExtRecordSizeLimit:              {RFC: 8449, Section: "4"},
	parser.ExtDelegatedCredential:          {RFC: 9345, Section: "4.1.1"},
	parser.ExtSessionTicket:                {RFC: 5077, Section: "3.2"},
	parser.ExtPreSharedKey:                 {RFC: 8446, Section: "4.2.11"},
	parser.ExtEarlyData:                    {RFC: 8446, Section: "4.2.10"},
	parser.ExtSupportedVersions:            {RFC: 8446, Section: "4.2.1"},
	parser.ExtCookie:                       {RFC: 8446, Section: "4.2.2"},
	parser.ExtPSKKeyExchangeModes:          {RFC: 8446, Section: "4.2.9"},
	parser.ExtCertificateAuthorities:       {RFC: 8446, Section: "4.2.4"},
	parser.ExtOIDFilters:                   {RFC: 8446, Section: "4.2.5"},
	parser.ExtPostHandshakeAuth:            {RFC: 8446, Section: "4.2.6"},
	parser.ExtSignatureAlgorithmsCert:      {RFC: 8446, Section: "4.2.3"},
	parser.ExtKeyShare:                     {RFC: 8446, Section: "4.2.8"},
	parser.ExtTransparencyInfo:             {RFC: 9162, Section: "6.5"},
	parser.ExtConnectionIDDeprecated:       {RFC: 9146, Section: "3"},
	parser.ExtConnectionID:                 {RFC: 9146, Section: "3"},
	parser.ExtExternalIDHash:               {RFC: 8844, Section: "3.2"},
	parser.ExtExternalSessionID:            {RFC: 8844, Section: "4.2"},
	parser.ExtQUICTransportParameters:      {RFC: 9000, Section: "18"},
	parser.ExtQUICTransportParametersDraft: {RFC: 9000, Section: "18"},
	parser.ExtTicketRequest:                {RFC: 9149, Section: "3"},
	parser.ExtDNSSECChain:                  {RFC: 9102, Section: "2.2"},
	parser.ExtTLSFlags:                     {Draft: "draft-ietf-tls-tlsflags"},
	parser.ExtServerPadding:                {BoringSSL: "include/openssl/tls1.h"},
	parser.ExtNextProtocolNegotiation:      {Draft: "draft-agl-tls-nextprotoneg"},
	parser.ExtApplicationSettings:          {Draft: "draft-vvv-tls-alps"},
	parser.ExtApplicationSettingsOld:       {Draft: "draft-vvv-tls-alps"},
	parser.ExtChannelID:                    {Draft: "draft-balfanz-tls-channelid"},
	parser.ExtChannelIDOld:                 {Draft: "draft-balfanz-tls-channelid"},
	parser.ExtPAKE:                         {Draft: "draft-bmw-tls-pake13"},
	parser.ExtTrustAnchors:                 {Draft: "draft-ietf-tls-trust-anchor-ids"},
	parser.ExtECHOuterExtensions:           {RFC: 9849, Section: "5.1"},
	parser.ExtEncryptedClientHello:         {RFC: 9849, Section: "5"},
	parser.ExtRenegotiationInfo:            {RFC: 5746, Section: "3.2"},
	parser.ExtEncryptedServerName:          {Draft: "draft-ietf-tls-esni-02"},
}
