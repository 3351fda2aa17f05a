package page

import (
	"encoding/base64"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// linkText returns a message as permalinks have it: the transport, a dot, and
// base64url without padding.
func linkText(msg []byte, transport parser.Transport) string {
	return transport.String() + "." + base64.RawURLEncoding.EncodeToString(msg)
}

// fromLink returns the message in what linkText wrote, or in a whole address.
func fromLink(text string) (msg []byte, transport parser.Transport, ok bool) {
	if _, fragment, found := strings.Cut(text, "#"); found {
		text = fragment
	}
	name, data, _ := strings.Cut(text, ".")
	transport, ok = parser.ParseTransport(name)
	msg, err := base64.RawURLEncoding.DecodeString(data)
	return msg, transport, ok && err == nil && len(msg) > 0
}

// transportOf returns the transport named s, or TLS.
func transportOf(s string) parser.Transport {
	t, _ := parser.ParseTransport(s)
	return t
}
