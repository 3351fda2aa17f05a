package tlsrecord

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLengths(t *testing.T) {
	assert.Equal(t, 4, MessageLen([]byte{ClientHello, 0, 0, 0}))
	assert.Equal(t, 4+0x010203, MessageLen([]byte{ClientHello, 1, 2, 3, 0xff}))
	assert.Equal(t, 2+0x7fff, SSLv2MessageLen([]byte{0xff, 0xff, 1}))
	assert.Equal(t, 2+0x2e, SSLv2MessageLen([]byte{0x80, 0x2e}))
}
