package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestServeAndClient has the one answer the other, as a user would.
func TestServeAndClient(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	said, stderr := io.Pipe()
	var events bytes.Buffer
	served := make(chan error, 1)
	go func() {
		cmd := serveCommand()
		cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--state-dir", dir, "--events", "-", "--hello-json", filepath.Join(dir, "hello.json")})
		cmd.SetOut(&events)
		cmd.SetErr(stderr)
		served <- cmd.ExecuteContext(ctx)
		stderr.Close()
	}()
	r := bufio.NewReader(said)
	first, err := r.ReadString('\n')
	require.NoError(t, err)
	go io.Copy(io.Discard, r)
	addr := strings.TrimSuffix(strings.Fields(first)[2], ";")

	ask := func(stdin string, args ...string) []string {
		var out bytes.Buffer
		cmd := clientCommand()
		cmd.SetArgs(append(args, "--insecure", addr))
		cmd.SetIn(strings.NewReader(stdin))
		cmd.SetOut(&out)
		require.NoError(t, cmd.ExecuteContext(ctx))
		return strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	assert.Len(t, ask(""), 1)
	assert.Len(t, ask("", "--count", "2", "--line", "a", "--line", "b"), 4)
	assert.Len(t, ask("1\n2\n3", "--stdin"), 3)

	stop()
	require.NoError(t, <-served)
	assert.Equal(t, 3, strings.Count(events.String(), "\n"))
	text, err := os.ReadFile(filepath.Join(dir, "hello.json"))
	require.NoError(t, err)
	var kept []struct {
		JA4 string `json:"ja4"`
	}
	require.NoError(t, json.Unmarshal(text, &kept))
	require.Len(t, kept, 3)
	assert.Contains(t, events.String(), kept[0].JA4)
}

func TestClientSaysWhatWentWrong(t *testing.T) {
	cmd := clientCommand()
	cmd.SetArgs([]string{"127.0.0.1:1"})
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	assert.ErrorContains(t, cmd.ExecuteContext(t.Context()), "connection refused")
}
