package http2setting

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestName(t *testing.T) {
	assert.Equal(t, "HEADER_TABLE_SIZE", Name("1"))
	assert.Equal(t, "NO_RFC7540_PRIORITIES", Name("9"))
	assert.Empty(t, Name("7"))
	assert.Empty(t, Name("01"))
}
