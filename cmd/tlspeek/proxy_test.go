package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pires/go-proxyproto"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProxy: requests reach the backends of their routes over each version of HTTP, with what
// is known of the client; what the policy refuses does not. Each has a line and counts.
func TestProxy(t *testing.T) {
	var mu sync.Mutex
	got := make(map[string]http.Header)
	backend := func(name string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			got[name+r.URL.Path] = r.Header.Clone()
			mu.Unlock()
			fmt.Fprintf(w, "%s %s %s", name, r.URL.Path, r.Host)
		}))
		t.Cleanup(s.Close)
		return s
	}
	dir := t.TempDir()
	rules := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(rules, []byte(`
rules:
  - name: scripts
    stage: request
    when: user_agent.startsWith("bot")
    do: deny
  - name: watched
    when: client.exists(c, c.family == "Go")
    do: tag
    tags: [go]
`), 0o600))
	access := filepath.Join(dir, "access.log")
	first, api := backend("first"), backend("api")
	s := frontWith(t, proxyCommand, io.Discard, "--state-dir", dir, "--to", first.URL, "--route", "/api="+api.URL, "--policy", rules,
		"--header-json", "--access-log", access, "--access-format", "json")
	for version := 1; version <= 3; version++ {
		status, body := s.get(t, version, "genuine", "/page")
		assert.Equal(t, 200, status, body)
		assert.Equal(t, "first /page "+s.addr, body)
		status, body = s.get(t, version, "genuine", "/api/users")
		assert.Equal(t, 200, status)
		assert.Equal(t, "api /api/users "+s.addr, body)
		status, body = s.get(t, version, "bot/1.0", "/secret")
		assert.Equal(t, 403, status)
		assert.Contains(t, body, "forbidden")
	}
	api.Close()
	status, body := s.get(t, 1, "genuine", "/api/users")
	assert.Equal(t, 502, status)
	assert.NotContains(t, body, "127.0.0.1", "of no concern to clients")

	h := got["first/page"]
	assert.NotContains(t, got, "first/secret")
	assert.Equal(t, "127.0.0.1", h.Get("X-Forwarded-For"))
	assert.Equal(t, "https", h.Get("X-Forwarded-Proto"))
	assert.Equal(t, s.addr, h.Get("X-Forwarded-Host"))
	assert.Regexp(t, `^q13d\d{4}h3_`, h.Get("X-Ja4-Fingerprint"), "the last came over QUIC")
	assert.Equal(t, "go", h.Get("X-Tls-Tags"))
	assert.Contains(t, h.Get("Tlspeek"), `ja4="q13d`)
	var e struct{ JA4, Rule string }
	require.NoError(t, json.Unmarshal([]byte(h.Get("Tlspeek-Event")), &e))
	assert.Equal(t, h.Get("X-Ja4-Fingerprint"), e.JA4)

	res, err := http.Get("http://" + s.admin + "/metrics")
	require.NoError(t, err)
	metrics, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	res.Body.Close()
	for _, line := range []string{
		`tlspeek_proxy_requests_total{http="1",status="2xx"} 2`, `tlspeek_proxy_requests_total{http="2",status="2xx"} 2`, `tlspeek_proxy_requests_total{http="3",status="2xx"} 2`,
		`tlspeek_proxy_requests_total{http="2",status="4xx"} 1`, `tlspeek_proxy_requests_total{http="1",status="5xx"} 1`, `tlspeek_proxy_failures_total{kind="connect"} 1`,
		`tlspeek_policy_hits_total{action="deny",rule="scripts"} 3`,
	} {
		assert.True(t, strings.Contains(string(metrics), "\n"+line+"\n"), line)
	}
	require.NoError(t, s.stop())
	text, err := os.ReadFile(access)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Len(t, lines, 10)
	for _, line := range lines {
		assert.True(t, json.Valid([]byte(line)), line)
	}
	assert.Contains(t, lines[2], `"status":403`)
	assert.Contains(t, lines[2], `"rule":"scripts"`)
	var failed struct{ Event string }
	require.NoError(t, json.Unmarshal([]byte(lines[9]), &failed))
	assert.Regexp(t, `level=WARN msg="a request could not be passed on" route=/api kind=connect error=".*connection refused" client=127.0.0.1 host=`+s.addr+` event=`+failed.Event+"\n", s.log.String())
}

// TestProxyPass: TLS reaches the server of its name untouched, with a header that says who the
// client is, and the policy decides about hellos.
func TestProxyPass(t *testing.T) {
	dir := t.TempDir()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	headers := make(chan *proxyproto.Header, 1)
	behind := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "behind "+r.RemoteAddr) }))
	behind.Listener.Close()
	behind.Listener = &proxyproto.Listener{Listener: inner, ValidateHeader: func(h *proxyproto.Header) error {
		headers <- h
		return nil
	}}
	behind.StartTLS()
	defer behind.Close()

	rules := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(rules, []byte(`
rules:
  - name: refused
    when: sni == "refused.example"
    do: deny
  - name: watched
    when: sni != ""
    do: tag
    tags: [seen]
  - name: agents
    stage: request
    when: request.method == "GET"
    do: deny
`), 0o600))
	var access lockedBuffer
	s := frontWith(t, proxyCommand, &access, "--pass", "--route", "*.example="+inner.Addr().String(), "--policy", rules, "--access-log", "-", "--access-format", "json")
	dial := func(name string) (*tls.Conn, error) {
		return tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: []string{"http/1.1"}})
	}
	conn, err := dial("shop.example")
	require.NoError(t, err)
	assert.Equal(t, behind.Certificate().Raw, conn.ConnectionState().PeerCertificates[0].Raw)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Contains(t, string(answer), "behind "+conn.LocalAddr().String())
	conn.NetConn().Close() // an alert would be answered with a reset: the server has closed
	header := <-headers
	assert.Equal(t, conn.LocalAddr().String(), header.SourceAddr.String())
	tlvs, err := header.TLVs()
	require.NoError(t, err)
	values := make(map[proxyproto.PP2Type]string)
	for _, v := range tlvs {
		values[v.Type] = string(v.Value)
	}
	assert.Equal(t, "shop.example", values[proxyproto.PP2_TYPE_AUTHORITY])
	assert.Regexp(t, `^t13d\d{4}h1_`, values[0xE4])
	assert.Regexp(t, `^[0-9a-f]{32}$`, values[0xE3])
	assert.Equal(t, "seen", values[0xE6])

	_, err = dial("shop.test")
	assert.ErrorContains(t, err, "unrecognized name")
	_, err = dial("refused.example")
	assert.Error(t, err)

	require.NoError(t, s.stop())
	assert.Contains(t, s.log.String(), "decide nothing with --pass")
	assert.Contains(t, s.log.String(), "agents")
	lines := strings.Split(strings.TrimSpace(access.String()), "\n")
	require.Len(t, lines, 3)
	results := make(map[string]string)
	for _, line := range lines {
		var c struct{ Result, JA4 string }
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		results[c.Result] = c.JA4
	}
	assert.Len(t, results, 3)
	assert.Contains(t, results, passedNoRoute)
	assert.Contains(t, results, passedRefused)
	assert.Equal(t, values[0xE4], results[passedOK])
}

// TestProxyVerifiesBackends: an https backend is verified, unless it is not to be.
func TestProxyVerifiesBackends(t *testing.T) {
	backend := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "verified") }))
	defer backend.Close()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: backend.Certificate().Raw}), 0o600))
	for want, args := range map[int][][]string{
		200: {{"--backend-ca", ca}, {"--backend-insecure"}, {"--backend-ca", ca, "--backend-server-name", "example.com"}},
		502: {{}, {"--backend-ca", ca, "--backend-server-name", "other.test"}},
	} {
		for _, args := range args {
			s := frontWith(t, proxyCommand, io.Discard, append([]string{"--state-dir", dir, "--to", backend.URL, "--http3=false"}, args...)...)
			status, _ := s.get(t, 1, "genuine", "/")
			assert.Equal(t, want, status, "%s", args)
			require.NoError(t, s.stop())
		}
	}
	pool := x509.NewCertPool()
	assert.False(t, pool.AppendCertsFromPEM([]byte("nonsense")))
}

func TestProxyRefusesFlags(t *testing.T) {
	clearEnvironment(t)
	nonsense := filepath.Join(t.TempDir(), "nonsense")
	require.NoError(t, os.WriteFile(nonsense, []byte("nonsense"), 0o600))
	for want, args := range map[string][]string{
		"--to or --route is needed":             {},
		"no scheme":                             {"--to", "127.0.0.1:8080"},
		`--route "a.example"`:                   {"--route", "a.example"},
		"--proxy-protocol needs --pass":         {"--to", "http://127.0.0.1:1", "--proxy-protocol", "v1"},
		"must be v2, v1 or none":                {"--pass", "--to", "127.0.0.1:1", "--proxy-protocol", "v3"},
		"--cert cannot be used with --pass":     {"--pass", "--to", "127.0.0.1:1", "--cert", "a", "--key", "b"},
		"--http3 cannot be used with --pass":    {"--pass", "--to", "127.0.0.1:1", "--http3"},
		"--pass sees none":                      {"--pass", "--to", "127.0.0.1:1", "--access-format", "combined", "--access-log", "-"},
		"has no certificate in PEM":             {"--to", "https://127.0.0.1:1", "--backend-ca", nonsense},
		"exclude each other":                    {"--to", "https://127.0.0.1:1", "--backend-ca", nonsense, "--backend-insecure"},
		"--header-json=Host: the field Host ha": {"--to", "http://127.0.0.1:1", "--header-json=Host"},
		"X-Forwarded-For itself":                {"--to", "http://127.0.0.1:1", "--header-json=X-Forwarded-For"},
		"takes its name after a =":              {"--to", "http://127.0.0.1:1", "--header-json", "X-Event"},
		"not the name of a header field":        {"--to", "http://127.0.0.1:1", "--header-json=a b"},
		"--access-log - and --events -":         {"--to", "http://127.0.0.1:1", "--access-log", "-", "--events", "-"},
		"needs --access-log - or a file":        {"--to", "http://127.0.0.1:1", "--access-format", "json"},
		"must be text, json or combined":        {"--to", "http://127.0.0.1:1", "--access-format", "xml"},
		"is also the file of --events":          {"--to", "http://127.0.0.1:1", "--access-log", nonsense, "--events", nonsense},
		"--connect-timeout: must be more":       {"--to", "http://127.0.0.1:1", "--connect-timeout", "0"},
		"--stall-timeout and --idle-timeout":    {"--to", "http://127.0.0.1:1", "--stall-timeout", "0"},
		"are for a file: name one with":         {"--to", "http://127.0.0.1:1", "--access-max-size", "100"},
		"--events: open /":                      {"--to", "http://127.0.0.1:1", "--events", nonsense + "/e"},
		"--access-max-size and --access-max-a":  {"--to", "http://127.0.0.1:1", "--access-max-size", "-1"},
		"--cert needs --key":                    {"--to", "http://127.0.0.1:1", "--cert", "a"},
	} {
		var stderr bytes.Buffer
		assert.Equal(t, 1, run(append([]string{"proxy", "--listen", "127.0.0.1:0", "--state-dir", t.TempDir()}, args...), strings.NewReader(""), io.Discard, &stderr), want)
		assert.Contains(t, stderr.String(), want)
	}
}

// TestProxyCheck: --check tells what is not there, and what the policy cannot do.
func TestProxyCheck(t *testing.T) {
	clearEnvironment(t)
	backend := httptest.NewServer(http.NotFoundHandler())
	defer backend.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	rules := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(rules, []byte("rules:\n  - name: late\n    stage: request\n    when: request.method == 'GET'\n    do: deny\n"), 0o600))
	check := func(args ...string) (string, int) {
		var stdout bytes.Buffer
		status := run(append([]string{"proxy", "--check", "--listen", "127.0.0.1:0", "--state-dir", t.TempDir()}, args...), strings.NewReader(""), &stdout, io.Discard)
		return strings.Join(strings.Fields(stdout.String()), " "), status
	}
	said, status := check("--to", backend.URL, "--route", "/a="+gone.URL)
	assert.Zero(t, status, said)
	assert.Contains(t, said, "ok --to "+backend.URL+": accepts connections")
	assert.Contains(t, said, "warning --route path /a to "+gone.URL+": ")
	assert.Contains(t, said, "over TCP and UDP")
	said, status = check("--pass", "--to", backend.Listener.Addr().String(), "--policy", rules)
	assert.Zero(t, status, said)
	assert.Contains(t, said, "rule late decides nothing with --pass")
	assert.NotContains(t, said, "UDP")
	assert.NotContains(t, said, "self-signed")
	over := httptest.NewUnstartedServer(http.NotFoundHandler())
	over.Config.ErrorLog = log.New(io.Discard, "", 0)
	over.StartTLS()
	defer over.Close()
	said, status = check("--to", over.URL, "--route", "api=https://"+backend.Listener.Addr().String())
	assert.Zero(t, status, said)
	assert.Contains(t, said, "warning --to "+over.URL+": the TLS handshake fails: tls: failed to verify certificate")
	assert.Contains(t, said, "warning --route host api to https://"+backend.Listener.Addr().String()+": the TLS handshake fails: ")
	said, _ = check("--to", over.URL, "--backend-insecure", "--access-log", "-")
	assert.Contains(t, said, "ok --to "+over.URL+": accepts connections and TLS")
	assert.Contains(t, said, "ok --access-log standard output")
	assert.NotContains(t, said, "there is none")
	said, status = check("--to", backend.URL, "--backend-server-name", "x.example")
	assert.Zero(t, status)
	assert.Contains(t, said, "warning flags --backend-ca, --backend-insecure and --backend-server-name are for https backends, and there is none")
	ca, dir := filepath.Join(t.TempDir(), "ca.pem"), t.TempDir()
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: over.Certificate().Raw}), 0o600))
	said, _ = check("--to", over.URL, "--backend-ca", ca, "--access-log", filepath.Join(dir, "access.log"))
	assert.Contains(t, said, "ok --to "+over.URL+": accepts connections and TLS")
	assert.Contains(t, said, "ok --access-log "+filepath.Join(dir, "access.log")+": can be written to")
	for _, file := range []string{filepath.Join(dir, "none", "access.log"), dir} {
		said, status = check("--to", backend.URL, "--access-log", file)
		assert.Equal(t, 1, status)
		assert.Contains(t, said, "problem --access-log ")
		said, status = check("--pass", "--to", "127.0.0.1:1", "--access-log", file)
		assert.Equal(t, 1, status)
		assert.Contains(t, said, "problem --access-log ")
	}
	assert.Len(t, listFiles(t, dir), 1, "nothing is in the folder")
	said, status = check("--to", "nonsense")
	assert.Equal(t, 1, status)
	assert.Contains(t, said, "problem flags --to")
}

// TestProxyHelpFits: no line of the text is longer than 100 columns.
func TestProxyHelpFits(t *testing.T) {
	cmd := proxyCommand()
	assert.Contains(t, cmd.Long, "TLSPEEK_ROUTE")
	for line := range strings.SplitSeq(cmd.Long+"\n"+cmd.Example, "\n") {
		assert.LessOrEqual(t, len(line), 100, line)
	}
}

// TestProxyDocs: docs/proxy.md names every flag and metric of the verb.
func TestProxyDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/proxy.md")
	require.NoError(t, err)
	shared := proxyCommand().Flags()
	ofServe := serveCommand().Flags()
	shared.VisitAll(func(f *pflag.Flag) {
		if ofServe.Lookup(f.Name) == nil {
			assert.True(t, strings.Contains(string(text), "--"+f.Name), "docs/proxy.md lacks --%s", f.Name)
		}
	})
	source, err := os.ReadFile("proxy_metrics.go")
	require.NoError(t, err)
	names := regexp.MustCompile(`Name: +"(tlspeek_\w+)"`).FindAllStringSubmatch(string(source), -1)
	require.Len(t, names, 6)
	for _, name := range append(names, []string{"", "tlspeek_access_lines_lost_total"}) {
		assert.True(t, strings.Contains(string(text), "`"+name[1]+"`"), "docs/proxy.md lacks %s", name[1])
	}
}
