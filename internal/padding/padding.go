// Package padding has the rule by which clients pad a ClientHello (RFC 7685): some
// servers fail on messages of 256 to 511 bytes.
package padding

import "github.com/tlspeek/tlspeek/parser"

// MinLen and MaxLen are the lengths in bytes of the shortest and of the longest
// message that a client pads, and PaddedLen is what it pads them to.
const (
	MinLen    = 256
	MaxLen    = 511
	PaddedLen = 512
)

// IsDue reports whether a client that pads would pad a message of n bytes.
func IsDue(n int) bool { return MinLen <= n && n <= MaxLen }

// LenWithout returns the length in bytes of the message of h without its padding
// extension, and whether it has one.
func LenWithout(h *parser.ClientHello) (n int, padded bool) {
	n = len(h.Raw)
	e, padded := h.Extension(parser.ExtPadding)
	if padded {
		n -= 4 + len(e.Data)
	}
	return n, padded
}
