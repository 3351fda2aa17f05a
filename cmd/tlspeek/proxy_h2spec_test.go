//go:build peers

package main

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/peertest"
	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// buildH2spec builds h2spec, in a module of its own.
func buildH2spec(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, args := range [][]string{
		{"mod", "init", "example.com/h2spec"},
		{"get", "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible", "golang.org/x/net@v0.60.0", "github.com/fatih/color@v1.19.0", "github.com/spf13/cobra@v1.10.2"},
		{"build", "-o", "h2spec", "github.com/summerwind/h2spec/cmd/h2spec"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return filepath.Join(dir, "h2spec")
}

// failuresOf returns how many cases of h2spec were tried on p, and which failed.
func failuresOf(t *testing.T, h2spec string, p *peertest.Proxy) (tried int, failed []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.xml")
	cmd := exec.Command(h2spec, "--tls", "--insecure", "--host", "127.0.0.1", "--port", p.Port, "--path", "/small.txt", "--timeout", "2", "--junit-report", file)
	out, err := cmd.CombinedOutput() // its status is 1 if a case fails
	text, readErr := os.ReadFile(file)
	require.NoError(t, readErr, "%v %s", err, out)
	var report struct {
		Suites []struct {
			Cases []struct {
				Package string    `xml:"package,attr"`
				Class   string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(text, &report))
	for _, s := range report.Suites {
		for _, c := range s.Cases {
			tried++
			if c.Failure != nil || c.Error != nil {
				failed = append(failed, c.Package+": "+c.Class)
			}
		}
	}
	return tried, failed
}

// TestProxyH2spec: what fails at the proxy fails at a reverse proxy of net/http alone too.
func TestProxyH2spec(t *testing.T) {
	h2spec := buildH2spec(t)
	site := peertest.NewSite(t)
	to, _ := site.StartGo(t, "http")
	tried, failed := failuresOf(t, h2spec, peertest.Start(t, buildProxy(t), "--to", to))
	plain := peertest.StartPlain(t, sitetest.BuildPackage(t, "./internal/peertest/plain"), to)
	alsoTried, also := failuresOf(t, h2spec, plain)
	t.Logf("%d cases; failed at the proxy %q, and at net/http %q", tried, failed, also)
	assert.Greater(t, tried, 100)
	assert.Equal(t, tried, alsoTried)
	for _, f := range failed {
		assert.True(t, slices.Contains(also, f), f)
	}
}
