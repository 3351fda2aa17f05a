package capture

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allocated returns how many bytes a call of f allocates.
func allocated(f func()) int64 {
	const runs = 10
	var before, after runtime.MemStats
	f()
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc-before.TotalAlloc) / runs
}

// TestSmallFilesTakeLittle: a capture of a few kilobytes takes under 64 KB of memory.
func TestSmallFilesTakeLittle(t *testing.T) {
	files, err := filepath.Glob("../testdata/captures/*.pcap*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		if strings.HasSuffix(file, ".gz") || strings.HasSuffix(file, ".zst") {
			continue // a decompressor takes more
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Less(t, len(data), 8<<10)
		n := allocated(func() {
			stats, _ := Read(context.Background(), bytes.NewReader(data), func(*Hello) error { return nil }) // one is cut
			assert.Positive(t, stats.Packets)
		})
		assert.Less(t, n, int64(40<<10), file)
	}
}

// TestMemoryGrowsWithTheFile: blocks grow, so that a file takes less than 20 times its
// size, and a large one about a block.
func TestMemoryGrowsWithTheFile(t *testing.T) {
	packet := make([]byte, 1400)
	for _, n := range []int{1, 5, 20, 100, 1000, 5000} {
		data := rawPcap(slices.Repeat([][]byte{packet}, n)...)
		got := allocated(func() {
			_, err := Read(context.Background(), bytes.NewReader(data), func(*Hello) error { return nil })
			assert.NoError(t, err)
		})
		assert.Less(t, got, int64(min(24<<10+6*len(data), 2*blockSize)), "%d packets", n)
	}
}

// TestFlowSize: the garbage collector takes much longer with objects of more
// than 512 bytes that have pointers.
func TestFlowSize(t *testing.T) {
	assert.LessOrEqual(t, int(reflect.TypeFor[flow]().Size()), 512)
}
