package http3name

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNames(t *testing.T) {
	assert.Equal(t, "QPACK_MAX_TABLE_CAPACITY", Setting("1"))
	assert.Equal(t, "H3_DATAGRAM", Setting("51"))
	assert.Empty(t, Setting("2"))
	assert.Equal(t, "PRIORITY_UPDATE of a request", Frame("984832"))
	assert.Empty(t, Frame("33"))
}
