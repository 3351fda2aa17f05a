package capture

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestIncompleteWithLittleMemory: how many hellos of flows that had one before are
// incomplete does not depend on how many of those flows are remembered.
func TestIncompleteWithLittleMemory(t *testing.T) {
	initial, _ := initialDatagrams(t)
	half := firstOfTwo(t)
	const clients = 500
	var packets [][]byte
	for i := range clients {
		packets = append(packets, udp(addrPort(client4, i), server4, initial), udp(addrPort(client4, i), server4, half))
	}
	for _, memory := range []int64{1 << 20, 8 << 20, DefaultMaxMemory} {
		_, stats, err := read(t, &Reader{MaxMemory: memory}, rawPcap(packets...))
		require.NoError(t, err)
		assert.Equal(t, int64(clients), stats.Incomplete, memory)
		assert.Zero(t, stats.DroppedFlows, memory)
	}
}
