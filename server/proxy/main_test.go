package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// A front is a server with a Reverse.
type front struct {
	addr       string
	udp        string
	h1, h2, h3 *http.Client
	stop       func() error
}

// client returns that for a version of HTTP.
func (f *front) client(version string) *http.Client {
	return map[string]*http.Client{"h1": f.h1, "h2": f.h2, "h3": f.h3}[version]
}

func (f *front) url(version string) string {
	if version == "h3" {
		return "https://" + f.udp
	}
	return "https://" + f.addr
}

// versions are those of a front.
var versions = []string{"h1", "h2", "h3"}

// start serves p over every version of HTTP.
func start(t testing.TB, p *proxy.Reverse) *front {
	t.Helper()
	return startHandler(t, p, p)
}

func startHandler(t testing.TB, p *proxy.Reverse, h http.Handler) *front {
	t.Helper()
	ln, udp := servertest.Listen(t), servertest.UDP(t)
	f := &front{addr: ln.Addr().String(), udp: udp.LocalAddr().String(), h1: servertest.HTTPClient(false), h2: servertest.HTTPClient(true)}
	transport3 := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	f.h3 = &http.Client{Transport: transport3}
	for _, c := range []*http.Client{f.h1, f.h2} {
		c.Transport.(*http.Transport).DisableCompression = true
		c.Transport.(*http.Transport).ExpectContinueTimeout = 10 * time.Second
	}
	for _, c := range []*http.Client{f.h1, f.h2, f.h3} {
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	t.Cleanup(p.CloseIdleConnections)
	f.stop = servertest.Serve(t, &server.Server{Handler: h, UDP: []*net.UDPConn{udp}, BodyTimeout: -1, WriteTimeout: -1}, &server.Listener{Listener: ln}, 5*time.Second)
	t.Cleanup(func() {
		transport3.Close()
		f.h1.CloseIdleConnections()
		f.h2.CloseIdleConnections()
	})
	return f
}

// dial returns a TLS connection to f that speaks HTTP/1.1.
func (f *front) dial(t testing.TB) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return conn
}

// backend parses the URL of one.
func backend(t testing.TB, url string) *proxy.Backend {
	t.Helper()
	b, err := proxy.ParseBackend(url)
	require.NoError(t, err)
	return b
}

// to returns a Reverse for one backend.
func to(t testing.TB, url string) *proxy.Reverse {
	t.Helper()
	return &proxy.Reverse{Routes: []proxy.Route{{Backend: backend(t, url)}}}
}

// schemes are those of backends; https1 speaks HTTP/1.1 only.
var schemes = []string{"http", "h2c", "https", "https1", "unix", "unix+h2c"}

// serveBackend serves h as a backend of a scheme, and returns its URL and what a Reverse
// needs to trust it.
func serveBackend(t testing.TB, scheme string, h http.Handler) (url string, trust *tls.Config) {
	t.Helper()
	srv := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	switch scheme {
	case "http", "unix", "https1":
		srv.Protocols.SetHTTP1(true)
	case "h2c", "unix+h2c":
		srv.Protocols.SetUnencryptedHTTP2(true)
	case "https":
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetHTTP2(true)
	}
	var ln net.Listener
	switch scheme {
	case "unix", "unix+h2c":
		path := filepath.Join(t.TempDir(), "s")
		var err error
		ln, err = net.Listen("unix", path)
		require.NoError(t, err)
		url = scheme + ":" + path
	case "https", "https1":
		ln = servertest.Listen(t)
		srv.TLSConfig = servertest.Config(t)
		leaf, err := x509.ParseCertificate(srv.TLSConfig.Certificates[0].Certificate[0])
		require.NoError(t, err)
		roots := x509.NewCertPool()
		roots.AddCert(leaf)
		trust = &tls.Config{RootCAs: roots, ServerName: "localhost"}
		url = "https://" + ln.Addr().String()
	default:
		ln = servertest.Listen(t)
		url = scheme + "://" + ln.Addr().String()
	}
	served := make(chan error, 1)
	go func() {
		if srv.TLSConfig != nil {
			served <- srv.ServeTLS(ln, "", "")
		} else {
			served <- srv.Serve(ln)
		}
	}()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return url, trust
}

// through returns a front before a backend of a scheme.
func through(t testing.TB, scheme string, h http.Handler) *front {
	t.Helper()
	url, trust := serveBackend(t, scheme, h)
	p := to(t, url)
	p.TLS = trust
	return start(t, p)
}

// A rawBackend accepts connections and records what comes, byte for byte.
type rawBackend struct {
	ln  net.Listener
	url string

	mu    sync.Mutex
	conns int
	got   bytes.Buffer
}

// startRaw has handle serve each connection, which is closed after it.
func startRaw(t testing.TB, handle func(net.Conn, *bufio.Reader)) *rawBackend {
	t.Helper()
	b := &rawBackend{ln: servertest.Listen(t)}
	b.url = "http://" + b.ln.Addr().String()
	var running sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]bool)
	running.Go(func() {
		for {
			conn, err := b.ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			b.mu.Lock()
			b.conns++
			b.mu.Unlock()
			running.Go(func() {
				defer conn.Close()
				handle(conn, bufio.NewReader(io.TeeReader(conn, lockedWriter{b})))
			})
		}
	})
	t.Cleanup(func() {
		b.ln.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return b
}

type lockedWriter struct{ b *rawBackend }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	return w.b.got.Write(p)
}

// received returns what came so far, and over how many connections.
func (b *rawBackend) received() (string, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got.String(), b.conns
}

// answer reads a request and writes an answer as it is. It returns false at the end of the
// connection.
func answer(conn net.Conn, r *bufio.Reader, text string) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	_, err = io.WriteString(conn, text)
	return err == nil
}

// always returns a handler of connections that answers each request in the same way.
func always(text string) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, r *bufio.Reader) {
		for answer(conn, r, text) {
		}
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// get returns status and body of a GET.
func get(t testing.TB, c *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := c.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// newRequest returns a request as a server has it.
func newRequest(method, url string) *http.Request { return httptest.NewRequest(method, url, nil) }
