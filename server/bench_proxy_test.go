package server_test

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// BenchmarkProxy compares a ReverseProxy on a Server, which tells the backend all that is
// known of a client, with one on net/http over plain crypto/tls. It reports what
// BenchmarkServer does.
func BenchmarkProxy(b *testing.B) {
	startBackend(b)
	base := cmp.Or(os.Getenv("TLSPEEK_TEST_BASE"), "plainproxy") // or staticproxy
	for _, c := range []struct {
		name string
		n    int
		load func(testing.TB, string, int)
	}{
		{"connections", 400, connections},
		{"keepalive", 4000, keepalive},
		{"http2", 4000, keepaliveHTTP2},
		{"bulk", 8, bulk},
	} {
		b.Run(c.name, func(b *testing.B) {
			benchmarkPairs(b, base, cmp.Or(os.Getenv("TLSPEEK_TEST_OURS"), "proxy"), c.n, c.load)
		})
	}
}

// TestIdleProxiedConnectionsTakeLittle: what is known of a client, its Event and the fields
// for the backend among it, adds less than a third to the memory of its connection.
func TestIdleProxiedConnectionsTakeLittle(t *testing.T) {
	startBackend(t)
	const n = 200
	var took [2]float64
	for i, kind := range []string{"plainproxy", "proxy"} {
		p := startProcess(t, kind)
		keepalive(t, p.addr, 40)
		before := p.figure(t, "/mem")
		for range n {
			c, err := tls.Dial("tcp", p.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			require.NoError(t, err)
			defer c.Close()
			requests(t, c, 2)
		}
		took[i] = (p.figure(t, "/mem") - before) / n
	}
	t.Logf("%.0f bytes, and %.0f on a Server", took[0], took[1])
	assert.Less(t, took[1], 1.33*took[0])
}

// startBackend serves what the proxies of child processes are in front of: 1 KB, or 16 MB
// at /bulk.
func startBackend(t testing.TB) {
	small, large := bytes.Repeat([]byte("x"), 1<<10), bytes.Repeat([]byte("x"), 1<<24)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := small
		if r.URL.Path == "/bulk" {
			body = large
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	t.Setenv("TLSPEEK_TEST_BACKEND", s.URL)
}

// bulk asks for n answers of 16 MB, one after the other.
func bulk(t testing.TB, addr string, n int) {
	client := servertest.HTTPClient(false)
	defer client.CloseIdleConnections()
	for range n {
		resp, err := client.Get("https://" + addr + "/bulk")
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
	}
}

// keepaliveHTTP2 makes n requests on four connections over HTTP/2.
func keepaliveHTTP2(t testing.TB, addr string, n int) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			client := servertest.HTTPClient(true)
			defer client.CloseIdleConnections()
			for range n / 4 {
				resp, err := client.Get("https://" + addr)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
}

// serveProxy serves a ReverseProxy in a child process until standard input ends. Kind is
// plainproxy for net/http over crypto/tls, staticproxy for the same with fields that are as
// long as those of a Server, or proxy for a Server with all fields.
func serveProxy(kind string, ln net.Listener, config *tls.Config) error {
	target, err := url.Parse(os.Getenv("TLSPEEK_TEST_BACKEND"))
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 100
	transport.DisableCompression = true
	proxy := &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport:  transport,
		BufferPool: new(bufferPool),
		ErrorLog:   log.New(io.Discard, "", 0),
	}
	handler := http.Handler(proxy)
	if kind == "staticproxy" {
		below := handler
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, value := range staticFields {
				r.Header[name] = []string{value}
			}
			below.ServeHTTP(w, r)
		})
	}
	if kind == "proxy" {
		handler = server.Headers{All: true, JSON: "X-TLS-Event", Drop: []string{"X-Forwarded-*", "Forwarded", "X-Real-IP"}}.Wrap(handler)
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cpu" || r.URL.Path == "/mem" {
			figures(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
	config.NextProtos = nil
	if file := os.Getenv("TLSPEEK_TEST_PROFILE"); file != "" {
		f, err := os.Create(file + "." + kind)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if kind != "proxy" {
		srv := &http.Server{Handler: answer, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
		go srv.ServeTLS(ln, "", "")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return srv.Close()
	}
	s := &server.Server{Handler: answer, TLSConfig: config, BodyTimeout: -1, WriteTimeout: -1, Log: slog.New(slog.DiscardHandler)}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Close()
	}()
	if err := s.Serve(&server.Listener{Listener: ln}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}

func (p *bufferPool) Put(b []byte) { p.pool.Put(&b) }

// staticFields are as many as those of a Server, and as long.
var staticFields = map[string]string{
	"X-Ja3-Fingerprint": strings.Repeat("a", 32), "X-Ja4-Fingerprint": strings.Repeat("a", 36), "X-Http2-Fingerprint": noneHTTP2ForTest,
	"X-Http3-Fingerprint": noneHTTP2ForTest, "X-Stable-Fingerprint": strings.Repeat("a", 30), "X-Tls-Client": "Go net/http", "X-Tls-Tells": "none",
	"X-Tls-Claim": "consistent", "X-Tls-Tags": "none", "X-Tls-Rule": "none", "X-Tls-Action": "none",
	"Tlspeek": strings.Repeat("a", 190), "X-Tls-Event": strings.Repeat("a", 630),
}

const noneHTTP2ForTest = "none; not HTTP/2"
