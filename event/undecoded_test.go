package event

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestUndecoded: a hello that ends before its compression methods has no fingerprint,
// whichever field is missing. One with an empty vector of cipher suites has some, as in
// other tools.
func TestUndecoded(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	require.NotNil(t, h)
	message := h.Raw
	const header, sessionID = 4, 4 + 2 + 32
	ciphers := sessionID + 1 + int(message[sessionID])
	var ob Observer
	for n := header; n < ciphers+2+2*len(h.CipherSuites); n++ {
		cut := append([]byte{}, message[:n]...)
		cut[1], cut[2], cut[3] = 0, byte((n-header)>>8), byte(n-header)
		var part parser.ClientHello
		err := part.Unmarshal(cut)
		require.Error(t, err, n)
		e := ob.Event(&Observation{Hello: &part, Transport: parser.TLS, Err: err, Received: cut}, Full)
		assert.NotEmpty(t, e.Error, n)
		assert.Zero(t, e.Fingerprints, n)
		assert.Empty(t, e.Client, n)
	}
	empty := append(append([]byte{}, message[:ciphers]...), 0, 0, 1, 0)
	empty[1], empty[2], empty[3] = 0, 0, byte(len(empty)-header)
	h, err := parser.Parse(empty)
	require.NoError(t, err)
	e := ob.Event(&Observation{Hello: h, Transport: parser.TLS}, Full)
	assert.NotEmpty(t, e.JA3())
	assert.NotEmpty(t, e.JA4())
}
