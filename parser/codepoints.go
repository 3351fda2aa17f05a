package parser

import "strconv"

//go:generate go run gen.go

// The code points of a ClientHello. Their values are those on the wire.
type (
	// A Version is a ProtocolVersion of SSL, TLS or DTLS (RFC 8446, section
	// 4.2.1).
	Version uint16
	// A CipherSuite is one of IANA's TLS Cipher Suites (RFC 8446, section B.4).
	CipherSuite uint16
	// An ExtensionType is one of IANA's TLS ExtensionType Values (RFC 8446,
	// section 4.2).
	ExtensionType uint16
	// A NamedGroup is one of IANA's TLS Supported Groups (RFC 8446, section
	// 4.2.7).
	NamedGroup uint16
	// A SignatureScheme is one of IANA's TLS SignatureScheme (RFC 8446, section
	// 4.2.3).
	SignatureScheme uint16
	// A CertificateCompressionAlgorithm is one of RFC 8879, section 7.3.
	CertificateCompressionAlgorithm uint16
	// A CipherSpec is a cipher_spec of SSLv2, of three bytes (RFC 5246,
	// appendix E.2).
	CipherSpec uint32
)

// Versions of the protocols.
const (
	VersionSSL20  Version = 0x0002
	VersionSSL30  Version = 0x0300
	VersionTLS10  Version = 0x0301
	VersionTLS11  Version = 0x0302
	VersionTLS12  Version = 0x0303
	VersionTLS13  Version = 0x0304
	VersionDTLS10 Version = 0xfeff
	VersionDTLS12 Version = 0xfefd
	VersionDTLS13 Version = 0xfefc
)

// IsGREASE reports whether v is one of the 16 values 0x0a0a, 0x1a1a, ... 0xfafa
// that RFC 8701 reserves for cipher suites, extensions, groups, signature
// algorithms and versions. This module applies it to all lists of 16-bit
// values, also to certificate compression algorithms, for which RFC 8701
// reserves none.
func IsGREASE[T ~uint16](v T) bool {
	return v&0x0f0f == 0x0a0a && v>>8 == v&0xff
}

// IsGREASEALPN reports whether an ALPN protocol name is one of the 16 that RFC
// 8701 reserves: two equal bytes 0x0a, 0x1a, ... 0xfa.
func IsGREASEALPN(name []byte) bool {
	return len(name) == 2 && name[0] == name[1] && name[0]&0x0f == 0x0a
}

// IsGREASEMode reports whether v is a value that RFC 8701 reserves for
// PskKeyExchangeModes: 0x0b, 0x2a, 0x49, 0x68, 0x87, 0xa6, 0xc5, 0xe4.
func IsGREASEMode(v uint8) bool { return v >= 0x0b && (v-0x0b)%0x1f == 0 && v <= 0xe4 }

// IsGREASETransportParameter reports whether a QUIC transport parameter ID has
// the form 31*N + 27, which RFC 9000, section 18.1, reserves.
func IsGREASETransportParameter(id uint64) bool { return id%31 == 27 }

// Name returns IANA's name of the parameter, "GREASE" for a reserved one, or ""
// for one that is not registered.
func (p TransportParameter) Name() string { return parameterName(p.ID) }

// String returns a name such as "TLS 1.3", "DTLS 1.2" or "SSL 3.0", "GREASE"
// for a GREASE value, or the value in hex: "0x7f1c".
func (v Version) String() string { return nameOrHex(protocolVersionName(v), v) }

func protocolVersionName(v Version) string {
	switch v {
	case VersionSSL20:
		return "SSL 2.0"
	case VersionSSL30:
		return "SSL 3.0"
	case VersionTLS10:
		return "TLS 1.0"
	case VersionTLS11:
		return "TLS 1.1"
	case VersionTLS12:
		return "TLS 1.2"
	case VersionTLS13:
		return "TLS 1.3"
	case VersionDTLS10:
		return "DTLS 1.0"
	case VersionDTLS12:
		return "DTLS 1.2"
	case VersionDTLS13:
		return "DTLS 1.3"
	}
	return ""
}

// String returns IANA's name, "GREASE" for a GREASE value, or the value in hex
// if it is not registered: "0x00ab".
func (v CipherSuite) String() string { return nameOrHex(cipherSuiteName(v), v) }

// IsRegistered reports whether IANA's registry has a cipher suite with this value.
func (v CipherSuite) IsRegistered() bool { return cipherSuiteName(v) != "" }

// String returns IANA's name, "GREASE" for a GREASE value, or the value in hex
// if it is not registered: "0x00ab".
func (v ExtensionType) String() string { return nameOrHex(extensionTypeName(v), v) }

// String returns IANA's name, "GREASE" for a GREASE value, or the value in hex
// if it is not registered: "0x00ab".
func (v NamedGroup) String() string { return nameOrHex(namedGroupName(v), v) }

// String returns IANA's name, "GREASE" for a GREASE value, or the value in hex
// if it is not registered: "0x00ab".
func (v SignatureScheme) String() string { return nameOrHex(signatureSchemeName(v), v) }

// String returns IANA's name, "GREASE" for a GREASE value, or the value in hex
// if it is not registered: "0x00ab".
func (v CertificateCompressionAlgorithm) String() string {
	return nameOrHex(certificateCompressionName(v), v)
}

// certificateCompressionName has the values of RFC 8879, section 7.3.
func certificateCompressionName(v CertificateCompressionAlgorithm) string {
	switch v {
	case 1:
		return "zlib"
	case 2:
		return "brotli"
	case 3:
		return "zstd"
	}
	return ""
}

// String returns the name of the cipher suite for a value below 0x10000, with
// which an SSLv2-format hello offers a suite of SSL 3.0 or TLS (RFC 5246,
// appendix E.2). For another value it returns the name of SSL 2.0's cipher, or
// the value in hex.
func (v CipherSpec) String() string {
	if v <= 0xffff {
		return CipherSuite(v).String()
	}
	if name := sslv2CipherName(v); name != "" {
		return name
	}
	return "0x" + hexText(uint32(v), 6)
}

func nameOrHex[T ~uint16](name string, v T) string {
	switch {
	case name != "":
		return name
	case IsGREASE(v):
		return grease
	}
	return "0x" + hexText(uint32(v), 4)
}

// hexText returns v in lower-case hex with at least width digits.
func hexText(v uint32, width int) string {
	s := strconv.FormatUint(uint64(v), 16)
	for len(s) < width {
		s = "0" + s
	}
	return s
}
