package server

import (
	"errors"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFailedQUIC: what a client says of an error is left out, and an error that comes
// only after the handshake is no outcome of it.
func TestFailedQUIC(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&quic.TransportError{Remote: true, ErrorCode: 0x12a, ErrorMessage: "from 192.0.2.1"}, "remote error: tls: bad certificate"},
		{&quic.TransportError{Remote: true, ErrorCode: quic.ApplicationErrorErrorCode, ErrorMessage: "from 192.0.2.1"}, "APPLICATION_ERROR (remote)"},
		{&quic.TransportError{ErrorCode: quic.ProtocolViolation, ErrorMessage: "empty packet"}, "PROTOCOL_VIOLATION (local): empty packet"},
		{&quic.HandshakeTimeoutError{}, "timeout: handshake did not complete in time"},
		{&quic.IdleTimeoutError{}, "timeout: no recent network activity"},
		{errors.New("any other"), "any other"},
	} {
		h := failedQUIC(c.err)
		require.NotNil(t, h)
		assert.Equal(t, c.want, h.Error)
	}
	assert.Nil(t, failedQUIC(&quic.ApplicationError{Remote: true}))
	assert.Nil(t, failedQUIC(nil))
}
