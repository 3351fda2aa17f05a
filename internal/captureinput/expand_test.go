package captureinput

import (
	"io/fs"
	"os"
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

// TestCaptures: a directory gives every capture that can be opened. Other files have a
// reason, and what cannot be opened an error.
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
		"empty.pcap":      {},
		"link.pcap":       {Mode: fs.ModeSymlink},
		"pipe":            {Mode: fs.ModeNamedPipe},
		"locked.pcap":     {Data: data},
		"z.pcap":          {Data: data},
	}
	found, skipped, failed := captures(lockedFS{dir, map[string]bool{"a/locked": true, "locked.pcap": true}})
	assert.Equal(t, []string{"a/trace", "b.gz", "z.pcap"}, found)
	assert.Equal(t, []Skipped{
		{"a/notes.txt", "neither pcap nor pcapng: begins with 6e 6f 74 65"},
		{"empty.pcap", "empty file"},
		{"link.pcap", "symbolic link"},
		{"pipe", "not a regular file"},
	}, skipped)
	require.Len(t, failed, 2)
	assert.EqualError(t, failed[0], "open a/locked: permission denied")
	assert.EqualError(t, failed[1], "open locked.pcap: permission denied")
}
