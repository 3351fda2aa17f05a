// Package peertest runs "tlspeek proxy" in front of the servers of others, for tests that
// ask it with the clients of others.
package peertest

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// A Proxy is a program that runs.
type Proxy struct {
	Addr string // of clients, on 127.0.0.1
	Port string
	CA   string            // a file with the certificate that signed that of the proxy
	Leaf *x509.Certificate // that of the proxy, for sitetest.Name

	admin string
	cmd   *exec.Cmd
	mu    sync.Mutex // of log
	log   bytes.Buffer
	stop  sync.Once
}

// Start starts "tlspeek proxy" with these flags, beside those for its address, its
// certificate and metrics. It ends with the test.
func Start(t testing.TB, program string, flags ...string) *Proxy {
	t.Helper()
	dir := t.TempDir()
	p := &Proxy{Addr: FreeAddr(t), admin: FreeAddr(t)}
	p.CA, p.Leaf, _ = sitetest.Certify(t, dir)
	_, p.Port, _ = net.SplitHostPort(p.Addr)
	p.run(t, program, append([]string{
		"proxy", "--listen", p.Addr, "--admin", p.admin, "--pprof", "--grace", "2s", "--state-dir", filepath.Join(dir, "state"),
		"--cert", filepath.Join(dir, "site.pem"), "--key", filepath.Join(dir, "site.key"),
	}, flags...), "http://"+p.admin+"/readyz")
	return p
}

// StartPlain starts the reverse proxy of the standard library alone, which has none but a
// backend over HTTP/1.1.
func StartPlain(t testing.TB, program, to string) *Proxy {
	t.Helper()
	dir := t.TempDir()
	p := &Proxy{Addr: FreeAddr(t), admin: FreeAddr(t)}
	p.CA, p.Leaf, _ = sitetest.Certify(t, dir)
	_, p.Port, _ = net.SplitHostPort(p.Addr)
	p.run(t, program, []string{
		"-listen", p.Addr, "-admin", p.admin, "-to", to, "-cert", filepath.Join(dir, "site.pem"), "-key", filepath.Join(dir, "site.key"),
	}, "http://"+p.admin+"/readyz")
	return p
}

// run starts the program, and waits until it is ready.
func (p *Proxy) run(t testing.TB, program string, args []string, ready string) {
	t.Helper()
	p.cmd = exec.Command(program, args...)
	p.cmd.Stderr = p
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.end(t) })
	require.Eventually(t, func() bool {
		res, err := http.Get(ready)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond, "%s", p)
}

// Write adds to the log.
func (p *Proxy) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// String returns the log.
func (p *Proxy) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Site returns what the drivers of browsers ask for.
func (p *Proxy) Site() *sitetest.Site {
	return &sitetest.Site{Addr: p.Addr, Port: p.Port, CA: p.CA, Leaf: p.Leaf}
}

// URL returns the address of a path.
func (p *Proxy) URL(path string) string { return "https://" + sitetest.Name + ":" + p.Port + path }

// End ends the program, and returns its log.
func (p *Proxy) End(t testing.TB) string {
	t.Helper()
	p.end(t)
	return p.String()
}

func (p *Proxy) end(t testing.TB) {
	p.stop.Do(func() {
		assert.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
		err := p.cmd.Wait()
		if state, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() && state.Signal() == syscall.SIGTERM {
			return // a program without a handler of its own
		}
		assert.NoError(t, err, "%s", p)
	})
}

var totalGoroutines = regexp.MustCompile(`^goroutine profile: total ([0-9]+)`)

// Goroutines returns the number of goroutines, and their stacks.
func (p *Proxy) Goroutines(t testing.TB) (n int, stacks string) {
	t.Helper()
	res, err := http.Get("http://" + p.admin + "/debug/pprof/goroutine?debug=1")
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	m := totalGoroutines.FindSubmatch(text)
	require.NotNil(t, m, "%s", text)
	n, err = strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return n, string(text)
}

// Descriptors returns the number of open files.
func (p *Proxy) Descriptors(t testing.TB) int {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	require.NoError(t, err)
	return len(files)
}

// FreeAddr returns an address on loopback that is free, over TCP.
func FreeAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	return ln.Addr().String()
}
