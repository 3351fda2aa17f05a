package capture

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
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
		documented := regexp.MustCompile(fmt.Sprintf("(?m)^\\| `%v` .*\\bUDP ports? [0-9, ]*\\b%d\\b", row.kind, row.port))
		assert.True(t, documented.Match(docs), "the line of `%v` in docs/capture.md lacks UDP port %d", row.kind, row.port)
		port, other := uint32(row.port), uint32(9)
		assert.Same(t, &udpTunnels[i], s.tunnelOf(other<<16|port))
		assert.Same(t, &udpTunnels[i], s.tunnelOf(port<<16|other))
	}
	for _, list := range regexp.MustCompile(`UDP ports? ([0-9]+(, [0-9]+)*)`).FindAllSubmatch(docs, -1) {
		for port := range strings.SplitSeq(string(list[1]), ", ") {
			assert.True(t, slices.ContainsFunc(udpTunnels, func(row udpTunnel) bool { return fmt.Sprint(row.port) == port }),
				"docs/capture.md has UDP port %s, and udpTunnels no row", port)
		}
	}
	assert.Nil(t, s.tunnelOf(443<<16|50000))
	assert.Equal(t, uint16(4789), s.tunnelOf(1701<<16|4789).port, "the destination comes first")
}
