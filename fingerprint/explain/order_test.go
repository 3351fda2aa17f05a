package explain_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestHelloInOrder: the best known fingerprints come first, those of a hello's
// carrier after them, and what is no fingerprint last.
func TestHelloInOrder(t *testing.T) {
	h := hellotest.Real(t)["chromium-156-quic"]
	list := explain.Hello(h, &fingerprint.QUICInitial{Version: 1, DCIDLen: 8, PacketNumberLen: 1, FrameTypes: []byte{6}})
	var names []string
	for _, e := range list {
		names = append(names, e.Name)
	}
	first := []string{"ja3", "ja3n", "ja4", "ja4_o", "stable", "npf", "npf", "quic_header_id", "quic_params_id"}
	require.Greater(t, len(names), len(first)+2)
	assert.Equal(t, first, names[:len(first)])
	assert.Equal(t, []string{"session", "ech"}, names[len(names)-2:])
	ech := list[len(list)-1]
	assert.Equal(t, "present", ech.Text)
	assert.NotEmpty(t, ech.Notes)
}

func TestHelloOfSSLv2(t *testing.T) {
	list := explain.Hello(hellotest.Vectors(t)["sslv2"].Parse(t), nil)
	require.Len(t, list, 1)
	assert.Equal(t, "sslv2", list[0].Name)
	assert.NotEmpty(t, list[0].Notes)
}
