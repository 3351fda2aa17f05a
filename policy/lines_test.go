package policy

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestErrorLines: each error is one line, whatever has wrapped it.
func TestErrorLines(t *testing.T) {
	_, err := Load(files("p.yaml", "rules: [{name: a, when: 'ja5 == 1', do: no}]"), "p.yaml", LoadOptions{})
	require.Error(t, err)
	lines := ErrorLines(fmt.Errorf("--policy: %w", err))
	require.Len(t, lines, 2)
	for _, line := range lines {
		assert.Regexp(t, `^p\.yaml:1:\d+: `, line)
		assert.NotContains(t, line, "\n")
		assert.NotContains(t, line, "^")
	}
	failed := loadText(t, "rules: []\ntests: [{name: t, event: {transport: tls}, expect: {do: deny}}]").TestErr()
	assert.Equal(t, []string{"1 of 1 tests failed: policy.yaml:2: t: do is allow, expected deny"}, ErrorLines(failed))
	assert.Equal(t, []string{"a; b"}, ErrorLines(errors.New("a\nb\n")))
}

// TestReloadLogsEachError: a log in text has one line for each error.
func TestReloadLogsEachError(t *testing.T) {
	dir := fstest.MapFS{"p.yaml": {Data: []byte("rules: []")}}
	var log bytes.Buffer
	r := &Reloader{Dir: dir, Name: "p.yaml", Log: slog.New(slog.NewTextHandler(&log, nil))}
	require.NoError(t, r.Load())
	dir["p.yaml"] = &fstest.MapFile{Data: []byte("rules: [{name: a, when: 'ja5 == 1', do: no}]")}
	r.Check()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 2)
	assert.Contains(t, lines[0], `msg="the policy cannot be reloaded: the one before stays in use" file=p.yaml errors=2 error="p.yaml:1:`)
	assert.Contains(t, lines[1], `msg="the policy has another error" file=p.yaml error="p.yaml:1:`)
	assert.NotContains(t, log.String(), `\n`)
}
