package capture

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUDPTunnels(t *testing.T) {
	docs, err := os.ReadFile("../docs/capture.md")
	require.NoError(t, err)
	s := newScanner(new(Reader), nil)
	for i, row := range udpTunnels {
		if i > 0 {
			assert.Less(t, udpTunnels[i-1].port, row.port)
		}
		assert.NotNil(t, row.read, row.port)
		assert.Regexp(t, fmt.Sprintf("(?m)^\\| `%v` .*\\bUDP ports? [0-9, ]*\\b%d\\b", row.kind, row.port), string(docs))
		port, other := uint32(row.port), uint32(9)
		assert.Same(t, &udpTunnels[i], s.tunnelOf(other<<16|port))
		assert.Same(t, &udpTunnels[i], s.tunnelOf(port<<16|other))
	}
	assert.Nil(t, s.tunnelOf(443<<16|50000))
	assert.Equal(t, uint16(4789), s.tunnelOf(1701<<16|4789).port, "the destination comes first")
}
