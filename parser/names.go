package parser

import (
	"strconv"

	"github.com/tlspeek/tlspeek/internal/quicversion"
)

// grease is the name of all values that RFC 8701 and RFC 9000 reserve.
const grease = "GREASE"

// The functions below return the registered name of a value, "GREASE" or "".

func suiteName(v uint64) string { return nameOrGREASE(v, cipherSuiteName(CipherSuite(v))) }

func extensionName(v uint64) string { return nameOrGREASE(v, extensionTypeName(ExtensionType(v))) }

func groupName(v uint64) string { return nameOrGREASE(v, namedGroupName(NamedGroup(v))) }

func schemeName(v uint64) string { return nameOrGREASE(v, signatureSchemeName(SignatureScheme(v))) }

func versionName(v uint64) string { return nameOrGREASE(v, protocolVersionName(Version(v))) }

func compressionAlgorithmName(v uint64) string {
	return nameOrGREASE(v, certificateCompressionName(CertificateCompressionAlgorithm(v)))
}

func nameOrGREASE(v uint64, name string) string {
	if name == "" && IsGREASE(uint16(v)) {
		return grease
	}
	return name
}

func cipherSpecName(v uint64) string {
	if v <= 0xffff {
		return cipherSuiteName(CipherSuite(v))
	}
	return sslv2CipherName(CipherSpec(v))
}

func parameterName(v uint64) string {
	if name := transportParameterName(v); name != "" {
		return name
	}
	if IsGREASETransportParameter(v) {
		return grease
	}
	return ""
}

func handshakeTypeName(v uint64) string { return oneOf(v-1, "client_hello") }

func nameTypeName(v uint64) string { return oneOf(v, "host_name") }

// RFC 6066, section 4.
func maxFragmentLengthName(v uint64) string { return oneOf(v-1, "2^9", "2^10", "2^11", "2^12") }

// RFC 6066, section 6.
func identifierTypeName(v uint64) string {
	return oneOf(v, "pre_agreed", "key_sha1_hash", "x509_name", "cert_sha1_hash")
}

// RFC 5878, section 2.3.
func authzFormatName(v uint64) string {
	return oneOf(v, "x509_attr_cert", "saml_assertion", "x509_attr_cert_url", "saml_assertion_url")
}

// RFC 8870, section 5.2.1.
func ektCipherName(v uint64) string { return oneOf(v-1, "aeskw_128", "aeskw_256") }

// pakeName has the value that BoringSSL uses. draft-bmw-tls-pake13 assigns
// none.
func pakeName(v uint64) string {
	if v == 0x7d96 {
		return "SPAKE2PLUS_V1"
	}
	return ""
}

// RFC 6961, section 2.2.
func statusTypeName(v uint64) string { return oneOf(v-1, "ocsp", "ocsp_multi") }

// RFC 7250, section 3.
func certificateTypeName(v uint64) string {
	return oneOf(v, "X509", "OpenPGP", "RawPublicKey", "1609Dot2")
}

// RFC 8422, section 5.1.2.
func pointFormatName(v uint64) string {
	return oneOf(v, "uncompressed", "ansiX962_compressed_prime", "ansiX962_compressed_char2")
}

// RFC 3749, section 2, and RFC 3943, section 2.
func compressionName(v uint64) string {
	if v == 64 {
		return "LZS"
	}
	return oneOf(v, "null", "DEFLATE")
}

// RFC 5764, section 4.1.2, and RFC 7714, section 14.2.
func srtpProfileName(v uint64) string {
	switch v {
	case 1:
		return "SRTP_AES128_CM_HMAC_SHA1_80"
	case 2:
		return "SRTP_AES128_CM_HMAC_SHA1_32"
	case 5:
		return "SRTP_NULL_HMAC_SHA1_80"
	case 6:
		return "SRTP_NULL_HMAC_SHA1_32"
	case 7:
		return "SRTP_AEAD_AES_128_GCM"
	case 8:
		return "SRTP_AEAD_AES_256_GCM"
	}
	return ""
}

// RFC 6520, section 2.
func heartbeatModeName(v uint64) string {
	return oneOf(v-1, "peer_allowed_to_send", "peer_not_allowed_to_send")
}

// RFC 8471, section 3.2.
func keyParametersName(v uint64) string {
	return oneOf(v, "rsa2048_pkcs1.5", "rsa2048_pss", "ecdsap256")
}

// RFC 7924, section 3.
func cachedInfoName(v uint64) string { return oneOf(v-1, "cert", "cert_req") }

// RFC 8446, section 4.2.9.
func pskModeName(v uint64) string {
	if IsGREASEMode(uint8(v)) {
		return grease
	}
	return oneOf(v, "psk_ke", "psk_dhe_ke")
}

// RFC 9849, section 5.
func echTypeName(v uint64) string { return oneOf(v, "outer", "inner") }

// RFC 9180, section 7.2.
func kdfName(v uint64) string { return oneOf(v-1, "HKDF-SHA256", "HKDF-SHA384", "HKDF-SHA512") }

// RFC 9180, section 7.3.
func aeadName(v uint64) string {
	return oneOf(v-1, "AES-128-GCM", "AES-256-GCM", "ChaCha20Poly1305")
}

// RFC 9000, section 15, and RFC 9369, section 3.1. The field has 4 bytes.
func quicVersionName(v uint64) string {
	switch version := uint32(v); {
	case version == quicversion.V1, version == quicversion.V2:
		return "QUIC v" + quicversion.Name(version)
	case quicversion.IsGREASE(version):
		return grease
	default:
		return quicversion.Name(version)
	}
}

func oneOf(v uint64, names ...string) string {
	if v < uint64(len(names)) {
		return names[v]
	}
	return ""
}

// sslv2CipherName returns the name of a cipher of SSL 2.0 itself.
func sslv2CipherName(v CipherSpec) string {
	switch v {
	case 0x010080:
		return "SSL_CK_RC4_128_WITH_MD5"
	case 0x020080:
		return "SSL_CK_RC4_128_EXPORT40_WITH_MD5"
	case 0x030080:
		return "SSL_CK_RC2_128_CBC_WITH_MD5"
	case 0x040080:
		return "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5"
	case 0x050080:
		return "SSL_CK_IDEA_128_CBC_WITH_MD5"
	case 0x060040:
		return "SSL_CK_DES_64_CBC_WITH_MD5"
	case 0x0700c0:
		return "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"
	}
	return ""
}

// relativeOID returns the text of a relative object identifier, such as
// "44947.2.1", or "" if b is not one.
func relativeOID(b []byte) string {
	var text []byte
	var arc uint64
	for i, c := range b {
		if arc >= 1<<57 {
			return ""
		}
		arc = arc<<7 | uint64(c&0x7f)
		switch {
		case c&0x80 == 0:
			if len(text) > 0 {
				text = append(text, '.')
			}
			text = strconv.AppendUint(text, arc, 10)
			arc = 0
		case i == len(b)-1:
			return ""
		}
	}
	return string(text)
}
