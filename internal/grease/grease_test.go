package grease

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/parser"
)

func TestNormalize(t *testing.T) {
	changed := 0
	for v := range 1 << 16 {
		got := Normalize(parser.CipherSuite(v))
		if got != uint16(v) {
			changed++
			assert.EqualValues(t, Value, got)
		}
		assert.Equal(t, parser.IsGREASE(uint16(v)), got == Value, "%04x", v)
	}
	assert.Equal(t, 15, changed)
	assert.True(t, parser.IsGREASETransportParameter(TransportParameter))
}
