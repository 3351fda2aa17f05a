package preflight_test

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/preflight"
)

func TestReportIsATable(t *testing.T) {
	var r preflight.Report
	r.OK("--listen", ":443")
	r.Fail("--cert", strings.Repeat("word ", 30), "do this")
	r.Warn("X", "a", "")
	var b strings.Builder
	n, err := r.WriteTo(&b)
	require.NoError(t, err)
	assert.Equal(t, int64(b.Len()), n)
	lines := strings.Split(b.String(), "\n")
	assert.Equal(t, "ok       --listen  :443", lines[0])
	assert.Equal(t, "problem  --cert    word", lines[1][:23])
	assert.Equal(t, "                   word", lines[2][:23])
	assert.Equal(t, "                   -> do this", lines[3])
	assert.Equal(t, "1 problem, 1 warning", lines[5])
	for _, l := range lines {
		assert.LessOrEqual(t, len(l), 100)
	}
}

// TestFiles has a check for each state of a file or folder. Nothing of it changes.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("file"), nil, 0o600))
	require.NoError(t, os.Mkdir(at("folder"), 0o700))
	require.NoError(t, syscall.Mkfifo(at("pipe"), 0o600))
	before := tree(t, dir)
	for _, c := range []struct {
		check func(*preflight.Report) bool
		want  string // of the problem; empty if there is none
	}{
		{func(r *preflight.Report) bool { return r.File("f", at("file"), false) }, ""},
		{func(r *preflight.Report) bool { return r.File("f", at("new"), false) }, ""},
		{func(r *preflight.Report) bool { return r.File("f", at("pipe"), false) }, ""},
		{func(r *preflight.Report) bool { return r.File("f", at("file"), true) }, ""},
		{func(r *preflight.Report) bool { return r.File("f", at("new"), true) }, ""},
		{func(r *preflight.Report) bool { return r.File("f", at("pipe"), true) }, "is not a regular file"},
		{func(r *preflight.Report) bool { return r.File("f", at("folder"), false) }, "is a folder"},
		{func(r *preflight.Report) bool { return r.File("f", at("no/new"), false) }, "no such file or directory -> mkdir -p " + at("no")},
		{func(r *preflight.Report) bool { return r.File("f", at("file/new"), false) }, "is not a folder"},
		{func(r *preflight.Report) bool { return r.File("f", at("file/a/new"), false) }, "not a directory"},
		{func(r *preflight.Report) bool { return r.Folder("f", at("folder")) }, ""},
		{func(r *preflight.Report) bool { return r.Folder("f", at("a/b/c")) }, ""},
		{func(r *preflight.Report) bool { return r.Folder("f", at("file")) }, "is not a folder"},
		{func(r *preflight.Report) bool { return r.Folder("f", at("file/a")) }, "not a directory"},
		// Even root cannot write there.
		{func(r *preflight.Report) bool { return r.Folder("f", "/proc/self/new") }, "cannot be written to"},
		{func(r *preflight.Report) bool { return r.File("f", "/proc/self/new", true) }, "cannot be written to"},
	} {
		var r preflight.Report
		ok := c.check(&r)
		if c.want == "" {
			assert.Empty(t, r)
			assert.True(t, ok)
			continue
		}
		assert.False(t, ok, c.want)
		require.Len(t, texts(r, preflight.Problem), 1, c.want)
		assert.Contains(t, texts(r, preflight.Problem)[0], c.want)
	}
	assert.Equal(t, before, tree(t, dir))
}

// tree returns the name, size and time of each file below dir.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		all = append(all, fmt.Sprint(path, info.Size(), info.Mode(), info.ModTime().UnixNano()))
		return err
	}))
	return all
}

func TestRoom(t *testing.T) {
	var r preflight.Report
	r.Room("--events", filepath.Join(t.TempDir(), "no", "file"), 1<<62)
	require.Len(t, texts(r, preflight.Problem), 1)
	assert.Contains(t, texts(r, preflight.Problem)[0], "KiB free -> free space")
}

func TestEnvironment(t *testing.T) {
	names := []string{"TLSPEEK_HELLO_JSON", "TLSPEEK_MAX_CONNS", "TLSPEEK_KEY", "TLSPEEK_LISTEN"}
	var r preflight.Report
	r.Environment([]string{
		"TLSPEEK_KEY=x", "PATH=/bin",
		"TLSPEEK_HELO_JSON=x", "TLSPEEK_MAX_CONNECTIONS=1", "TLSPEEK_COLOUR=red", "TLSPEEK_listen=:443",
		"TLSPEEK_SERVICE_HOST=10.0.0.1", "TLSPEEK_SERVICE_PORT=443", "TLSPEEK_PORT=tcp://10.0.0.1:443", "TLSPEEK_PORT_443_TCP_ADDR=10.0.0.1",
	}, "TLSPEEK_", names)
	said := map[string]string{}
	for _, f := range r {
		assert.Equal(t, preflight.Warning, f.Level)
		said[f.Subject] = f.Advice
	}
	assert.Equal(t, map[string]string{
		"TLSPEEK_HELO_JSON":       "did you mean TLSPEEK_HELLO_JSON?",
		"TLSPEEK_MAX_CONNECTIONS": "did you mean TLSPEEK_MAX_CONNS?",
		"TLSPEEK_COLOUR":          "remove it",
		"TLSPEEK_listen":          "did you mean TLSPEEK_LISTEN?",
	}, said)
}

func TestBindErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for addr, want := range map[string]string{
		taken.Addr().String(): "address already in use -> use another port",
		"192.0.2.1:0":         "-> use an address of this machine",
		"8443":                "missing port in address -> use host and port",
	} {
		_, err := net.Listen("tcp", addr)
		var r preflight.Report
		r.BindError("--listen", err)
		require.Len(t, texts(r, preflight.Problem), 1)
		assert.Contains(t, texts(r, preflight.Problem)[0], want)
	}
	var r preflight.Report
	r.BindError("--listen", &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{Port: 443}, Err: syscall.EACCES})
	assert.Contains(t, texts(r, preflight.Problem)[0], "setcap cap_net_bind_service=+ep")
}
