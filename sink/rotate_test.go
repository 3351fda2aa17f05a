package sink_test

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/sink"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func TestRotatingFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hellos.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("before\n"), 0o600))
	f := &sink.RotatingFile{Path: path, MaxSize: 10, SyncEvery: -1}
	require.NoError(t, f.Open())
	for _, line := range []string{"1\n", "2\n", "longer than the limit\n", "3\n"} {
		n, err := f.Write([]byte(line))
		require.NoError(t, err)
		assert.Equal(t, len(line), n)
	}
	require.NoError(t, f.Close())
	old, err := filepath.Glob(path + ".*Z")
	require.NoError(t, err)
	require.Len(t, old, 3)
	assert.Equal(t, "before\n1\n", read(t, old[0]))
	assert.Equal(t, "2\n", read(t, old[1]))
	assert.Equal(t, "longer than the limit\n", read(t, old[2]))
	assert.Equal(t, "3\n", read(t, path))

	_, err = f.Write([]byte("4\n"))
	require.NoError(t, err, "it opens again")
	require.NoError(t, f.Close())
	assert.Equal(t, "3\n4\n", read(t, path))
}

func TestRotatingFileByAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hellos.jsonl")
	f := &sink.RotatingFile{Path: path, MaxAge: time.Millisecond, SyncEvery: time.Microsecond}
	defer f.Close()
	_, err := f.Write([]byte("1\n"))
	require.NoError(t, err)
	time.Sleep(2 * time.Millisecond)
	_, err = f.Write([]byte("2\n"))
	require.NoError(t, err)
	assert.Equal(t, "2\n", read(t, path))
	assert.Error(t, (&sink.RotatingFile{Path: filepath.Join(path, "x")}).Open())
}

// TestRotatingFileKeepsLinesWhole: there is no room for the second line.
func TestRotatingFileKeepsLinesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hellos.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("{\"half"), 0o600))
	f := &sink.RotatingFile{Path: path}
	defer f.Close()
	require.NoError(t, f.Open())
	write := func(line string) (int, error) { return f.Write([]byte(line)) }
	_, err := write("one\n")
	require.NoError(t, err)

	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 15, Max: before.Max}))
	n, err := write("too long\n")
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	assert.ErrorIs(t, err, syscall.EFBIG)
	assert.Zero(t, n)

	_, err = write("two\n")
	require.NoError(t, err)
	assert.Equal(t, "{\"half\none\ntwo\n", read(t, path))
}
