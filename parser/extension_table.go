package parser

import "sort"

// The extensions that the parser knows. IANA's registry has more, and
// [ExtensionType.String] names all of them.
const (
	ExtServerName                   ExtensionType = 0
	ExtMaxFragmentLength            ExtensionType = 1
	ExtStatusRequest                ExtensionType = 5
	ExtSupportedGroups              ExtensionType = 10
	ExtECPointFormats               ExtensionType = 11
	ExtSRP                          ExtensionType = 12
	ExtSignatureAlgorithms          ExtensionType = 13
	ExtUseSRTP                      ExtensionType = 14
	ExtHeartbeat                    ExtensionType = 15
	ExtALPN                         ExtensionType = 16
	ExtStatusRequestV2              ExtensionType = 17
	ExtSignedCertificateTimestamp   ExtensionType = 18
	ExtClientCertificateType        ExtensionType = 19
	ExtServerCertificateType        ExtensionType = 20
	ExtPadding                      ExtensionType = 21
	ExtEncryptThenMAC               ExtensionType = 22
	ExtExtendedMasterSecret         ExtensionType = 23
	ExtTokenBinding                 ExtensionType = 24
	ExtCachedInfo                   ExtensionType = 25
	ExtCompressCertificate          ExtensionType = 27
	ExtRecordSizeLimit              ExtensionType = 28
	ExtDelegatedCredential          ExtensionType = 34
	ExtSessionTicket                ExtensionType = 35
	ExtPreSharedKey                 ExtensionType = 41
	ExtEarlyData                    ExtensionType = 42
	ExtSupportedVersions            ExtensionType = 43
	ExtCookie                       ExtensionType = 44
	ExtPSKKeyExchangeModes          ExtensionType = 45
	ExtCertificateAuthorities       ExtensionType = 47
	ExtOIDFilters                   ExtensionType = 48
	ExtPostHandshakeAuth            ExtensionType = 49
	ExtSignatureAlgorithmsCert      ExtensionType = 50
	ExtKeyShare                     ExtensionType = 51
	ExtTransparencyInfo             ExtensionType = 52
	ExtConnectionIDDeprecated       ExtensionType = 53
	ExtConnectionID                 ExtensionType = 54
	ExtExternalIDHash               ExtensionType = 55
	ExtExternalSessionID            ExtensionType = 56
	ExtQUICTransportParameters      ExtensionType = 57
	ExtTicketRequest                ExtensionType = 58
	ExtDNSSECChain                  ExtensionType = 59
	ExtTLSFlags                     ExtensionType = 62
	ExtServerPadding                ExtensionType = 0x12e0
	ExtNextProtocolNegotiation      ExtensionType = 0x3374
	ExtApplicationSettingsOld       ExtensionType = 0x4469
	ExtApplicationSettings          ExtensionType = 0x44cd
	ExtChannelIDOld                 ExtensionType = 0x754f
	ExtChannelID                    ExtensionType = 0x7550
	ExtPAKE                         ExtensionType = 0x8a3b
	ExtTrustAnchors                 ExtensionType = 0xca34
	ExtECHOuterExtensions           ExtensionType = 0xfd00
	ExtEncryptedClientHello         ExtensionType = 0xfe0d
	ExtRenegotiationInfo            ExtensionType = 0xff01
	ExtQUICTransportParametersDraft ExtensionType = 0xffa5
	ExtEncryptedServerName          ExtensionType = 0xffce
)

// Extensions that only [Dissect] reads.
const (
	extClientCertificateURL ExtensionType = 2
	extTrustedCAKeys        ExtensionType = 3
	extTruncatedHMAC        ExtensionType = 4
	extUserMapping          ExtensionType = 6
	extClientAuthz          ExtensionType = 7
	extServerAuthz          ExtensionType = 8
	extCertType             ExtensionType = 9
	extPWDProtect           ExtensionType = 29
	extPWDClear             ExtensionType = 30
	extTicketPinning        ExtensionType = 32
	extCertWithExternPSK    ExtensionType = 33
	extSupportedEKTCiphers  ExtensionType = 39
	extRRC                  ExtensionType = 61
)

// An extensionRow describes an extension.
type extensionRow struct {
	typ               ExtensionType
	document, section string           // its Reference
	body              func(*dissector) // reads extension_data; nil if it must be empty
}

// extensionTable has a row for each extension whose body is known, sorted by
// code point. A new extension needs a constant and a row here, and a name in
// iana. One whose content has a field in ClientHello also needs a case in
// decode.
var extensionTable = [...]extensionRow{
	{ExtServerName, "RFC 6066", "3", (*dissector).serverName},
	{ExtMaxFragmentLength, "RFC 6066", "4", func(d *dissector) { d.number("max_fragment_length", 1, maxFragmentLengthName) }},
	{extClientCertificateURL, "RFC 6066", "5", nil},
	{extTrustedCAKeys, "RFC 6066", "6", (*dissector).trustedCAKeys},
	{extTruncatedHMAC, "RFC 6066", "7", nil},
	{ExtStatusRequest, "RFC 6066", "8", (*dissector).statusRequest},
	{extUserMapping, "RFC 4681", "2", func(d *dissector) { d.numbers("user_mapping_types", 1, 1, "user_mapping_type", 1, nil) }},
	{extClientAuthz, "RFC 5878", "2.3", (*dissector).authz},
	{extServerAuthz, "RFC 5878", "2.3", (*dissector).authz},
	{extCertType, "RFC 6091", "3.1", func(d *dissector) { d.numbers("certificate_types", 1, 1, "certificate_type", 1, certificateTypeName) }},
	{ExtSupportedGroups, "RFC 8446", "4.2.7", func(d *dissector) { d.numbers("named_group_list", 2, 2, "named_group", 2, groupName) }},
	{ExtECPointFormats, "RFC 8422", "5.1.2", func(d *dissector) { d.numbers("ec_point_format_list", 1, 1, "ec_point_format", 1, pointFormatName) }},
	{ExtSRP, "RFC 5054", "2.8.1", func(d *dissector) { d.string("srp_I", 1, 1) }},
	{ExtSignatureAlgorithms, "RFC 8446", "4.2.3", (*dissector).signatureAlgorithms},
	{ExtUseSRTP, "RFC 5764", "4.1.1", (*dissector).useSRTP},
	{ExtHeartbeat, "RFC 6520", "2", func(d *dissector) { d.number("mode", 1, heartbeatModeName) }},
	{ExtALPN, "RFC 7301", "3.1", func(d *dissector) { d.protocols("protocol_name_list") }},
	{ExtStatusRequestV2, "RFC 6961", "2.2", (*dissector).statusRequestV2},
	{ExtSignedCertificateTimestamp, "RFC 6962", "3.3.1", nil},
	{ExtClientCertificateType, "RFC 7250", "3", func(d *dissector) {
		d.numbers("client_certificate_types", 1, 1, "certificate_type", 1, certificateTypeName)
	}},
	{ExtServerCertificateType, "RFC 7250", "3", func(d *dissector) {
		d.numbers("server_certificate_types", 1, 1, "certificate_type", 1, certificateTypeName)
	}},
	{ExtPadding, "RFC 7685", "3", (*dissector).padding},
	{ExtEncryptThenMAC, "RFC 7366", "2", nil},
	{ExtExtendedMasterSecret, "RFC 7627", "5.1", nil},
	{ExtTokenBinding, "RFC 8472", "2", (*dissector).tokenBinding},
	{ExtCachedInfo, "RFC 7924", "3", (*dissector).cachedInfo},
	{ExtCompressCertificate, "RFC 8879", "3", func(d *dissector) { d.numbers("algorithms", 1, 2, "algorithm", 2, compressionAlgorithmName) }},
	{ExtRecordSizeLimit, "RFC 8449", "4", func(d *dissector) { d.number("record_size_limit", 2, nil) }},
	{extPWDProtect, "RFC 8492", "4", func(d *dissector) { d.opaque("pwd_name", 1, 1) }},
	{extPWDClear, "RFC 8492", "4", func(d *dissector) { d.string("pwd_name", 1, 1) }},
	{extTicketPinning, "RFC 8672", "3", (*dissector).ticketPinning},
	{extCertWithExternPSK, "RFC 9973", "5", nil},
	{ExtDelegatedCredential, "RFC 9345", "4.1.1", (*dissector).signatureAlgorithms},
	{ExtSessionTicket, "RFC 5077", "3.2", func(d *dissector) { d.remainder("ticket", "") }},
	{extSupportedEKTCiphers, "RFC 8870", "5.2.1", func(d *dissector) { d.numbers("supported_ciphers", 1, 1, "ekt_cipher_type", 1, ektCipherName) }},
	{ExtPreSharedKey, "RFC 8446", "4.2.11", (*dissector).preSharedKey},
	{ExtEarlyData, "RFC 8446", "4.2.10", nil},
	{ExtSupportedVersions, "RFC 8446", "4.2.1", func(d *dissector) { d.numbers("versions", 1, 2, "protocol_version", 2, versionName) }},
	{ExtCookie, "RFC 8446", "4.2.2", func(d *dissector) { d.opaque("cookie", 2, 1) }},
	{ExtPSKKeyExchangeModes, "RFC 8446", "4.2.9", func(d *dissector) { d.numbers("ke_modes", 1, 1, "psk_key_exchange_mode", 1, pskModeName) }},
	{ExtCertificateAuthorities, "RFC 8446", "4.2.4", (*dissector).certificateAuthorities},
	{ExtOIDFilters, "RFC 8446", "4.2.5", (*dissector).oidFilters},
	{ExtPostHandshakeAuth, "RFC 8446", "4.2.6", nil},
	{ExtSignatureAlgorithmsCert, "RFC 8446", "4.2.3", (*dissector).signatureAlgorithms},
	{ExtKeyShare, "RFC 8446", "4.2.8", (*dissector).keyShare},
	{ExtTransparencyInfo, "RFC 9162", "6.5", nil},
	{ExtConnectionIDDeprecated, "RFC 9146", "3", func(d *dissector) { d.opaque("cid", 1, 0) }},
	{ExtConnectionID, "RFC 9146", "3", func(d *dissector) { d.opaque("cid", 1, 0) }},
	{ExtExternalIDHash, "RFC 8844", "3.2", func(d *dissector) { d.opaque("binding_hash", 1, 0) }},
	{ExtExternalSessionID, "RFC 8844", "4.3", func(d *dissector) { d.opaque("session_id", 1, 20) }},
	{ExtQUICTransportParameters, "RFC 9000", "18", (*dissector).transportParameters},
	{ExtTicketRequest, "RFC 9149", "3", (*dissector).ticketRequest},
	{ExtDNSSECChain, "RFC 9102", "2.2", func(d *dissector) { d.number("port_number", 2, nil) }},
	{extRRC, "RFC 9853", "3", nil},
	{ExtTLSFlags, "draft-ietf-tls-tlsflags", "2", func(d *dissector) { d.opaque("flags", 1, 1) }},
	{ExtServerPadding, "BoringSSL", "include/openssl/tls1.h", func(d *dissector) { d.number("padding_length", 2, nil) }},
	{ExtNextProtocolNegotiation, "draft-agl-tls-nextprotoneg", "3", nil},
	{ExtApplicationSettingsOld, "draft-vvv-tls-alps", "4", func(d *dissector) { d.protocols("supported_protocols") }},
	{ExtApplicationSettings, "draft-vvv-tls-alps", "4", func(d *dissector) { d.protocols("supported_protocols") }},
	{ExtChannelIDOld, "draft-balfanz-tls-channelid", "3", nil},
	{ExtChannelID, "draft-balfanz-tls-channelid", "3", nil},
	{ExtPAKE, "draft-bmw-tls-pake13", "", (*dissector).pake},
	{ExtTrustAnchors, "draft-ietf-tls-trust-anchor-ids", "5.1", (*dissector).trustAnchors},
	{ExtECHOuterExtensions, "RFC 9849", "5.1", func(d *dissector) { d.numbers("outer_extensions", 1, 2, "extension_type", 2, extensionName) }},
	{ExtEncryptedClientHello, "RFC 9849", "5", (*dissector).encryptedClientHello},
	{ExtRenegotiationInfo, "RFC 5746", "3.2", func(d *dissector) { d.opaque("renegotiated_connection", 1, 0) }},
	{ExtQUICTransportParametersDraft, "RFC 9000", "18", (*dissector).transportParameters},
	{ExtEncryptedServerName, "draft-ietf-tls-esni-02", "5", (*dissector).encryptedServerName},
}

// extensionRowOf returns the row of t, or nil if its body may be anything.
func extensionRowOf(t ExtensionType) *extensionRow {
	i := sort.Search(len(extensionTable), func(i int) bool { return extensionTable[i].typ >= t })
	if i < len(extensionTable) && extensionTable[i].typ == t {
		return &extensionTable[i]
	}
	return nil
}

// Reference returns the document that defines the extension. It is zero for an
// extension without one, and RFC 8701 for a GREASE value.
func (v ExtensionType) Reference() Reference {
	if IsGREASE(v) {
		return Reference{"RFC 8701", "3.1"}
	}
	if row := extensionRowOf(v); row != nil {
		return Reference{row.document, row.section}
	}
	return Reference{}
}
