//go:build !race

package quichello

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An Initial with a complete hello takes five allocations: two AES keys, GCM,
// the CRYPTO data and the Hello. The race detector adds more.
func TestAllocations(t *testing.T) {
	datagram, _ := benchInitial()
	var o Opener
	hello := func() {
		a := Assembler{Opener: &o}
		h, err := a.Next(datagram)
		require.NoError(t, err)
		require.NotNil(t, h)
	}
	assert.Equal(t, 5.0, testing.AllocsPerRun(100, hello))
	assert.Equal(t, 3.0, testing.AllocsPerRun(100, func() {
		a := Assembler{Opener: &o}
		h, _ := a.Next(datagram)
		o.Reuse(h)
	}), "keys alone")

	var a Assembler
	other := []byte{0x45, 0, 0}
	assert.Zero(t, testing.AllocsPerRun(100, func() { IsInitial(datagram) }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { a.Next(other) }))
}
