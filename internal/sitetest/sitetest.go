// Package sitetest runs the program with the policy of docs/examples/site, for tests that
// ask it with the clients of others.
package sitetest

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Name is a server name of the site.
const Name = "www.shop.example"

// Addresses of the lists of the site.
const (
	Balancer = "127.0.0.2"
	Office   = "127.0.0.3"
)

// An Event is what the tests compare of an Event.
type Event struct {
	Transport string   `json:"transport"`
	SrcIP     string   `json:"src_ip"`
	SNI       string   `json:"sni"`
	ALPN      []string `json:"alpn"`
	Version   string   `json:"version"`
	JA4       string   `json:"ja4"`
	UserAgent string   `json:"user_agent"`
	Rule      string   `json:"rule"`
	Action    string   `json:"action"`
	Tags      []string `json:"tags"`
	Settled   string   `json:"settled"`
	Client    []struct {
		Name     string `json:"name"`
		Family   string `json:"family"`
		Version  string `json:"version"`
		Distance int    `json:"distance"`
	} `json:"client"`
	Claim struct {
		Verdict string `json:"verdict"`
	} `json:"claim"`
}

// A Site is a program that serves the site.
type Site struct {
	Addr   string // of clients, on 127.0.0.1
	Port   string
	Policy string            // the file, a copy
	CA     string            // a file with the certificate that signed those of the site
	Leaf   *x509.Certificate // the site's, with an ECDSA key
	RSA    *x509.Certificate // that of clients without TLS 1.3

	admin, events string
	cmd           *exec.Cmd
	log           bytes.Buffer
	drained       chan struct{}
	stop          sync.Once
}

// Build builds the program.
func Build(t testing.TB) (program string) { return BuildPackage(t, "./cmd/tlspeek") }

// BuildPackage builds a program of this module, with flags of go build.
func BuildPackage(t testing.TB, folder string, flags ...string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), filepath.Base(folder))
	build := exec.Command("go", append(append([]string{"build"}, flags...), "-o", program, folder)...)
	build.Dir = Root(t)
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// Start has the program serve a copy of the policy, with addresses on loopback in its
// lists. Edit returns the text of the policy that is served instead; it may be nil. The
// program ends with the test.
func Start(t testing.TB, program string, edit func(policy string) string, flags ...string) *Site {
	t.Helper()
	dir := t.TempDir()
	s := &Site{Policy: filepath.Join(dir, "site", "policy.yaml"), events: filepath.Join(dir, "events.jsonl"), drained: make(chan struct{})}
	s.copyPolicy(t, Root(t), edit)
	certs := filepath.Join(dir, "site", "certs")
	require.NoError(t, os.Mkdir(certs, 0o700))
	s.CA, s.Leaf, s.RSA = Certify(t, certs)

	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.admin = free.Addr().String()
	require.NoError(t, free.Close())
	s.cmd = exec.Command(program, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--admin", s.admin, "--policy", s.Policy, "--grace", "1s",
		"--cert", filepath.Join(certs, "site.pem"), "--key", filepath.Join(certs, "site.key"),
		"--state-dir", filepath.Join(dir, "state"), "--events", s.events, "--events-full",
	}, flags...)...)
	stderr, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { s.end(t) })
	r := bufio.NewReader(stderr)
	first, err := r.ReadString('\n')
	if err == nil && len(strings.Fields(first)) > 2 {
		s.Addr = strings.TrimSuffix(strings.Fields(first)[2], ";")
	}
	go func() {
		defer close(s.drained)
		io.Copy(&s.log, r)
	}()
	_, s.Port, err = net.SplitHostPort(s.Addr)
	require.NoError(t, err, first)
	return s
}

// URL returns the address of a path of the site.
func (s *Site) URL(path string) string { return "https://" + Name + ":" + s.Port + path }

// Hits returns how often each rule was counted, by its name and action: "flood limit".
func (s *Site) Hits(t testing.TB) map[string]int {
	t.Helper()
	hits := make(map[string]int)
	for name, n := range s.metrics(t) {
		if labels, ok := strings.CutPrefix(name, `tlspeek_policy_hits_total{action="`); ok && n > 0 {
			action, rule, _ := strings.Cut(labels, `",rule="`)
			hits[strings.TrimSuffix(rule, `"}`)+" "+action] = int(n)
		}
	}
	return hits
}

// Metric returns the value of a line of /metrics.
func (s *Site) Metric(t testing.TB, name string) float64 {
	t.Helper()
	n, ok := s.metrics(t)[name]
	require.True(t, ok, name)
	return n
}

func (s *Site) metrics(t testing.TB) map[string]float64 {
	t.Helper()
	res, err := http.Get("http://" + s.admin + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	values := make(map[string]float64)
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if i := strings.LastIndexByte(lines.Text(), ' '); i > 0 && lines.Text()[0] != '#' {
			var n float64
			require.NoError(t, json.Unmarshal(lines.Bytes()[i+1:], &n), lines.Text())
			values[lines.Text()[:i]] = n
		}
	}
	require.NotEmpty(t, values)
	return values
}

// End ends the program, and returns its Events and its log.
func (s *Site) End(t testing.TB) (events []Event, log string) {
	t.Helper()
	s.end(t)
	text, err := os.ReadFile(s.events)
	require.NoError(t, err)
	for line := range bytes.Lines(text) {
		var e Event
		require.NoError(t, json.Unmarshal(line, &e))
		events = append(events, e)
	}
	return events, s.log.String()
}

func (s *Site) end(t testing.TB) {
	s.stop.Do(func() {
		assert.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
		<-s.drained
		assert.NoError(t, s.cmd.Wait(), s.log.String())
	})
}

// Root returns the folder of this module, also for a test of another one.
func Root(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tlspeek/tlspeek").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// copyPolicy copies the policy and its lists.
func (s *Site) copyPolicy(t testing.TB, root string, edit func(string) string) {
	t.Helper()
	from, to := filepath.Join(root, "docs", "examples", "site"), filepath.Dir(s.Policy)
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	for name, address := range map[string]string{"office.txt": Office, "balancers.txt": Balancer} {
		require.NoError(t, os.WriteFile(filepath.Join(to, name), []byte(address+"\n"), 0o600))
	}
	text, err := os.ReadFile(s.Policy)
	require.NoError(t, err)
	// Its tests are about the addresses of the lists, and run by themselves.
	rules, _, found := strings.Cut(string(text), "\ntests:\n")
	require.True(t, found)
	if edit != nil {
		rules = edit(rules)
	}
	require.NoError(t, os.WriteFile(s.Policy, []byte(rules), 0o600))
}

// Certify writes ca.pem, and two certificates for Name that it signed with their keys:
// site.pem and site.key with ECDSA, rsa.pem and rsa.key with RSA. It returns the file of
// the first.
func Certify(t testing.TB, dir string) (ca string, leaf, old *x509.Certificate) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	authority := template("tlspeek test CA", 1)
	authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign
	issue(t, authority, authority, caKey, caKey, filepath.Join(dir, "ca"))

	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf = issue(t, template(Name, 2), authority, leafKey, caKey, filepath.Join(dir, "site"))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	old = issue(t, template(Name, 3), authority, rsaKey, caKey, filepath.Join(dir, "rsa"))
	return filepath.Join(dir, "ca.pem"), leaf, old
}

func template(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
}

// issue writes a certificate and its key to base.pem and base.key.
func issue(t testing.TB, c, parent *x509.Certificate, key, parentKey crypto.Signer, base string) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), parentKey)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(base+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	pair, err := tls.LoadX509KeyPair(base+".pem", base+".key")
	require.NoError(t, err)
	return pair.Leaf
}
