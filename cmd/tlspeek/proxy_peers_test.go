//go:build peers

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/peertest"
	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// These tests have "tlspeek proxy" between the servers and the clients of others. What
// passes is a table in docs/proxy.md.

var proxyProgram = flag.String("proxy", "", "the `program` to test; it is built if this is empty")

func buildProxy(t *testing.T) string {
	if *proxyProgram != "" {
		return *proxyProgram
	}
	return sitetest.Build(t)
}

// A reply is what curl got.
type reply struct {
	exit, status int
	encoding     string
	body         []byte
}

func (r reply) is(status int, body string) bool { return r.status == status && string(r.body) == body }

func (r reply) has(status int, sum string) bool {
	got := sha256.Sum256(r.body)
	return r.status == status && hex.EncodeToString(got[:]) == sum
}

// A target is what curl asks: the proxy, or the backend.
type target struct {
	base string   // of URLs
	args []string // of curl
	site *peertest.Site
}

func ofProxy(p *peertest.Proxy, site *peertest.Site) target {
	return target{p.URL(""), []string{"--cacert", p.CA, "--connect-to", "::" + p.Addr}, site}
}

// curl asks for a path over a version of HTTP. The body may be nil.
func (to target) curl(t *testing.T, version, path string, stdin io.Reader, args ...string) reply {
	t.Helper()
	body := filepath.Join(t.TempDir(), "body")
	cmd := exec.Command("curl", slices.Concat([]string{
		"-q", "--silent", "--http" + version, "--max-time", "60", "--output", body,
		"--write-out", "%{http_code} %{http_version} %header{content-encoding}", to.base + path,
	}, to.args, args)...)
	cmd.Stdin = stdin
	out, err := cmd.Output()
	r := reply{exit: cmd.ProcessState.ExitCode()}
	if err != nil && r.exit <= 0 {
		require.NoError(t, err)
	}
	fields := strings.Fields(string(out) + " 0 0 -")
	r.status, err = strconv.Atoi(fields[0])
	require.NoError(t, err)
	if version == "2" && r.exit == 0 {
		assert.Equal(t, version, fields[1])
	}
	r.encoding = fields[2]
	r.body, _ = os.ReadFile(body) // there is none for an empty answer
	return r
}

// A trial asks for one thing over a version of HTTP, and says whether that works.
type trial struct {
	name string
	run  func(t *testing.T, to target, version string) bool
}

var backendTrials = []trial{
	{"GET, HEAD", func(t *testing.T, to target, version string) bool {
		return to.curl(t, version, "/small.txt", nil).is(200, peertest.Small) && to.curl(t, version, "/small.txt", nil, "--head").status == 200
	}},
	{"a range", func(t *testing.T, to target, version string) bool {
		return to.curl(t, version, "/small.txt", nil, "--range", "6-11").is(206, "enough")
	}},
	{"gzip", func(t *testing.T, to target, version string) bool {
		r := to.curl(t, version, "/small.txt", nil, "--compressed")
		return r.encoding == "gzip" && r.is(200, peertest.Small)
	}},
	{"10 MB down", func(t *testing.T, to target, version string) bool {
		return to.curl(t, version, "/big.bin", nil).has(200, to.site.Big)
	}},
	{"10 MB up", func(t *testing.T, to target, version string) bool {
		return uploads(t, to, version, filepath.Join(to.site.Dir, "big.bin"), "--header", "Expect:")
	}},
	{"100-continue", func(t *testing.T, to target, version string) bool {
		return uploads(t, to, version, filepath.Join(to.site.Dir, "big.bin"), "--header", "Expect: 100-continue", "--expect100-timeout", "50")
	}},
	{"10 MB up, of unknown length", func(t *testing.T, to target, version string) bool {
		return uploads(t, to, version, "-", "--header", "Expect:")
	}},
}

// uploads sends big.bin. The answer is its digest, or the file can be read afterwards.
func uploads(t *testing.T, to target, version, file string, args ...string) bool {
	t.Helper()
	path := "/upload"
	if to.curl(t, version, "/upload/", nil).status == 403 { // of nginx: a folder
		path = "/upload/file"
	}
	var stdin io.Reader
	if file == "-" { // of which curl does not know the length
		big, err := os.ReadFile(filepath.Join(to.site.Dir, "big.bin"))
		require.NoError(t, err)
		stdin = bytes.NewReader(big)
	}
	r := to.curl(t, version, path, stdin, append(args, "--upload-file", file)...)
	switch r.status {
	case 200:
		return strings.HasPrefix(string(r.body), to.site.Big)
	case 201, 204:
		stored := to.curl(t, version, path, nil).has(200, to.site.Big)
		to.curl(t, version, path, nil, "--request", "DELETE")
		return stored
	}
	return false
}

const forged = "forged.example"

// tellsFields has curl forge what the backend is told: every name, in the ways to write
// it that a server takes for the same.
func tellsFields(t *testing.T, p *peertest.Proxy, to target, version string) bool {
	t.Helper()
	var args []string
	for _, name := range []string{"X-JA4-Fingerprint", "X-TLS-Client", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP"} {
		for _, spelling := range []string{name, strings.ReplaceAll(name, "-", "_"), strings.ToUpper(name), strings.Replace(name, "-", "_", 1)} {
			args = append(args, "--header", spelling+": "+forged)
		}
	}
	if version == "1.1" {
		args = append(args, "--header", "Connection: X-JA4-Fingerprint, X-Forwarded-For, Forwarded")
	}
	r := to.curl(t, version, "/fields", nil, args...)
	if r.status != 200 {
		return false
	}
	text := strings.ReplaceAll(strings.ToUpper(string(r.body)), "-", "_")
	assert.NotContains(t, text, strings.ToUpper(forged), "%s", r.body)
	got := make(map[string]string)
	for line := range strings.Lines(text) {
		if m := fieldLine.FindStringSubmatch(line); m != nil {
			got[m[1]] += m[2]
		}
	}
	return assert.Regexp(t, `^T13D[0-9]{4}H[12]_[0-9A-F]{12}_[0-9A-F]{12}$`, got["X_JA4_FINGERPRINT"], "%s", text) &&
		assert.Contains(t, got["X_TLS_CLIENT"], "CURL") &&
		assert.Equal(t, "127.0.0.1", got["X_FORWARDED_FOR"]) &&
		assert.Equal(t, "HTTPS", got["X_FORWARDED_PROTO"]) &&
		assert.Equal(t, strings.ToUpper(sitetest.Name)+":"+p.Port, got["X_FORWARDED_HOST"]) &&
		assert.Contains(t, got["FORWARDED"], "FOR=127.0.0.1") &&
		assert.Equal(t, strings.ToUpper(sitetest.Name)+":"+p.Port, got["HOST"]) &&
		assert.Empty(t, got["X_REAL_IP"])
}

// A fieldLine is "Name: value", or "HTTP_NAME=value" of CGI, in upper case.
var fieldLine = regexp.MustCompile(`^(?:HTTP_)?([A-Z0-9_]+)(?:: |=)(.*)\n`)

// versions names the versions of HTTP for which a check passes: "yes" if all do.
func versions(all []string, passes func(version string) bool) string {
	var passed []string
	for _, v := range all {
		if passes(v) {
			passed = append(passed, "HTTP/"+v)
		}
	}
	switch len(passed) {
	case 0:
		return "no"
	case len(all):
		return "yes"
	}
	return "only " + strings.Join(passed, ", ")
}

// TestProxyBackends: servers of others behind the proxy, and curl in front of it.
func TestProxyBackends(t *testing.T) {
	program := buildProxy(t)
	site := peertest.NewSite(t)
	columns := make([]string, len(backendTrials), len(backendTrials)+1)
	for i, c := range backendTrials {
		columns[i] = c.name
	}
	table := peertest.NewTable("backend", append(columns, "the fields, none forged")...)
	add := func(name, to, direct string, flags ...string) {
		t.Run(name, func(t *testing.T) {
			p := peertest.Start(t, program, append([]string{"--to", to}, flags...)...)
			front, behind := ofProxy(p, site), target{direct, nil, site}
			both := []string{"1.1", "2"}
			row := []string{name}
			for _, c := range backendTrials {
				cell := versions(both, func(version string) bool { return c.run(t, front, version) })
				if cell == "no" && !c.run(t, behind, "1.1") {
					cell = "-"
				}
				row = append(row, cell)
			}
			fields := "-"
			if behind.curl(t, "1.1", "/fields", nil).status == 200 {
				fields = versions(both, func(version string) bool { return tellsFields(t, p, front, version) })
			}
			table.Add(append(row, fields)...)
			assert.NotContains(t, p.End(t), "level=ERROR")
		})
	}
	for _, c := range []struct {
		name string
		url  string
	}{
		{"nginx", site.StartNginx(t)}, {"Apache, CGI", site.StartApache(t)},
		{"Python http.server", site.StartPythonFiles(t)}, {"Python wsgiref", site.StartPython(t)},
	} {
		add(c.name, c.url, c.url)
	}
	direct, _ := site.StartGo(t, "http")
	for _, scheme := range []string{"http", "h2c", "https", "unix", "unix+h2c"} {
		to, flags := site.StartGo(t, scheme)
		add("net/http, "+scheme, to, direct, flags...)
	}
	table.Compare(t)
}
