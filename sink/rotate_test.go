package sink_test

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
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

	var n int
	limitFiles(t, 15, func() { n, err = write("too long\n") })
	assert.ErrorIs(t, err, syscall.EFBIG)
	assert.Zero(t, n)

	_, err = write("two\n")
	require.NoError(t, err)
	assert.Equal(t, "{\"half\none\ntwo\n", read(t, path))

	limitFiles(t, 25, func() { n, err = write("3\n4\ntoo long\n5\n") })
	assert.ErrorIs(t, err, syscall.EFBIG)
	assert.Equal(t, 4, n, "the lines for which there is room")
	_, err = write("too long\n5\n")
	require.NoError(t, err)
	assert.Equal(t, "{\"half\none\ntwo\n3\n4\ntoo long\n5\n", read(t, path))
}

// limitFiles calls f while no file may have more than size bytes.
func limitFiles(t *testing.T, size uint64, f func()) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: before.Max}))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }()
	f()
}

// TestRotatingFileSplitsLines: many lines in one Write are in the files in which they
// would be one by one.
func TestRotatingFileSplitsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hellos.jsonl")
	f := &sink.RotatingFile{Path: path, MaxSize: 10}
	p := "1\n2\n3456\n789\nlonger than the limit\n0\n1\n2\n3\n4\n5\n"
	n, err := f.Write([]byte(p))
	require.NoError(t, err)
	assert.Equal(t, len(p), n)
	require.NoError(t, f.Close())
	old, err := filepath.Glob(path + ".*Z")
	require.NoError(t, err)
	var texts []string
	for _, name := range append(old, path) {
		texts = append(texts, read(t, name))
	}
	assert.Equal(t, []string{"1\n2\n3456\n", "789\n", "longer than the limit\n", "0\n1\n2\n3\n4\n", "5\n"}, texts)
}

// TestRotatingFileGoesOnWithoutRotation: there is no name for the old file.
func TestRotatingFileGoesOnWithoutRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 250))
	f := &sink.RotatingFile{Path: path, MaxSize: 4, SyncEvery: -1}
	for i, line := range []string{"1\n", "2\n", "3\n4\n5\n", "6\n"} {
		n, err := f.Write([]byte(line))
		assert.Equal(t, len(line), n)
		assert.Equal(t, i >= 2, errors.Is(err, syscall.ENAMETOOLONG), "%v", err)
	}
	require.NoError(t, f.Close())
	assert.Equal(t, "1\n2\n3\n4\n5\n6\n", read(t, path))
}

// TestRotatingFileNoticesThatItIsGone has a fake clock. The file is renamed, and
// then its folder is removed for a while.
func TestRotatingFileNoticesThatItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "logs")
		path := filepath.Join(dir, "hellos.jsonl")
		require.NoError(t, os.Mkdir(dir, 0o700))
		f := &sink.RotatingFile{Path: path}
		write := func(line string) error {
			time.Sleep(time.Second)
			_, err := f.Write([]byte(line))
			return err
		}
		require.NoError(t, write("1\n"))
		require.NoError(t, os.Rename(path, path+".1"))
		require.NoError(t, write("2\n"))
		assert.Equal(t, "1\n", read(t, path+".1"))
		assert.Equal(t, "2\n", read(t, path))

		require.NoError(t, os.RemoveAll(dir))
		require.ErrorIs(t, write("3\n"), os.ErrNotExist)
		require.ErrorIs(t, write("3\n"), os.ErrNotExist)
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, write("3\n"))
		assert.Equal(t, "3\n", read(t, path))
		require.NoError(t, f.Close())

		f = &sink.RotatingFile{Path: path, MaxSize: 1}
		_, err := f.Write([]byte("4\n"))
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(dir))
		_, err = f.Write([]byte("5\n"))
		require.ErrorIs(t, err, os.ErrNotExist, "rotating notices it at once")
	})
}

// TestRotatingFileOnAPipe: opening does not wait for a reader, and the pipe keeps
// its name.
func TestRotatingFileOnAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	f := &sink.RotatingFile{Path: path, MaxSize: 2}
	defer f.Close()
	require.NoError(t, f.Open())
	_, err := f.Write([]byte("0\n"))
	require.ErrorIs(t, err, syscall.ENXIO)
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	for range 3 {
		_, err = f.Write([]byte("1\n"))
		require.NoError(t, err)
	}
	var got [6]byte
	_, err = io.ReadFull(reader, got[:])
	require.NoError(t, err)
	assert.Equal(t, "1\n1\n1\n", string(got[:]))
	require.NoError(t, reader.Close())
	_, err = f.Write([]byte("2\n"))
	require.ErrorIs(t, err, syscall.EPIPE)
}
