package parser

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An extensionBody is a body of an extension, and its fields.
type extensionBody struct {
	typ  ExtensionType
	hex  string
	want string
}

// extensionBodies has at least one body of each extension, with its fields.
// More bodies, of real clients, are in testdata.
var extensionBodies = []extensionBody{
	{ExtServerName, "0009 00 0006 612e74657374",
		`{server_name_list{server_name{name_type=host_name host_name{opaque=a.test}}}}`},
	{ExtMaxFragmentLength, "04",
		`{max_fragment_length=2^12}`},
	{extClientCertificateURL, "",
		`{}`},
	{extTrustedCAKeys, "0036 00 01 000102030405060708090a0b0c0d0e0f10111213 02 0008 3006310430020600 03 000102030405060708090a0b0c0d0e0f10111213",
		`{trusted_authorities_list{trusted_authority{identifier_type=pre_agreed} trusted_authority{identifier_type=key_sha1_hash key_sha1_hash=000102030405060708090a0b0c0d0e0f10111213} trusted_authority{identifier_type=x509_name x509_name{opaque=3006310430020600}} trusted_authority{identifier_type=cert_sha1_hash cert_sha1_hash=000102030405060708090a0b0c0d0e0f10111213}}}`},
	{extTrustedCAKeys, "0005 00 07 010203",
		`{trusted_authorities_list{trusted_authority{identifier_type=pre_agreed} trusted_authority{identifier_type=7 opaque=010203}}}`},
	{extTruncatedHMAC, "",
		`{}`},
	{ExtStatusRequest, "01 0000 0000",
		`{status_type=ocsp responder_id_list{} request_extensions{}}`},
	{ExtStatusRequest, "01 0006 0004 a1023000 0002 3000",
		`{status_type=ocsp responder_id_list{responder_id{opaque=a1023000}} request_extensions{opaque=3000}}`},
	{ExtStatusRequest, "07 0102",
		`{status_type=7 opaque=0102}`},
	{extUserMapping, "01 40",
		`{user_mapping_types{user_mapping_type=64}}`},
	{extClientAuthz, "02 0001",
		`{authz_format_list{authz_format=x509_attr_cert authz_format=saml_assertion}}`},
	{extServerAuthz, "01 40",
		`{authz_format_list{authz_format=64}}`},
	{extCertType, "02 0100",
		`{certificate_types{certificate_type=OpenPGP certificate_type=X509}}`},
	{ExtSupportedGroups, "0008 1a1a 11ec 001d fefe",
		`{named_group_list{named_group=6682 (GREASE) named_group=X25519MLKEM768 named_group=x25519 named_group=65278}}`},
	{ExtECPointFormats, "04 00010203",
		`{ec_point_format_list{ec_point_format=uncompressed ec_point_format=ansiX962_compressed_prime ec_point_format=ansiX962_compressed_char2 ec_point_format=3}}`},
	{ExtSRP, "05 616c696365",
		`{srp_I{opaque=alice}}`},
	{ExtSignatureAlgorithms, "0006 0403 3a3a fefe",
		`{supported_signature_algorithms{signature_scheme=ecdsa_secp256r1_sha256 signature_scheme=14906 (GREASE) signature_scheme=65278}}`},
	{ExtUseSRTP, "000e 0001 0002 0005 0006 0007 0008 0003 00",
		`{srtp_protection_profiles{srtp_protection_profile=SRTP_AES128_CM_HMAC_SHA1_80 srtp_protection_profile=SRTP_AES128_CM_HMAC_SHA1_32 srtp_protection_profile=SRTP_NULL_HMAC_SHA1_80 srtp_protection_profile=SRTP_NULL_HMAC_SHA1_32 srtp_protection_profile=SRTP_AEAD_AES_128_GCM srtp_protection_profile=SRTP_AEAD_AES_256_GCM srtp_protection_profile=3} srtp_mki{}}`},
	{ExtHeartbeat, "01",
		`{mode=peer_allowed_to_send}`},
	{ExtALPN, "000c 02 1a1a 02 6832 05 0d0a001bff",
		`{protocol_name_list{protocol_name{opaque=\x1a\x1a} (GREASE) protocol_name{opaque=h2} protocol_name{opaque=\x0d\x0a\x00\x1b\xff}}}`},
	{ExtStatusRequestV2, "0014 02 0004 0000 0000 01 0004 0000 0000 03 0003 aabbcc",
		`{certificate_status_req_list{certificate_status_request_item{status_type=ocsp_multi request{responder_id_list{} request_extensions{}}} certificate_status_request_item{status_type=ocsp request{responder_id_list{} request_extensions{}}} certificate_status_request_item{status_type=3 request{opaque=aabbcc}}}}`},
	{ExtSignedCertificateTimestamp, "",
		`{}`},
	{ExtClientCertificateType, "02 0200",
		`{client_certificate_types{certificate_type=RawPublicKey certificate_type=X509}}`},
	{ExtServerCertificateType, "02 0300",
		`{server_certificate_types{certificate_type=1609Dot2 certificate_type=X509}}`},
	{ExtPadding, "000000",
		`{padding=000000}`},
	{ExtPadding, "000100",
		`{padding=000100 (not all zero)}`},
	{ExtEncryptThenMAC, "",
		`{}`},
	{ExtExtendedMasterSecret, "",
		`{}`},
	{ExtTokenBinding, "0100 03 020100",
		`{token_binding_version{major=1 minor=0} key_parameters_list{token_binding_key_parameters=ecdsap256 token_binding_key_parameters=rsa2048_pss token_binding_key_parameters=rsa2048_pkcs1.5}}`},
	{ExtCachedInfo, "0008 01 02 aabb 02 02 ccdd",
		`{cached_info{cached_object{type=cert hash_value{opaque=aabb}} cached_object{type=cert_req hash_value{opaque=ccdd}}}}`},
	{ExtCompressCertificate, "08 0001 0002 0003 7a7a",
		`{algorithms{algorithm=zlib algorithm=brotli algorithm=zstd algorithm=31354 (GREASE)}}`},
	{ExtRecordSizeLimit, "4001",
		`{record_size_limit=16385}`},
	{extPWDProtect, "03 a1a2a3",
		`{pwd_name{opaque=a1a2a3}}`},
	{extPWDClear, "05 616c696365",
		`{pwd_name{opaque=alice}}`},
	{extTicketPinning, "",
		`{}`},
	{extTicketPinning, "0002 a1a2",
		`{ticket{opaque=a1a2}}`},
	{extCertWithExternPSK, "",
		`{}`},
	{ExtDelegatedCredential, "0002 0403",
		`{supported_signature_algorithms{signature_scheme=ecdsa_secp256r1_sha256}}`},
	{extSupportedEKTCiphers, "03 020103",
		`{supported_ciphers{ekt_cipher_type=aeskw_256 ekt_cipher_type=aeskw_128 ekt_cipher_type=3}}`},
	{extRRC, "",
		`{}`},
	{ExtSessionTicket, "",
		`{}`},
	{ExtSessionTicket, "a1a2",
		`{ticket=a1a2}`},
	{ExtPreSharedKey, "0008 0002 a1a2 00010000 0021 20 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f",
		`{identities{psk_identity{identity{opaque=a1a2} obfuscated_ticket_age=65536}} binders{psk_binder_entry{opaque=000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f}}}`},
	{ExtEarlyData, "",
		`{}`},
	{ExtSupportedVersions, "06 0a0a 0304 7f1c",
		`{versions{protocol_version=2570 (GREASE) protocol_version=TLS 1.3 protocol_version=32540}}`},
	{ExtCookie, "0002 c1c2",
		`{cookie{opaque=c1c2}}`},
	{ExtPSKKeyExchangeModes, "03 0b 00 01",
		`{ke_modes{psk_key_exchange_mode=11 (GREASE) psk_key_exchange_mode=psk_ke psk_key_exchange_mode=psk_dhe_ke}}`},
	{ExtCertificateAuthorities, "0006 0004 30020600",
		`{authorities{distinguished_name{opaque=30020600}}}`},
	{ExtOIDFilters, "0009 03 551d0f 0003 030201",
		`{filters{oid_filter{certificate_extension_oid{opaque=551d0f} certificate_extension_values{opaque=030201}}}}`},
	{ExtPostHandshakeAuth, "",
		`{}`},
	{ExtSignatureAlgorithmsCert, "0002 0804",
		`{supported_signature_algorithms{signature_scheme=rsa_pss_rsae_sha256}}`},
	{ExtKeyShare, "000c 1a1a 0001 00 001d 0003 a1a2a3",
		`{client_shares{key_share_entry{group=6682 (GREASE) key_exchange{opaque=00}} key_share_entry{group=x25519 key_exchange{opaque=a1a2a3}}}}`},
	{ExtTransparencyInfo, "",
		`{}`},
	{ExtConnectionIDDeprecated, "00",
		`{cid{}}`},
	{ExtConnectionID, "02 c1c2",
		`{cid{opaque=c1c2}}`},
	{ExtExternalIDHash, "00",
		`{binding_hash{}}`},
	{ExtExternalSessionID, "14 000102030405060708090a0b0c0d0e0f10111213",
		`{session_id{opaque=000102030405060708090a0b0c0d0e0f10111213}}`},
	{ExtQUICTransportParameters, "01 04 8000ea60 | 04 02 00ff | 0c 00 | 0f 02 c1c2 | 11 0c 00000001 1a2a3a4a 6b3343cf | 1b 01 aa | 7129 03 616263 | 40aa 00 | 05 01 40 | 6ab2 00",
		`{transport_parameters{transport_parameter{transport_parameter_id=max_idle_timeout transport_parameter_length=4 transport_parameter_value=60000} transport_parameter{transport_parameter_id=initial_max_data transport_parameter_length=2 transport_parameter_value=00ff (not a variable-length integer)} transport_parameter{transport_parameter_id=disable_active_migration transport_parameter_length=0 transport_parameter_value=} transport_parameter{transport_parameter_id=initial_source_connection_id transport_parameter_length=2 transport_parameter_value=c1c2} transport_parameter{transport_parameter_id=version_information transport_parameter_length=12 transport_parameter_value{chosen_version=QUIC v1 available_versions{version=438975050 (GREASE) version=QUIC v2}}} transport_parameter{transport_parameter_id=27 (GREASE) transport_parameter_length=1 transport_parameter_value=aa} (GREASE) transport_parameter{transport_parameter_id=user_agent_id transport_parameter_length=3 transport_parameter_value=abc} transport_parameter{transport_parameter_id=170 transport_parameter_length=0 transport_parameter_value=} transport_parameter{transport_parameter_id=initial_max_stream_data_bidi_local transport_parameter_length=1 transport_parameter_value=40 (not a variable-length integer)} transport_parameter{transport_parameter_id=grease_quic_bit transport_parameter_length=0 transport_parameter_value=}}}`},
	{ExtQUICTransportParametersDraft, "80004752 04 ff00001d | 7127 01 05 | 80ff73db 05 0000000100",
		`{transport_parameters{transport_parameter{transport_parameter_id=google_version transport_parameter_length=4 transport_parameter_value=draft-29} transport_parameter{transport_parameter_id=initial_rtt transport_parameter_length=1 transport_parameter_value=5} transport_parameter{transport_parameter_id=version_information_draft transport_parameter_length=5 transport_parameter_value=0000000100 (not a list of versions)}}}`},
	{ExtTicketRequest, "02 01",
		`{new_session_count=2 resumption_count=1}`},
	{ExtDNSSECChain, "01bb",
		`{port_number=443}`},
	{ExtTLSFlags, "02 0001",
		`{flags{opaque=0001}}`},
	{ExtServerPadding, "1f40",
		`{padding_length=8000}`},
	{ExtPAKE, "0005 616c696365 0000 0047 7d96 0003 a1a2a3 7d97 003c " + strings.Repeat("b1", 60),
		`{client_identity{opaque=616c696365} server_identity{} client_shares{pake_share{named_pake=SPAKE2PLUS_V1 pake_message{opaque=a1a2a3}} pake_share{named_pake=32151 pake_message{opaque=` + strings.Repeat("b1", 60) + `}}}}`},
	{ExtPAKE, "0000 0000 0000",
		`{client_identity{} server_identity{} client_shares{}}`},
	{ExtNextProtocolNegotiation, "",
		`{}`},
	{ExtApplicationSettingsOld, "0003 02 6832",
		`{supported_protocols{protocol_name{opaque=h2}}}`},
	{ExtApplicationSettings, "0003 02 6832",
		`{supported_protocols{protocol_name{opaque=h2}}}`},
	{ExtChannelIDOld, "",
		`{}`},
	{ExtChannelID, "",
		`{}`},
	{ExtTrustAnchors, "0009 05 82df130201 02 ff81",
		`{trust_anchors{trust_anchor_identifier{opaque=44947.2.1} trust_anchor_identifier{opaque=ff81}}}`},
	{ExtECHOuterExtensions, "04 000a 0033",
		`{outer_extensions{extension_type=supported_groups extension_type=key_share}}`},
	{ExtEncryptedClientHello, "00 0001 0003 2a 0002 a1a2 0003 b1b2b3",
		`{type=outer cipher_suite{kdf_id=HKDF-SHA256 aead_id=ChaCha20Poly1305} config_id=42 enc{opaque=a1a2} payload{opaque=b1b2b3}}`},
	{ExtEncryptedClientHello, "01",
		`{type=inner}`},
	{ExtEncryptedClientHello, "02 aabb",
		`{type=2 opaque=aabb}`},
	{ExtRenegotiationInfo, "00",
		`{renegotiated_connection{}}`},
	{ExtEncryptedServerName, "1301 001d 0002 a1a2 0001 b1 0002 c1c2",
		`{suite=TLS_AES_128_GCM_SHA256 key_share_entry{group=x25519 key_exchange{opaque=a1a2}} record_digest{opaque=b1} encrypted_sni{opaque=c1c2}}`},
	{0x1a1a, "00",
		`{opaque=00}`},
	{0xfefe, "0102",
		`{opaque=0102}`},
}

// compact returns f on one line, without lengths.
func compact(f Field) string {
	note := ""
	if f.Note != "" {
		note = " (" + f.Note + ")"
	}
	switch {
	case f.Children != nil:
		var s []string
		for _, c := range f.Children {
			if c.Name != "length" {
				s = append(s, compact(c))
			}
		}
		return f.Name + "{" + strings.Join(s, " ") + "}" + note
	case f.ValueName != "":
		return fmt.Sprintf("%s=%s", f.Name, f.ValueName) + note
	case f.Value != nil:
		return fmt.Sprintf("%s=%v", f.Name, f.Value) + note
	}
	return f.Name + "=" + hex.EncodeToString(f.Bytes) + note
}

func TestExtensions(t *testing.T) {
	for _, c := range extensionBodies {
		msg := helloWith(c.typ, fromHex(c.hex))
		h, err := Parse(msg)
		require.NoError(t, err)
		root := Dissect(h)
		requireTiles(t, root, msg)
		requireSameErrors(t, h, root)
		got := compact(child(&root, "extensions").Children[1].Children[1])
		assert.Equal(t, c.want, strings.TrimPrefix(got, "extension_data"), "%s %s", c.typ, c.hex)
		assert.Nil(t, h.Extensions[0].Err, "%s %s", c.typ, c.hex)
	}
}

// TestServerPadding reads the extension that Chrome 152 sends with its feature
// AddTLSServerHandshakePadding.
func TestServerPadding(t *testing.T) {
	text, err := os.ReadFile("testdata/chrome-152-server-padding.hex")
	require.NoError(t, err)
	var a RecordAssembler
	message, _, err := a.Next(fromHex(strings.TrimSpace(string(text))))
	require.NoError(t, err)
	h, err := Parse(message)
	require.NoError(t, err)
	e, ok := h.Extension(ExtServerPadding)
	require.True(t, ok)
	assert.Nil(t, e.Err)
	assert.Equal(t, "server_padding", e.Type.String())
	root := Dissect(h)
	requireTiles(t, root, message)
	assert.Contains(t, compact(root), "{extension_type=server_padding extension_data{padding_length=8000}}")
}

// Every registered extension has a row in extensionTable, except those whose
// bodies may be anything.
func TestEveryExtensionHasARow(t *testing.T) {
	anything := []string{"tls_lts", "password_salt", "TLMSP", "TLMSP_proxying", "TLMSP_delegate", "sequence_number_encryption_algorithms"}
	var without []string
	for typ := range 1 << 16 {
		name := extensionTypeName(ExtensionType(typ))
		if name == "" {
			continue
		}
		h, err := Parse(helloWith(ExtensionType(typ), []byte{0xfe}))
		require.NoError(t, err)
		root := Dissect(h)
		if strings.Contains(compact(root), "extension_data{opaque=fe}") {
			without = append(without, name)
			assert.Nil(t, h.Extensions[0].Err, name)
		}
	}
	assert.Equal(t, anything, without)
}

func TestMalformedExtensions(t *testing.T) {
	for _, c := range []struct {
		typ  ExtensionType
		hex  string
		want string // the body begins at byte 51
	}{
		{ExtServerName, "", "server_name_list: truncated at byte 51"},
		{ExtServerName, "00", "server_name_list: truncated at byte 52"},
		{ExtServerName, "0000", "server_name_list: shorter than its RFC allows at byte 53"},
		{ExtServerName, "0005 00 0003 6162", "host_name: truncated at byte 58"},
		{ExtServerName, "0004 00 0003 61", "host_name: truncated at byte 57"},
		{ExtServerName, "0002 00 00", "host_name: truncated at byte 55"},
		{ExtServerName, "0003 00 0000", "host_name: shorter than its RFC allows at byte 56"},
		{ExtServerName, "0007 01 0000 00 0001 61", "host_name: shorter than its RFC allows at byte 56"},
		{ExtServerName, "0004 00 0001 61 00", "extension_data: trailing bytes at byte 57"},
		{ExtMaxFragmentLength, "", "max_fragment_length: truncated at byte 51"},
		{extTrustedCAKeys, "0002 01 aa", "key_sha1_hash: truncated at byte 55"},
		{ExtStatusRequest, "01 0000 0000 00", "extension_data: trailing bytes at byte 56"},
		{ExtStatusRequest, "01 0003 0000 00 0000", "responder_id: shorter than its RFC allows at byte 56"},
		{ExtStatusRequest, "", "status_type: truncated at byte 51"},
		{ExtStatusRequest, "01 0000", "request_extensions: truncated at byte 54"},
		{ExtSupportedGroups, "0003 001d 00", "named_group_list: truncated at byte 56"},
		{ExtSupportedGroups, "0000", "named_group_list: shorter than its RFC allows at byte 53"},
		{ExtSupportedGroups, "0004 001d", "named_group_list: truncated at byte 55"},
		{ExtSupportedGroups, "0002 001d ff", "extension_data: trailing bytes at byte 55"},
		{ExtECPointFormats, "00", "ec_point_format_list: shorter than its RFC allows at byte 52"},
		{ExtECPointFormats, "02 00", "ec_point_format_list: truncated at byte 53"},
		{ExtSignatureAlgorithms, "0001 04", "supported_signature_algorithms: shorter than its RFC allows at byte 54"},
		{ExtSignatureAlgorithmsCert, "", "supported_signature_algorithms: truncated at byte 51"},
		{ExtDelegatedCredential, "0005 0403 0503 06", "supported_signature_algorithms: truncated at byte 58"},
		{ExtALPN, "0000", "protocol_name_list: shorter than its RFC allows at byte 53"},
		{ExtALPN, "0002 02 68", "protocol_name: truncated at byte 55"},
		{ExtALPN, "0004 00 02 6832", "protocol_name: shorter than its RFC allows at byte 54"},
		{ExtALPN, "0003 02 6832 00", "extension_data: trailing bytes at byte 56"},
		{ExtApplicationSettings, "0003 02 68", "supported_protocols: truncated at byte 55"},
		{ExtSignedCertificateTimestamp, "00", "extension_data: trailing bytes at byte 51"},
		{ExtExtendedMasterSecret, "0000", "extension_data: trailing bytes at byte 51"},
		{ExtTokenBinding, "01", "minor: truncated at byte 52"},
		{ExtCachedInfo, "0002 01 00", "hash_value: shorter than its RFC allows at byte 55"},
		{ExtCompressCertificate, "03 0002 00", "algorithms: truncated at byte 55"},
		{ExtRecordSizeLimit, "40", "record_size_limit: truncated at byte 52"},
		{ExtRecordSizeLimit, "400100", "extension_data: trailing bytes at byte 53"},
		{extPWDProtect, "00", "pwd_name: shorter than its RFC allows at byte 52"},
		{extPWDClear, "02 61", "pwd_name: truncated at byte 53"},
		{extTicketPinning, "00", "ticket: truncated at byte 52"},
		{extSupportedEKTCiphers, "00", "supported_ciphers: shorter than its RFC allows at byte 52"},
		{extRRC, "00", "extension_data: trailing bytes at byte 51"},
		{ExtPreSharedKey, "", "identities: truncated at byte 51"},
		{ExtPreSharedKey, "0000 0000", "identities: shorter than its RFC allows at byte 53"},
		{ExtPreSharedKey, "0002 00 01 0000", "identities: shorter than its RFC allows at byte 55"},
		{ExtPreSharedKey, "0007 0001 a1 000000", "identities: truncated at byte 59"},
		{ExtPreSharedKey, "0007 0002 a1a2 000000", "obfuscated_ticket_age: truncated at byte 60"},
		{ExtPreSharedKey, "0007 0001 a1 00000000", "binders: truncated at byte 60"},
		{ExtPreSharedKey, "0007 0001 a1 00000000 0002 01 b1", "binders: shorter than its RFC allows at byte 64"},
		{ExtPreSharedKey, "0008 0000 00000000 0001 0000", "identity: shorter than its RFC allows at byte 55"},
		{ExtPreSharedKey, "0007 0001 a1 00000000 0021 21" + strings.Repeat("00", 32), "psk_binder_entry: truncated at byte 95"},
		{ExtPreSharedKey, "0007 0001 a1 00000000 0021 1f" + strings.Repeat("00", 32), "psk_binder_entry: shorter than its RFC allows at byte 94"},
		{ExtSupportedVersions, "03 0304 03", "versions: truncated at byte 55"},
		{ExtPSKKeyExchangeModes, "00", "ke_modes: shorter than its RFC allows at byte 52"},
		{ExtPSKKeyExchangeModes, "01 01 01", "extension_data: trailing bytes at byte 53"},
		{ExtKeyShare, "0001", "client_shares: truncated at byte 53"},
		{ExtKeyShare, "0001 00", "group: truncated at byte 54"},
		{ExtKeyShare, "0003 001d 00", "key_exchange: truncated at byte 56"},
		{ExtKeyShare, "0004 001d 0001", "key_exchange: truncated at byte 57"},
		{ExtKeyShare, "0004 001d 0000", "key_exchange: shorter than its RFC allows at byte 57"},
		{ExtKeyShare, "0000 00", "extension_data: trailing bytes at byte 53"},
		{ExtServerPadding, "1f", "padding_length: truncated at byte 52"},
		{ExtServerPadding, "1f40 00", "extension_data: trailing bytes at byte 53"},
		{ExtPAKE, "0001", "client_identity: truncated at byte 53"},
		{ExtPAKE, "0000 0000", "client_shares: truncated at byte 55"},
		{ExtPAKE, "0000 0000 0004 7d96 0000", "pake_message: shorter than its RFC allows at byte 61"},
		{ExtPAKE, "0000 0000 0002 7d96", "pake_message: truncated at byte 59"},
		{ExtPAKE, "0000 0000 0000 00", "extension_data: trailing bytes at byte 57"},
		{ExtTrustAnchors, "00", "trust_anchors: truncated at byte 52"},
		{ExtTrustAnchors, "0003 01 aa 00", "trust_anchor_identifier: shorter than its RFC allows at byte 56"},
		{ExtTrustAnchors, "0003 03 aabb", "trust_anchor_identifier: truncated at byte 56"},
		{ExtTrustAnchors, "0003 02 aabb 00", "extension_data: trailing bytes at byte 56"},
		{ExtEncryptedClientHello, "", "type: truncated at byte 51"},
		{ExtEncryptedClientHello, "00 0001 00", "aead_id: truncated at byte 55"},
		{ExtEncryptedClientHello, "00 0001 0001 2a", "enc: truncated at byte 57"},
		{ExtEncryptedClientHello, "00 0001 0001 2a 0000 00", "payload: truncated at byte 60"},
		{ExtEncryptedClientHello, "00 0001 0001 2a 0000 0000", "payload: shorter than its RFC allows at byte 61"},
		{ExtEncryptedClientHello, "00 0001 0001 2a 0000 0001 aa bb", "extension_data: trailing bytes at byte 62"},
		{ExtEncryptedClientHello, "01 00", "extension_data: trailing bytes at byte 52"},
		{ExtQUICTransportParameters, "40", "transport_parameter_id: truncated at byte 52"},
		{ExtQUICTransportParameters, "01", "transport_parameter_length: truncated at byte 52"},
		{ExtQUICTransportParameters, "01 00 02 02 aa", "transport_parameter_value: truncated at byte 56"},
		{ExtRenegotiationInfo, "", "renegotiated_connection: truncated at byte 51"},
		{ExtRenegotiationInfo, "01", "renegotiated_connection: truncated at byte 52"},
		{ExtEncryptedServerName, "1301 001d 0001", "key_exchange: truncated at byte 57"},
	} {
		msg := helloWith(c.typ, fromHex(c.hex))
		h, err := Parse(msg)
		require.NoError(t, err)
		require.NotNil(t, h.Extensions[0].Err, "%s %s", c.typ, c.hex)
		assert.EqualError(t, h.Extensions[0].Err, "parser: "+c.want, "%s %s", c.typ, c.hex)
		root := Dissect(h)
		requireTiles(t, root, msg)
		requireSameErrors(t, h, root)
	}
}

// A truncated list is empty. One that is too short, or followed by other bytes,
// has its values.
func TestMalformedLists(t *testing.T) {
	read := func(typ ExtensionType, body string) *ClientHello {
		h, err := Parse(helloWith(typ, fromHex(body)))
		require.NoError(t, err)
		require.NotNil(t, h.Extensions[0].Err)
		return h
	}
	assert.Empty(t, read(ExtALPN, "0006 02 6832 03 6833").ALPNProtocols)
	assert.Equal(t, [][]byte{{}, []byte("h2")}, read(ExtALPN, "0004 00 02 6832").ALPNProtocols)
	assert.Equal(t, []NamedGroup{0x1d}, read(ExtSupportedGroups, "0002 001d ff").SupportedGroups)
	assert.Empty(t, read(ExtKeyShare, "0008 001d 0001 aa 001d 00").KeyShares)
	assert.Empty(t, read(ExtKeyShare, "0007 001d 0001 aa 001d").KeyShares)
	assert.Empty(t, read(ExtQUICTransportParameters, "01 00 02 02 aa").TransportParameters)
	assert.Nil(t, read(ExtEncryptedClientHello, "00 0001 0001 2a 0000 00").ECH)
}
