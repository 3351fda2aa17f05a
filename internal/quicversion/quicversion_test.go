package quicversion

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestName(t *testing.T) {
	for v, want := range map[uint32]string{
		1: "1", 0x6b3343cf: "2", 0xff00001d: "draft-29", 0xff000000: "draft-0", 0: "", 2: "", 0xff00011d: "", 0xfaceb002: "",
	} {
		assert.Equal(t, want, Name(v))
	}
	assert.True(t, IsGREASE(0x1a2a3a4a))
	assert.False(t, IsGREASE(V1))
	assert.True(t, IsDraft(0xff000017))
	assert.False(t, IsDraft(V2))
}
