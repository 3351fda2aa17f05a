// Package tlsrecord has the numbers of TLS records, and of the handshake
// message that they carry, for the packages that read them.
package tlsrecord

// Content types (RFC 8446, section 5.1).
const (
	ChangeCipherSpec = 20
	Alert            = 21
	Handshake        = 22
	ApplicationData  = 23
)

// Limits of a record.
const (
	HeaderLen    = 5            // type, legacy_record_version and length
	MaxPlaintext = 16384        // the longest fragment without encryption
	MaxFragment  = 16384 + 2048 // the longest fragment in crypto/tls
	MaxMajor     = 0x0f         // the highest first byte of the version in crypto/tls
)

// Limits of a ClientHello message (RFC 8446, section 4).
const (
	ClientHello      = 1     // its HandshakeType
	MessageHeaderLen = 4     // msg_type and length
	MaxMessage       = 65536 // the longest body in crypto/tls
)

// MessageLen returns the length of the handshake message that begins with b, of
// 4 bytes or more. It includes the header.
func MessageLen(b []byte) int {
	return MessageHeaderLen + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
}

// Lengths of a hello in SSLv2 format (RFC 5246, appendix E.2).
const (
	SSLv2HeaderLen = 2                  // a bit that is set, and 15 bits of length
	SSLv2FieldsLen = SSLv2HeaderLen + 9 // up to cipher_specs
)

// SSLv2MessageLen returns the length of the message in SSLv2 format that begins
// with b, of 2 bytes or more. It includes the record header.
func SSLv2MessageLen(b []byte) int {
	return SSLv2HeaderLen + int(b[0]&0x7f)<<8 + int(b[1])
}
