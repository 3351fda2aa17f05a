package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInterrupted: the summary counts only the files that were begun.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	data, err := os.ReadFile("../../testdata/captures/curl.pcap")
	require.NoError(t, err)
	var stdout, stderr bytes.Buffer
	cmd := scanCommand()
	cmd.SetArgs([]string{"-j", "1", "--fields", "sni", "-", "../../testdata/captures/curl.pcap"})
	cmd.SetIn(r)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	go func() {
		w.Write(data)
		w.Write(nil) // returns when everything was read
		cancel()
	}()
	require.ErrorIs(t, cmd.ExecuteContext(ctx), errReported)
	assert.Contains(t, stderr.String(), "interrupted: 1 file, ")
}

// TestFullTable: a scan whose table is full prints what it has counted, reports how
// many hellos it has not, and fails.
func TestFullTable(t *testing.T) {
	var stdout, stderr bytes.Buffer
	s := &scan{
		paths:  []string{"../../testdata/captures/curl.pcap", "../../testdata/captures/starttls-smtp.pcap"},
		jobs:   1,
		memory: 1,
		expand: 1,
		quiet:  true,
		stdout: &stdout,
		stderr: &stderr,
		output: scanOutput{top: "ja4"},
	}
	s.output.topTable.MaxBytes = 150 // of one row
	require.ErrorIs(t, s.run(t.Context()), errReported)
	assert.Regexp(t, `^         1  t13d\w+  \(at most 2\)\n         1  \(others\)\n$`, stdout.String())
	assert.Contains(t, stderr.String(), "the table is full: 1 hello with other values not counted for lack of memory: use a larger --max-memory")
}
