//go:build linux

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A kind is a proxy and how it is started.
type kind struct {
	name, program string
	args          func(b *bench, addr string) []string
}

// A bench has what all proxies share.
type bench struct {
	kinds     []kind
	dir       string
	cert, key string // files
	roots     *x509.CertPool
	backend   string // its address
	block     []byte
}

func newBench(dir string) (*bench, error) {
	b := &bench{dir: dir, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), roots: x509.NewCertPool(), block: make([]byte, 1<<17)}
	if err := b.certify(); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b.backend = ln.Addr().String()
	go http.Serve(ln, b)
	return b, nil
}

func (b *bench) certify() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	b.roots.AppendCertsFromPEM(text)
	return errors.Join(os.WriteFile(b.cert, text, 0o600),
		os.WriteFile(b.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
}

// ServeHTTP is the backend: /N answers with N bytes, and discards the request's.
func (b *bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(n))
	w.Header().Set("Content-Type", "application/octet-stream")
	for n > 0 {
		m, err := w.Write(b.block[:min(n, len(b.block))])
		if err != nil {
			return
		}
		n -= m
	}
}

func plainArgs(b *bench, addr string) []string {
	return []string{"-listen", addr, "-to", "http://" + b.backend, "-cert", b.cert, "-key", b.key}
}

func tlspeekArgs(accessLog string) func(*bench, string) []string {
	return func(b *bench, addr string) []string {
		return []string{"proxy", "--listen", addr, "--to", "http://" + b.backend, "--cert", b.cert, "--key", b.key,
			"--access-log", accessLog}
	}
}

// caddyArgs writes a Caddyfile with what "caddy reverse-proxy" does, and b's certificate.
func caddyArgs(b *bench, addr string) []string {
	file := filepath.Join(b.dir, "Caddyfile")
	_, port, _ := net.SplitHostPort(addr)
	text := fmt.Sprintf("{\n\tauto_https off\n\tadmin off\n}\nhttps://localhost:%s {\n\ttls %s %s\n\treverse_proxy %s\n}\n", port, b.cert, b.key, b.backend)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil
	}
	return []string{"run", "--adapter", "caddyfile", "--config", file}
}

// A proxy is one that runs.
type proxy struct {
	cmd  *exec.Cmd
	addr string
}

func (b *bench) start(i int) (*proxy, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{addr: free.Addr().String()}
	free.Close()
	k := b.kinds[i]
	p.cmd = exec.Command(k.program, k.args(b, p.addr)...)
	p.cmd.Env = append(os.Environ(), "HOME="+b.dir, "XDG_DATA_HOME="+b.dir)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(b.dir, fmt.Sprint("log", i)))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		conn, err := tls.Dial("tcp", p.addr, b.config("http/1.1"))
		if err == nil {
			return p, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.stop()
	text, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("%s does not answer: %s", k.name, text)
}

func (p *proxy) stop() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// cpu returns the CPU time of the proxy so far, to a hundredth of a second.
func (p *proxy) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// resident returns the bytes of memory in use.
func (p *proxy) resident() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			return float64(n) * 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// config returns that of a client that speaks protocol.
func (b *bench) config(protocol string) *tls.Config {
	return &tls.Config{RootCAs: b.roots, ServerName: "localhost", NextProtos: []string{protocol}}
}
