package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// child serves until standard input ends: with kind reverse a Reverse on a Server, and
// with plain httputil.ReverseProxy on crypto/tls. Both answer /figures with the CPU time
// used so far in nanoseconds and the bytes of heap and stacks.
func child(kind, backend string) error {
	dir, err := os.MkdirTemp("", "proxy")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	certFile, keyFile, err := listen.SelfSigned(dir + "/state")
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	if kind == "plain" {
		target, err := url.Parse(backend)
		if err != nil {
			return err
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 256
		h := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		}}
		srv := &http.Server{Handler: figures(h), TLSConfig: config}
		go srv.ServeTLS(ln, "", "")
		io.Copy(io.Discard, os.Stdin)
		return srv.Close()
	}
	b, err := proxy.ParseBackend(backend)
	if err != nil {
		return err
	}
	srv := &server.Server{Handler: figures(&proxy.Reverse{Routes: []proxy.Route{{Backend: b}}}), TLSConfig: config, BodyTimeout: -1, WriteTimeout: -1}
	go srv.Serve(&server.Listener{Listener: ln})
	io.Copy(io.Discard, os.Stdin)
	return srv.Close()
}

func figures(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/figures" {
			next.ServeHTTP(w, r)
			return
		}
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		var m runtime.MemStats
		for range 2 {
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		fmt.Fprint(w, u.Utime.Nano()+u.Stime.Nano(), " ", m.HeapAlloc+m.StackInuse)
	})
}

func BenchmarkReverse(b *testing.B)           { benchmark(b, "reverse") }
func BenchmarkPlainReverseProxy(b *testing.B) { benchmark(b, "plain") }

// benchmark measures the CPU time of a proxy in a process of its own.
func benchmark(b *testing.B, kind string) {
	small := strings.Repeat("x", 1<<10)
	const large = 64 << 20
	url, _ := serveBackend(b, "http", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/" {
			io.WriteString(w, small)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(large))
		chunk := make([]byte, 64<<10)
		for range large / len(chunk) {
			w.Write(chunk)
		}
	}))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TLSPEEK_TEST_PROXY="+kind, "TLSPEEK_TEST_BACKEND="+url)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(b, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	output := bufio.NewScanner(stdout)
	require.True(b, output.Scan())
	base := "https://" + output.Text()
	c := servertest.HTTPClient(false)
	defer func() {
		c.CloseIdleConnections()
		stdin.Close()
		require.NoError(b, cmd.Wait())
	}()
	figure := func() (cpu, memory float64) {
		_, text := get(b, c, base+"/figures")
		_, err := fmt.Sscan(text, &cpu, &memory)
		require.NoError(b, err)
		return cpu, memory
	}
	fetch := func(b *testing.B, path string) {
		resp, err := c.Get(base + path)
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(b, err)
		resp.Body.Close()
	}
	measure := func(name string, bytes int64, do func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(bytes)
			do(b)
			before, _ := figure()
			for b.Loop() {
				do(b)
			}
			after, _ := figure()
			b.ReportMetric((after-before)/float64(b.N), "cpu-ns/op")
		})
	}
	measure("keepalive", 1<<10, func(b *testing.B) { fetch(b, "/") })
	measure("bulk", large, func(b *testing.B) { fetch(b, "/large") })
	measure("newconn", 1<<10, func(b *testing.B) {
		c.CloseIdleConnections()
		fetch(b, "/")
	})
	b.Run("idle", func(b *testing.B) {
		const conns = 200
		_, before := figure()
		for b.Loop() {
			var open []*tls.Conn
			for range conns {
				conn, err := tls.Dial("tcp", strings.TrimPrefix(base, "https://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
				require.NoError(b, err)
				_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				require.NoError(b, err)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(b, err)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(b, err)
				open = append(open, conn)
			}
			_, after := figure()
			b.ReportMetric((after-before)/conns, "B/conn")
			for _, conn := range open {
				conn.Close()
			}
		}
	})
}
