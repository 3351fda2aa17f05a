package clientfile

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
)

func TestAppend(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mine.jsonl")
	one := known.Entry{Name: "one", Family: "F", JA4: "t13d1516h2_8daaf6152771_e5627efa2ab1"}
	two := known.Entry{Name: "two", Family: "F", JA4: "t13d1516h2_8daaf6152771_e5627efa2ab1"}
	added, err := Append(name, []known.Entry{one, one})
	require.NoError(t, err)
	assert.Equal(t, 1, added)

	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, text[:len(text)-1], 0o600)) // as some editors leave it
	added, err = Append(name, []known.Entry{one, two})
	require.NoError(t, err)
	assert.Equal(t, 1, added)
	entries, err := Read(name)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	assert.Equal(t, "one", entries[0].Name)
	assert.Equal(t, "two", entries[1].Name)

	builtin, err := known.BuiltinEntries()
	require.NoError(t, err)
	all, err := WithBuiltin(name)
	require.NoError(t, err)
	assert.Len(t, all, 2+len(builtin))
	db, err := Database(name)
	require.NoError(t, err)
	assert.NotNil(t, db)
}

func TestNoFile(t *testing.T) {
	entries, err := Read("")
	require.NoError(t, err)
	assert.Empty(t, entries)
	db, err := Database("")
	require.NoError(t, err)
	assert.Nil(t, db)
	name := filepath.Join(t.TempDir(), "absent")
	_, err = Database(name)
	assert.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(name, []byte("{\n"), 0o600))
	_, err = WithBuiltin(name)
	assert.ErrorContains(t, err, "reading "+name+": ")
	_, err = Append(name, nil)
	assert.ErrorContains(t, err, "reading "+name+": ")
}

func TestFromCapture(t *testing.T) {
	open := func(name string) *os.File {
		f, err := os.Open(filepath.Join(hellotest.Dir(), "captures", name))
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	entries, err := FromCapture(t.Context(), open("curl-hrr.pcap"), "dir/curl-hrr.pcap")
	require.NoError(t, err)
	require.Len(t, entries, 1, "the second hello is skipped")
	assert.Equal(t, "tls", entries[0].Transport)
	assert.Equal(t, "curl-hrr.pcap", entries[0].Source)
	assert.Regexp(t, `^\d{4}-\d\d-\d\d$`, entries[0].Date)
	_, err = FromCapture(t.Context(), open("curl-gap.pcap"), "curl-gap.pcap")
	assert.EqualError(t, err, "curl-gap.pcap: no hello in this capture")
}

// TestDistinct: of hellos that differ only in the order of their extensions one is
// kept, and the client is one that permutes them.
func TestDistinct(t *testing.T) {
	h := hellotest.Real(t)["curl-openssl-3.0"]
	reversed := slices.Clone(h.Extensions)
	slices.Reverse(reversed)
	other := hellotest.Real(t)["go-1.26"]
	same := []known.Entry{Entry(h, "a"), Entry(h, "b"), Entry(other, "c")}
	kept, err := Distinct(same)
	require.NoError(t, err)
	require.Len(t, kept, 2)
	assert.Equal(t, "a", kept[0].Source)
	assert.Equal(t, "c", kept[1].Source)
	for _, e := range kept {
		assert.False(t, e.Permutes)
		assert.NotEmpty(t, e.JA4)
	}

	kept, err = Distinct(append(same, Entry(hellotest.Rebuild(t, h, h.CipherSuites, reversed), "d")))
	require.NoError(t, err)
	require.Len(t, kept, 2)
	for _, e := range kept {
		assert.True(t, e.Permutes)
	}
	_, err = Distinct([]known.Entry{{Hello: "00"}})
	assert.Error(t, err)
}
