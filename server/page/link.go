package page

import (
	"encoding/base64"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// linkText returns a message in the form that permalinks have it in: the
// transport, a dot, and base64url without padding.
func linkText(msg []byte, transport parser.Transport) string {
	return transport.String() + "." + base64.RawURLEncoding.EncodeToString(msg)
}

// fromLink returns the message that linkText wrote, also from a whole address.
func fromLink(text string) (msg []byte, transport parser.Transport, ok bool) {
	if _, fragment, found := strings.Cut(text, "#"); found {
		text = fragment
	}
	name, data, _ := strings.Cut(text, ".")
	transport, ok = parser.ParseTransport(name)
	msg, err := base64.RawURLEncoding.DecodeString(data)
	return msg, transport, ok && err == nil && len(msg) > 0
}

// transportOf returns the transport whose text is s, or TLS.
func transportOf(s string) parser.Transport {
	t, _ := parser.ParseTransport(s)
	return t
}
