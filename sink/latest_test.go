package sink_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/sink"
)

// kept saves l and returns the Events in its file.
func kept(t *testing.T, l *sink.Latest) (events []string) {
	t.Helper()
	require.NoError(t, l.Save())
	var list []json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(read(t, l.Path)), &list))
	for _, e := range list {
		events = append(events, string(e))
	}
	return events
}

// TestLatestIsBounded compares what is kept with the longest run of latest Events
// that is within both bounds.
func TestLatestIsBounded(t *testing.T) {
	for _, bound := range []struct{ keep, bytes int }{{3, 1000}, {1000, 100}, {5, 60}, {1, 20}} {
		l := &sink.Latest{Path: filepath.Join(t.TempDir(), "hello.json"), Keep: bound.keep, MaxBytes: bound.bytes}
		var all []string
		for i := range 200 {
			e := fmt.Sprintf(`{"n":"%s"}`, strings.Repeat("x", i*7%40))
			l.Add([]byte(e))
			if len(e) <= bound.bytes {
				all = append(all, e)
			}
			first, size := len(all), 0
			for first > 0 && len(all)-first < bound.keep && size+len(all[first-1]) <= bound.bytes {
				first--
				size += len(all[first])
			}
			if i%20 == 0 {
				require.Equal(t, all[first:], kept(t, l), "%v, after %d", bound, i)
			}
		}
	}
}

func TestLatestKeeps16MiBByDefault(t *testing.T) {
	l := &sink.Latest{Path: filepath.Join(t.TempDir(), "hello.json"), Keep: 1000}
	e := []byte(`"` + strings.Repeat("x", 1<<20-2) + `"`)
	for range 20 {
		l.Add(e)
	}
	assert.Len(t, kept(t, l), 16)
}

// TestLatestLoadsWhatIsKept: the file has more Events than are kept.
func TestLatestLoadsWhatIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hello.json")
	before := &sink.Latest{Path: path, Keep: 100}
	var all []string
	for i := range 50 {
		all = append(all, fmt.Sprintf(`{"n":%d}`, 100+i))
		before.Add([]byte(all[i]))
	}
	require.NoError(t, before.Save())
	l := &sink.Latest{Path: path, Keep: 100, MaxBytes: 10 * len(all[0])}
	require.NoError(t, l.Load())
	require.NoError(t, os.Remove(path))
	assert.Equal(t, slices.Clone(all[40:]), kept(t, l))
	assert.NoError(t, (&sink.Latest{Path: filepath.Join(t.TempDir(), "none"), Keep: 1}).Load())
}

func TestLatestRejectsOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hello.json")
	for _, text := range []string{"", "{}", "7", "[", "[1", "[1,", "[1}", "[x]", "[1] 2", "[1]]"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		err := (&sink.Latest{Path: path, Keep: 1}).Load()
		assert.ErrorContains(t, err, "reading "+path+", which should be a JSON array: ", text)
	}
}
