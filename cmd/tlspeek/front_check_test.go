package main

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/listen"
)

// check returns what serve --check says, on one line each, and its exit status.
func check(t *testing.T, args ...string) (said string, status int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(append([]string{"serve", "--check"}, args...), strings.NewReader(""), &stdout, &stderr)
	assert.Empty(t, stderr.String())
	return strings.Join(strings.Fields(stdout.String()), " "), status
}

// clearEnvironment unsets the variables of flags, and those of tests, until the test ends.
func clearEnvironment(t *testing.T) {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "TLSPEEK_") {
			t.Setenv(name, "") // which restores it
			require.NoError(t, os.Unsetenv(name))
		}
	}
}

func TestCheckFindsNothing(t *testing.T) {
	clearEnvironment(t)
	cert, key, err := listen.SelfSigned(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	dir := t.TempDir()
	said, status := check(t, "--listen", "127.0.0.1:0", "--cert", cert, "--key", key, "--admin", "127.0.0.1:0", "--trusted-proxies", "10.0.0.0/8,192.0.2.1",
		"--events", filepath.Join(dir, "events.jsonl"), "--hello-json", filepath.Join(dir, "hello.json"))
	assert.Zero(t, status)
	for _, want := range []string{"ok flags go together", "ok --cert " + cert, "ok --events", "ok --hello-json", "ok --listen 127.0.0.1:", "over TCP and UDP",
		"ok --admin 127.0.0.1:", "ok --trusted-proxies 10.0.0.0/8, 192.0.2.1", "no problems"} {
		assert.Contains(t, said, want)
	}
	said, status = check(t, "--listen", "127.0.0.1:0", "--http3=false", "--state-dir", filepath.Join(dir, "a", "state"))
	assert.Zero(t, status)
	assert.Contains(t, said, "a self-signed certificate for localhost will be created")
	assert.NotContains(t, said, "UDP")
}

// TestCheckReportsEverything has one problem of each kind. Nothing on disk changes.
func TestCheckReportsEverything(t *testing.T) {
	clearEnvironment(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("file"), []byte("nonsense"), 0o600))
	require.NoError(t, os.WriteFile(at("events"), []byte(`{"part of a line`), 0o600))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	before := listFiles(t, dir)
	t.Setenv("TLSPEEK_GRACE", "long")
	t.Setenv("TLSPEEK_SETTLE", "soon")
	t.Setenv("TLSPEEK_HELO_JSON", at("hello.json"))

	said, status := check(t, "--listen", taken.Addr().String(), "--acme", "*.tls.example", "--state-dir", at("file"), "--clients", at("file"),
		"--events", at("no/events"), "--hello-json", at("file"), "--admin", "192.0.2.1:0", "--trusted-proxies", "proxy,10.0.0.1/8,::/0", "--log-format", "xml")
	assert.Equal(t, 1, status)
	for _, want := range []string{
		"TLSPEEK_GRACE: invalid argument", "TLSPEEK_SETTLE: invalid argument", "did you mean TLSPEEK_HELLO_JSON?",
		`problem flags --log-format "xml"`, "a wildcard needs the DNS challenge", "--acme needs port 443",
		"problem --state-dir " + at("file") + ": is not a folder",
		"problem --clients reading " + at("file"),
		"problem --events the folder " + at("no"),
		"problem --hello-json reading " + at("file"),
		"problem --listen listen tcp " + taken.Addr().String(),
		"problem --admin listen tcp 192.0.2.1:0: bind: cannot assign requested address",
		`problem --trusted-proxies "proxy": neither`, "10.0.0.1/8 is the network 10.0.0.0/8", "::/0 trusts every client",
		"12 problems, 3 warnings",
	} {
		assert.Contains(t, said, want)
	}
	said, status = check(t, "--listen", "127.0.0.1:0", "--state-dir", at("new"), "--events", at("events"), "--hello-json", at("events"))
	assert.Equal(t, 1, status)
	assert.Contains(t, said, "is also the file of --events")
	assert.Equal(t, before, listFiles(t, dir))
}

// listFiles returns the contents of the files in dir, and the time of each.
func listFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		require.NoError(t, err)
		text, _ := os.ReadFile(path)
		all[path] = info.ModTime().String() + string(text)
		return nil
	}))
	return all
}

// TestCheckOfPorts: both ports are tried, and one for two purposes is told.
func TestCheckOfPorts(t *testing.T) {
	clearEnvironment(t)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	require.NoError(t, err)
	defer udp.Close()
	said, _ := check(t, "--state-dir", t.TempDir(), "--listen", tcp.Addr().String())
	assert.Contains(t, said, "listen tcp "+tcp.Addr().String()+": bind: address already in use")
	assert.Contains(t, said, "listen udp "+tcp.Addr().String()+": bind: address already in use")
	assert.Contains(t, said, "or --http3=false")
	require.NoError(t, tcp.Close())

	said, status := check(t, "--state-dir", t.TempDir(), "--http3=false", "--listen", tcp.Addr().String(), "--admin", tcp.Addr().String())
	assert.Equal(t, 1, status)
	assert.Contains(t, said, "--admin "+tcp.Addr().String()+" is also the port of --listen")

	said, status = check(t, "--state-dir", t.TempDir(), "--listen", "systemd", "--admin", "0.0.0.0:0", "--pprof")
	assert.Zero(t, status)
	assert.Contains(t, said, "systemd: it passes the sockets when it starts the program")
	assert.Contains(t, said, "warning --admin 0.0.0.0:0 is not a loopback address: whoever reaches it sees metrics and the memory of the program")
}

// TestCheckOfAcme does not depend on whether this machine lets it open port 443.
func TestCheckOfAcme(t *testing.T) {
	clearEnvironment(t)
	for args, want := range map[string]string{
		"--listen :443":                            "ok --acme tls.example: obtained once the program runs",
		"--listen localhost:443":                   "warning --acme Let's Encrypt cannot reach the address localhost:443",
		"--listen 127.0.0.1:0 --acme-forwarded":    "ok --acme tls.example: obtained once the program runs",
		"--listen 127.0.0.1:0":                     "problem flags --acme needs port 443, not 0",
		"--listen :443 --cert a.pem --key key.pem": "problem flags --cert and --acme exclude each other",
	} {
		said, _ := check(t, append(strings.Fields(args), "--acme", "tls.example", "--state-dir", t.TempDir())...)
		assert.Contains(t, said, want, args)
	}
}

// TestCheckInEnvironment: every flag can be set there, also --check.
func TestCheckInEnvironment(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("TLSPEEK_CHECK", "true")
	t.Setenv("TLSPEEK_MAX_CONNS", "2000000000")
	var stdout, stderr bytes.Buffer
	status := run([]string{"serve", "--listen", "127.0.0.1:0", "--state-dir", t.TempDir()}, strings.NewReader(""), &stdout, &stderr)
	assert.Zero(t, status, "warnings alone are no failure")
	assert.Contains(t, stdout.String(), "warning  --max-conns")
	assert.Contains(t, stdout.String(), "the limit on open files is ")
}
