package atomicfile

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first", "second"} {
		require.NoError(t, Write(path, 0o640, func(w *bufio.Writer) { w.WriteString(text) }))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file is left")
}

// TestWriteFails has a folder in place of the file, and no folder to write to.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, os.Mkdir(path, 0o700))
	write := func(w *bufio.Writer) { w.WriteString("text") }
	assert.Error(t, Write(path, 0o644, write))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file is left")
	err = Write(filepath.Join(dir, "none", "file"), 0o644, write)
	assert.True(t, errors.Is(err, os.ErrNotExist))
	assert.ErrorContains(t, err, "writing "+filepath.Join(dir, "none", "file"))
}
