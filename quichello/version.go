package quichello

import (
	"fmt"

	"github.com/tlspeek/tlspeek/internal/quicversion"
)

// A Version is a QUIC version as on the wire (RFC 9000, section 15).
type Version uint32

// The versions of the Standards Track. The package also opens Initials of the
// drafts 21 to 34 (0xff000015 to 0xff000022), of the versions of mvfst and
// Google that carry TLS, and of the reserved versions 0x?a?a?a?a, with which
// clients provoke version negotiation and which they protect like version 1 or
// draft 29.
const (
	Version1 Version = quicversion.V1 // RFC 9000
	Version2 Version = quicversion.V2 // RFC 9369
)

// draft21 is the last draft in which the lengths of both connection IDs share a
// byte (draft-ietf-quic-transport-21, section 17.2).
const draft21 Version = 0xff000015

// Other versions, with the names that their implementations give them.
const (
	mvfst22    Version = 0xfaceb001
	mvfst27    Version = 0xfaceb002
	mvfstV1    Version = 0xfaceb003
	mvfstExp   Version = 0xfaceb00e
	mvfstAlias Version = 0xfaceb010
	mvfstExp2  Version = 0xfaceb011
	mvfstExp3  Version = 0xfaceb013
	googleT0   Version = 0x54303530 // "T050"
	googleT1   Version = 0x54303531 // "T051"
)

// String returns "1", "2", "draft-29" or, for any other version, its eight hex
// digits: "0xfaceb002".
func (v Version) String() string {
	if name := quicversion.Name(uint32(v)); name != "" {
		return name
	}
	return fmt.Sprintf("0x%08x", uint32(v))
}

// A suite is a set of versions that protect Initials in the same way.
type suite uint8

const (
	noSuite suite = iota
	suiteV1
	suiteV2
	suiteDraft29
	suiteDraft23
	suiteDraft22
	suiteT050
	suiteT051
	numSuites
)

// suite returns the suite of v, or noSuite if its Initials cannot be opened.
func (v Version) suite() suite {
	switch v {
	case Version1, mvfstV1:
		return suiteV1
	case Version2:
		return suiteV2
	case mvfst22:
		return suiteDraft22
	case mvfst27, mvfstExp, mvfstAlias, mvfstExp2, mvfstExp3:
		return suiteDraft23
	case googleT0:
		return suiteT050
	case googleT1:
		return suiteT051
	}
	switch draft := v & 0xff; {
	case v.isReserved(): // or suiteDraft29: see connection.open
		return suiteV1
	case !quicversion.IsDraft(uint32(v)):
		return noSuite
	case 21 <= draft && draft <= 22:
		return suiteDraft22
	case 23 <= draft && draft <= 28:
		return suiteDraft23
	case 29 <= draft && draft <= 32:
		return suiteDraft29
	case 33 <= draft && draft <= 34:
		return suiteV1
	}
	return noSuite
}

// isReserved reports whether v is reserved to provoke version negotiation (RFC
// 9000, section 15). It does not say with which keys Initials are protected.
func (v Version) isReserved() bool { return quicversion.IsGREASE(uint32(v)) }

// salt returns the salt of HKDF-Extract. Drafts changed it with each
// incompatible version, so that nothing would come to depend on it.
func (s suite) salt() string {
	switch s {
	case suiteV1: // RFC 9001, section 5.2; draft-ietf-quic-tls-33
		return "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
	case suiteV2: // RFC 9369, section 3.3.1
		return "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"
	case suiteDraft29: // draft-ietf-quic-tls-29
		return "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"
	case suiteDraft23: // draft-ietf-quic-tls-23
		return "\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02"
	case suiteDraft22: // draft-ietf-quic-tls-21
		return "\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a"
	case suiteT050:
		return "\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10"
	case suiteT051:
		return "\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d"
	}
	return ""
}

// initialType returns the two type bits of an Initial. Version 2 changed them
// (RFC 9369, section 3.2).
func (s suite) initialType() byte {
	if s == suiteV2 {
		return 1
	}
	return 0
}

// retryType returns the type bits of a Retry, the only long header packet
// without a Length.
func (s suite) retryType() byte {
	return (s.initialType() + 3) & 3
}

// cryptoType returns the frame type of CRYPTO.
func (s suite) cryptoType() uint64 {
	if s == suiteT050 || s == suiteT051 {
		return 0x08
	}
	return frameCrypto
}
