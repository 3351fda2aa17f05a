// Package quicversion names the versions of QUIC (RFC 9000, section 15).
package quicversion

import "strconv"

// The versions of the Standards Track.
const (
	V1 = 0x00000001 // RFC 9000
	V2 = 0x6b3343cf // RFC 9369
)

// Name returns "1", "2" or "draft-29", or "" for a version of another kind.
func Name(v uint32) string {
	switch {
	case v == V1:
		return "1"
	case v == V2:
		return "2"
	case IsDraft(v):
		return "draft-" + strconv.Itoa(int(v&0xff))
	}
	return ""
}

// IsDraft reports whether v is that of a draft, whose number its last byte is.
func IsDraft(v uint32) bool { return v>>8 == 0xff0000 }

// IsGREASE reports whether v is reserved to exercise version negotiation.
func IsGREASE(v uint32) bool { return v&0x0f0f0f0f == 0x0a0a0a0a }
