package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestScanWarnsOfExpressions: what no hello can have is told once, before files are read,
// and the exit status is that of the scan.
func TestScanWarnsOfExpressions(t *testing.T) {
	list := filepath.Join(t.TempDir(), "ips.txt")
	require.NoError(t, os.WriteFile(list, []byte("192.0.2.1\n"), 0o600))
	const file = "../../testdata/captures/curl.pcap"
	scan := func(args ...string) string {
		var stderr bytes.Buffer
		assert.Zero(t, run(append([]string{"scan"}, append(args, file, file)...), strings.NewReader(""), io.Discard, &stderr))
		return stderr.String()
	}
	for expr, want := range map[string]string{
		`transport == "tcp"`:                       `transport is never "tcp"`,
		`client.exists(c, c.kind == "brwser")`:     `client.kind is never "brwser": did you mean browser?`,
		`tells.exists(t, t.name == "froze-order")`: `tells.name is never "froze-order": did you mean frozen-order?`,
		`inList("ips", ja4)`:                       "the list ips has no JA4",
		`version == "TLS1.3"`:                      `version is never "TLS1.3"`,
		`1 == 1`:                                   "the expression is always true",
	} {
		said := scan("--where", expr, "--list", "ips="+list)
		assert.Equal(t, 1, strings.Count(said, "tlspeek: warning: --where: "+want), "%s: %s", expr, said)
		assert.Less(t, strings.Index(said, want), strings.Index(said, "2 files"), said)
		assert.NotContains(t, scan("-q", "--where", expr, "--list", "ips="+list), "warning")
	}
	assert.NotContains(t, scan("--where", `sni == "test.example" && "x" in tags`), "warning")
}
