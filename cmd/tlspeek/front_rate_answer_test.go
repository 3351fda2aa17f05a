package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRateRefusalHasAReference: it is the id of the Event of the connection.
func TestRateRefusalHasAReference(t *testing.T) {
	events := filepath.Join(t.TempDir(), "events.jsonl")
	var body []byte
	s := frontWith(t, serveCommand, io.Discard, "--rate-requests", "1/h burst 1", "--events", events, "--state-dir", t.TempDir())
	for version := 1; version <= 3; version++ {
		status, text := s.get(t, version, "genuine", "/")
		if version == 1 {
			assert.Equal(t, 200, status)
			continue
		}
		assert.Equal(t, 429, status)
		assert.Regexp(t, `^too many requests: try again in 3[56]\d\d s\nreference: [0-9a-f]{32}\n$`, text)
		body = append(body, text...)
	}
	require.NoError(t, s.stop())
	lines, err := os.ReadFile(events)
	require.NoError(t, err)
	ids := regexp.MustCompile(`reference: ([0-9a-f]{32})`).FindAllSubmatch(body, -1)
	require.Len(t, ids, 2)
	for _, id := range ids {
		assert.Equal(t, 1, bytes.Count(lines, id[1]), "%s", lines)
	}
}
