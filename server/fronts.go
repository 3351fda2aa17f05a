package server

import (
	"net/http"

	"github.com/tlspeek/tlspeek/event"
)

// maxFrontJA4 bounds the JA4 that a front passes on. A JA4 has 36 bytes.
const maxFrontJA4 = 64

// frontOf returns what the server in front of this one says of its own client in r, or
// nil. Each request may be of another: such a server sends those of many clients on one
// connection.
//
// It counts only if the connection is that of a trusted proxy. If that has sent a PROXY
// header, the address in it counts: what passes TLS through cannot keep its clients from
// sending the field.
func frontOf(r *http.Request) *event.FrontJA4 {
	c, ok := clientOf(r.Context()).(*Conn)
	if !ok || c.listener == nil || c.listener.TrustHeader == "" || !c.isShared() {
		return nil
	}
	header := c.listener.TrustHeader
	values := r.Header[http.CanonicalHeaderKey(header)]
	if len(values) == 0 || !isJA4Text(values[0]) {
		return nil
	}
	return &event.FrontJA4{Header: header, JA4: values[0]}
}

// isJA4Text reports whether s can be a JA4: some letters, digits and underscores.
func isJA4Text(s string) bool {
	for i := range len(s) {
		letter := s[i] | 0x20
		if !('a' <= letter && letter <= 'z' || '0' <= s[i] && s[i] <= '9' || s[i] == '_') {
			return false
		}
	}
	return 0 < len(s) && len(s) <= maxFrontJA4
}
