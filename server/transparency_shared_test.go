//go:build shared

package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTransparencyOfHostileStreams has the TLS streams of hellos in
// TLSPEEK_SHARED, whole, 1 and 7 bytes at a time.
func TestTransparencyOfHostileStreams(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(os.Getenv("TLSPEEK_SHARED"), "hellos", "corpus.tar.zst")
	out, err := exec.Command("tar", "--zstd", "-xf", archive, "-C", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	files, err := filepath.Glob(filepath.Join(dir, "raw", "tls", "*"))
	require.NoError(t, err)
	require.Len(t, files, 19918)
	config := serverConfig(t)
	for _, file := range files {
		stream, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, chunk := range []int{1, 7, 1 << 20} {
			assertTransparent(t, config, stream, chunk, filepath.Base(file))
		}
	}
	assert.False(t, t.Failed())
}
