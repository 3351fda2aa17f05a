package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProgressOver: what is printed on the same terminal takes the place of the
// progress, which does not cut a line in two.
func TestProgressOver(t *testing.T) {
	var b bytes.Buffer
	p := progress{w: &b, start: time.Now().Add(-time.Second), total: 4000}
	p.bytes.Store(1000)
	o := &overWriter{&b, &p}
	write := func(s string) {
		_, err := o.Write([]byte(s))
		require.NoError(t, err)
	}
	p.print()
	p.print()
	write("a line\nhalf ")
	p.print()
	write("a line\n")
	write("another\n")
	p.print()
	const shown = `\r25 % of 4\.0 kB, [\d.]+ k?B/s, 0 hellos, \w+ left\x1b\[K`
	assert.Regexp(t, regexp.MustCompile("^"+shown+shown+`\r\x1b\[Ka line\nhalf a line\nanother\n`+shown+"$"), b.String())
	assert.Same(t, &b, (&progress{}).over(&b))
	assert.Same(t, &b, p.over(&b), "no terminal")
}

// TestInterrupted: the summary counts the files that were begun, and no others.
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
		w.Write(nil) // which comes back when all was read
		cancel()
	}()
	require.ErrorIs(t, cmd.ExecuteContext(ctx), errReported)
	assert.Contains(t, stderr.String(), "interrupted: 1 file, ")
}
