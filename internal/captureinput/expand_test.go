package captureinput

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A lockedFS is a file system in which some files cannot be opened.
type lockedFS struct {
	fs.FS
	locked map[string]bool
}

func (l lockedFS) Open(name string) (fs.File, error) {
	if l.locked[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return l.FS.Open(name)
}

// TestCaptures: a directory gives every capture that can be opened, also damaged ones.
// Other files have a reason, and what cannot be opened an error.
func TestCaptures(t *testing.T) {
	data, err := os.ReadFile("../../testdata/captures/curl.pcap")
	require.NoError(t, err)
	compressed, err := os.ReadFile("../../testdata/captures/curl.pcap.gz")
	require.NoError(t, err)
	dir := fstest.MapFS{
		"a/locked/1.pcap": {Data: data},
		"a/notes.txt":     {Data: []byte("notes")},
		"a/trace":         {Data: data},
		"b.gz":            {Data: compressed},
		"cut.gz":          {Data: compressed[:20]},
		"d.zip":           {Data: []byte("PK\x03\x04....")},
		"empty.pcap":      {},
		"netmon.cap":      {Data: []byte("GMBU........")},
		"link.pcap":       {Mode: fs.ModeSymlink},
		"pipe":            {Mode: fs.ModeNamedPipe},
		"locked.pcap":     {Data: data},
		"z.pcap":          {Data: data},
	}
	found, skipped, failed := captures(lockedFS{dir, map[string]bool{"a/locked": true, "locked.pcap": true}}, new(seenFiles))
	assert.Equal(t, []string{"a/trace", "b.gz", "cut.gz", "netmon.cap", "z.pcap"}, found)
	assert.Equal(t, []Skipped{
		{"a/notes.txt", "neither pcap, pcapng nor snoop", "neither pcap, pcapng nor snoop: begins with 6e 6f 74 65"},
		{"d.zip", "a zip archive", "this is a zip archive: extract it first"},
		{"empty.pcap", "empty", "empty file"},
		{"link.pcap", "symbolic link", "symbolic link"},
		{"locked.pcap", "no permission", "no permission"},
		{"pipe", "not a regular file", "not a regular file"},
	}, skipped)
	require.Len(t, failed, 2)
	assert.EqualError(t, failed[0], "open a/locked: permission denied")
	assert.EqualError(t, failed[1], "open locked.pcap: permission denied")
}

// TestExpandLinks: a file is read once, however many links a directory has to it, and
// as often as it is named.
func TestExpandLinks(t *testing.T) {
	data, err := os.ReadFile("../../testdata/captures/curl.pcap")
	require.NoError(t, err)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(path("a.pcap"), data, 0o600))
	require.NoError(t, os.Link(path("a.pcap"), path("b.pcap")))
	require.NoError(t, os.Symlink("a.pcap", path("c.pcap")))
	require.NoError(t, os.Symlink("gone", path("d.pcap")))

	files, skipped, failed := Expand([]string{dir})
	assert.Equal(t, []string{path("a.pcap")}, files)
	assert.Equal(t, []Skipped{
		{path("b.pcap"), "read under another name", "the same file as a.pcap"},
		{path("c.pcap"), "symbolic link", "symbolic link"},
		{path("d.pcap"), "broken symbolic link", "broken symbolic link"},
	}, skipped)
	assert.Empty(t, failed)

	files, skipped, failed = Expand([]string{path("c.pcap"), path("a.pcap"), dir})
	assert.Equal(t, []string{path("c.pcap"), path("a.pcap")}, files)
	assert.Len(t, skipped, 4)
	assert.Empty(t, failed)

	files, _, failed = Expand([]string{path("d.pcap")})
	assert.Equal(t, []string{path("d.pcap")}, files)
	assert.Empty(t, failed, "opening it says why")
}
