package proxy

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestCheckField: a field that would not reach the backend as JSON, or that would replace what
// a client says, is refused in every spelling that a backend may take for it.
func TestCheckField(t *testing.T) {
	for _, name := range []string{"TLSpeek-Event", "X-Event", "Foo", "x-client-hello", "TLSpeek2"} {
		assert.NoError(t, CheckField(name), name)
	}
	for _, name := range []string{"", "a b", "a:", "ä"} {
		assert.ErrorContains(t, CheckField(name), "is not the name of a header field", name)
	}
	for _, name := range []string{"X-Forwarded-For", "x_forwarded_for", "X-Forwarded-Event", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "X-Original-Event", "Proxy",
		"X-JA4-Fingerprint", "x_ja4.fingerprint", "X-TLS-Client", "TLSpeek", "t-l-speek", "X-HTTP3-Fingerprint"} {
		assert.EqualError(t, CheckField(name), "the proxy sets or removes the field "+name+" itself")
	}
	for _, name := range []string{"Host", "host", "Content-Length", "Content_Length", "Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
		"Expect", "Range", "If-Match", "Authorization", "Content-Type", "Cookie", "User-Agent", "Accept-Encoding", "Origin", "Sec-WebSocket-Key"} {
		assert.EqualError(t, CheckField(name), "the field "+name+" has a meaning of its own in HTTP")
	}
}
