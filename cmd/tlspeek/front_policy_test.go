package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/policy"
)

// A policyFile is a file of rules that a test changes.
type policyFile struct {
	path  string
	times int
}

// write replaces the file. Its time is another one each time, and long ago, so that nobody
// waits until it is left alone.
func (f *policyFile) write(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(f.path, []byte(text), 0o600))
	f.times++
	at := time.Now().Add(-time.Hour + time.Duration(f.times)*time.Second)
	require.NoError(t, os.Chtimes(f.path, at, at))
}

// A served is a serve that runs.
type served struct {
	addr, admin string
	log         *lockedBuffer
	stop        func() error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serveWith runs serve with these flags, and with the metrics at an address of their own.
func serveWith(t *testing.T, events io.Writer, args ...string) *served {
	t.Helper()
	args = append([]string{"--state-dir", t.TempDir(), "--events", "-", "--events-full"}, args...)
	return frontWith(t, serveCommand, events, args...)
}

// frontWith runs a command with these flags, and with the metrics at an address of their own.
func frontWith(t *testing.T, command func() *cobra.Command, stdout io.Writer, args ...string) *served {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln := free.Addr().String()
	require.NoError(t, free.Close())
	ctx, cancel := context.WithCancel(t.Context())
	said, stderr := io.Pipe()
	done := make(chan error, 1)
	go func() {
		cmd := command()
		cmd.SetArgs(append([]string{"--listen", "127.0.0.1:0", "--admin", ln, "--grace", "5s"}, args...))
		cmd.SetOut(stdout)
		cmd.SetErr(stderr)
		done <- cmd.ExecuteContext(ctx)
		stderr.Close()
	}()
	r := bufio.NewReader(said)
	s := &served{admin: ln, log: new(lockedBuffer)}
	for s.addr == "" {
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		if strings.HasPrefix(line, "listening on ") {
			s.addr = strings.TrimSuffix(strings.Fields(line)[2], ";")
		} else {
			io.WriteString(s.log, line)
		}
	}
	go io.Copy(s.log, r)
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { s.stop() })
	return s
}

// get sends a request over a version of HTTP, and returns status and body, or 0.
func (s *served) get(t *testing.T, version int, agent, path string) (status int, body string) {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}
	var client http.Client
	switch version {
	case 3:
		transport := &http3.Transport{TLSClientConfig: config}
		defer transport.Close()
		client.Transport = transport
	default:
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: version == 2}
		defer transport.CloseIdleConnections()
		client.Transport = transport
	}
	r, err := http.NewRequest("GET", "https://"+s.addr+path, nil)
	require.NoError(t, err)
	r.Header.Set("User-Agent", agent)
	res, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, version, res.ProtoMajor)
	return res.StatusCode, string(b)
}

// metrics returns the lines of /metrics that are about the policy.
func (s *served) metrics(t *testing.T) string {
	t.Helper()
	res, err := http.Get("http://" + s.admin + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var lines []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "tlspeek_policy_") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

const servedPolicy = `
rules:
  - {name: health, when: 'request.path == "/json" && user_agent == "health/1"', do: allow}
  - {name: liars, when: 'claim.verdict == "inconsistent"', do: deny}
  - {name: go, when: 'client.exists(c, c.family == "Go")', do: tag, tags: [robot], stage: request}
  - {name: wrong, when: 'ip(user_agent).family() == 4', do: deny}
`

const firefoxAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// TestServeWithAPolicy: each request gets what its rule says, over each version of HTTP, and
// Events and metrics have it.
func TestServeWithAPolicy(t *testing.T) {
	for _, dry := range []bool{false, true} {
		file := &policyFile{path: filepath.Join(t.TempDir(), "policy.yaml")}
		file.write(t, servedPolicy)
		var events lockedBuffer
		args := []string{"--policy", file.path}
		if dry {
			args = append(args, "--policy-dry-run")
		}
		s := serveWith(t, &events, args...)
		for version := 1; version <= 3; version++ {
			status, body := s.get(t, version, "health/1", "/json")
			assert.Equal(t, 200, status)
			assert.Contains(t, body, `"rule":"health","action":"allow"`)
			status, body = s.get(t, version, "Go-http-client/2.0", "/json")
			assert.Equal(t, 200, status)
			assert.Contains(t, body, `"rule":"go","action":"tag","tags":["robot"]`)
			status, body = s.get(t, version, firefoxAgent, "/json")
			if dry {
				assert.Equal(t, 200, status)
				assert.Contains(t, body, `"rule":"liars","action":"count","tags":["would-deny"]`)
			} else {
				assert.Equal(t, 403, status)
				assert.Regexp(t, `^forbidden\nreference: [0-9a-f]{32}\n$`, body)
			}
		}
		assert.Contains(t, s.log.String(), fmt.Sprintf(`msg="the policy is in use" file=%s rules=4 dry_run=%t`, file.path, dry))
		metrics := s.metrics(t)
		action := map[bool]string{false: "deny", true: "count"}[dry]
		for _, want := range []string{
			`tlspeek_policy_hits_total{action="allow",rule="health"} 3`,
			fmt.Sprintf(`tlspeek_policy_hits_total{action="%s",rule="liars"} 3`, action),
			`tlspeek_policy_hits_total{action="tag",rule="go"} 3`,
			fmt.Sprintf(`tlspeek_policy_hits_total{action="%s",rule="wrong"} 0`, action),
			`tlspeek_policy_errors_total{rule="wrong"} 3`,
			`tlspeek_policy_reloads_total{result="error"} 0`,
			"tlspeek_policy_failing 0",
			"tlspeek_policy_tarpits 0",
			"tlspeek_policy_tarpits_refused_total 0",
		} {
			assert.Contains(t, metrics, want+"\n")
		}
		require.NoError(t, s.stop())
		count := make(map[string]int)
		for line := range strings.Lines(events.String()) {
			var e struct{ Rule, Action, Settled string }
			require.NoError(t, json.Unmarshal([]byte(line), &e))
			count[e.Rule+" "+e.Action+" "+e.Settled]++
		}
		assert.Equal(t, map[string]int{"health allow request": 3, "go tag request": 3, "liars " + action + " request": 3}, count)
	}
}

// TestServeAsksSignals: agg has what was counted of earlier requests, whatever version of
// HTTP they came over.
func TestServeAsksSignals(t *testing.T) {
	file := &policyFile{path: filepath.Join(t.TempDir(), "policy.yaml")}
	file.write(t, `rules: [{name: busy, when: 'agg(src_ip).requests >= 3 && request.path == "/json"', do: deny}]`)
	s := serveWith(t, io.Discard, "--policy", file.path)
	for range 3 {
		status, _ := s.get(t, 1, "a", "/json")
		assert.Equal(t, 200, status)
	}
	// The values may be those of a second ago.
	require.Eventually(t, func() bool {
		status, _ := s.get(t, 2, "a", "/json")
		return status == 403
	}, 30*time.Second, 100*time.Millisecond)
	status, _ := s.get(t, 3, "a", "/json")
	assert.Equal(t, 403, status)

	s = serveWith(t, io.Discard, "--policy", file.path, "--signals-memory", "0")
	for range 5 {
		status, _ := s.get(t, 1, "a", "/json")
		assert.Equal(t, 200, status)
	}
	assert.Contains(t, s.log.String(), "the policy asks agg for signals")
}

// TestServeReloadsThePolicy: a file that changes is used, and one that is wrong is not: the
// log and the metrics say so. What was counted goes on.
func TestServeReloadsThePolicy(t *testing.T) {
	file := &policyFile{path: filepath.Join(t.TempDir(), "policy.yaml")}
	rules := func(rate string) string {
		return "rules: [{name: all, when: 'true', do: " + rate + ", stage: request}]"
	}
	file.write(t, rules("deny"))
	s := serveWith(t, io.Discard, "--policy", file.path)
	status, _ := s.get(t, 2, "a/1", "/")
	assert.Equal(t, 403, status)

	file.write(t, "rules: [{name: all, when: 'tru', do: allow}]")
	require.Eventually(t, func() bool {
		return strings.Contains(s.metrics(t), `tlspeek_policy_reloads_total{result="error"} 1`)
	}, 20*time.Second, 10*time.Millisecond)
	assert.Contains(t, s.metrics(t), "tlspeek_policy_failing 1\n")
	assert.Contains(t, s.log.String(), "the policy cannot be reloaded")
	status, _ = s.get(t, 2, "a/1", "/")
	assert.Equal(t, 403, status)

	file.write(t, rules("allow"))
	require.Eventually(t, func() bool {
		return strings.Contains(s.metrics(t), `tlspeek_policy_reloads_total{result="ok"} 1`)
	}, 20*time.Second, 10*time.Millisecond)
	status, _ = s.get(t, 2, "a/1", "/json")
	assert.Equal(t, 200, status)
	assert.Contains(t, s.metrics(t), "tlspeek_policy_failing 0\n")
	require.NoError(t, s.stop())
}

// TestServeEndsTarpits: what is held back does not keep serve from ending.
func TestServeEndsTarpits(t *testing.T) {
	file := &policyFile{path: filepath.Join(t.TempDir(), "policy.yaml")}
	file.write(t, "rules: [{name: pit, when: 'true', do: tarpit, hold: 10m, stage: request}]")
	s := serveWith(t, io.Discard, "--policy", file.path, "--grace", "10m")
	var all sync.WaitGroup
	for version := 1; version <= 3; version++ {
		all.Go(func() {
			status, _ := s.get(t, version, "a/1", "/")
			assert.Equal(t, 403, status)
		})
	}
	conn, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "line\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(s.metrics(t), "tlspeek_policy_tarpits 4\n") }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, s.stop())
	all.Wait()
}

// TestServeChoosesACertificate: a rule gives clients another certificate, over TCP and QUIC.
func TestServeChoosesACertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key, err := listen.SelfSigned(filepath.Join(dir, "other"))
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	file := &policyFile{path: filepath.Join(dir, "policy.yaml")}
	file.write(t, fmt.Sprintf(`
certificates:
  other: {cert: %s, key: %s}
rules: [{name: local, when: 'sni == "localhost"', do: config, certificate: other}]
`, filepath.Join("other", filepath.Base(cert)), key))
	s := serveWith(t, io.Discard, "--policy", file.path)
	for _, name := range []string{"localhost", "else.example"} {
		conn, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: []string{"h2"}})
		require.NoError(t, err)
		state := conn.ConnectionState()
		assert.Equal(t, name == "localhost", state.PeerCertificates[0].Equal(pair.Leaf))
		assert.Equal(t, "h2", state.NegotiatedProtocol)
		conn.Close()
	}
	status, body := s.get(t, 3, "a/1", "/json")
	assert.Equal(t, 200, status)
	assert.Contains(t, body, `"rule":"local","action":"config"`)
	require.NoError(t, s.stop())
}

// TestServeWithABrokenPolicy: serve does not start, and --check tells each error.
func TestServeWithABrokenPolicy(t *testing.T) {
	clearEnvironment(t)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"two errors":     {"rules: [{name: a, when: 'ja5 == \"\"', do: deny}, {name: a, when: 'true', do: no}]", []string{"policy.yaml:1:", "ja4", "deny"}},
		"a failed test":  {"rules: [{name: a, when: 'true', do: deny}]\ntests: [{event: {transport: tls}, expect: {do: allow}}]", []string{"deny"}},
		"no certificate": {"certificates: {x: {cert: no.pem, key: no.key}}\nrules: [{name: a, when: 'true', do: config, certificate: x}]", []string{"policy.yaml:1: certificate x: ", "no.pem"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := &policyFile{path: filepath.Join(dir, "policy.yaml")}
			file.write(t, c.text)
			said, status := check(t, "--listen", "127.0.0.1:0", "--state-dir", filepath.Join(dir, "state"), "--policy", file.path)
			assert.Equal(t, 1, status)
			var stderr bytes.Buffer
			assert.Equal(t, 1, run([]string{"serve", "--listen", "127.0.0.1:0", "--state-dir", filepath.Join(dir, "state"), "--policy", file.path}, strings.NewReader(""), io.Discard, &stderr))
			for _, want := range c.want {
				assert.Contains(t, said, want)
				assert.Contains(t, stderr.String(), want)
			}
			assert.Contains(t, said, "problem --policy ")
			assert.Contains(t, stderr.String(), "--policy: ")
		})
	}
	said, status := check(t, "--listen", "127.0.0.1:0", "--state-dir", filepath.Join(dir, "state"), "--policy", filepath.Join(dir, "none.yaml"))
	assert.Equal(t, 1, status)
	assert.Contains(t, said, "none.yaml: no such file or directory")
	said, status = check(t, "--policy-dry-run", "--listen", "127.0.0.1:0", "--state-dir", filepath.Join(dir, "state"))
	assert.Equal(t, 1, status)
	assert.Contains(t, said, "--policy-dry-run needs --policy")
	file := &policyFile{path: filepath.Join(dir, "policy.yaml")}
	file.write(t, servedPolicy)
	said, status = check(t, "--listen", "127.0.0.1:0", "--state-dir", filepath.Join(dir, "state"), "--policy", file.path, "--policy-dry-run")
	assert.Zero(t, status)
	assert.Contains(t, said, "ok --policy "+file.path+": 4 rules, which only count (--policy-dry-run)")
	said, status = check(t, "--listen", "127.0.0.1:0", "--state-dir", filepath.Join(dir, "state"), "--policy", "../../docs/examples/shop.yaml") // tests of captures
	assert.Zero(t, status, said)
	assert.Contains(t, said, "shop.yaml: 11 rules")
	file.write(t, "rules: [{name: a, when: 'transport == \"tcp\"', do: deny}]")
	said, status = check(t, "--listen", "127.0.0.1:0", "--state-dir", filepath.Join(dir, "state"), "--policy", file.path)
	assert.Zero(t, status)
	assert.Contains(t, said, "warning --policy "+file.path+`:1: rule a: transport is never "tcp": it is one of tls, quic, dtls`)
	assert.Contains(t, said, "warning --policy "+file.path+":1: rule a: the rule never matches")
}

// TestPolicyIsDocumented: docs/serve.md has each metric of the policy, and its rules load.
func TestPolicyIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/serve.md")
	require.NoError(t, err)
	for _, d := range policyDescriptions {
		_, name, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		assert.True(t, strings.Contains(string(text), "`"+name+"`"), "docs/serve.md lacks %s", name)
	}
	_, section, found := strings.Cut(string(text), "\n## Policy\n")
	require.True(t, found)
	_, example, found := strings.Cut(section, "\n    rules:\n")
	require.True(t, found)
	example, _, _ = strings.Cut(example, "\n\n")
	path := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(path, []byte("rules:\n"+strings.ReplaceAll("\n"+example, "\n    ", "\n")), 0o600))
	f := frontFlags{policy: policyFlags{file: path}}
	g, err := f.policy.load(&tls.Config{}, nil, nil, nil)
	require.NoError(t, err)
	rules := 0
	for r := range g.rules.Policy().Rules() {
		rules++
		assert.Equal(t, r.Name == "strangers", r.At(policy.AtHello), r.Name)
	}
	assert.Equal(t, 3, rules)
}
