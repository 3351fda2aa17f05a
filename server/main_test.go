package server_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestMain runs the tests, which must leave no goroutine. In a child process it
// runs the server that a test needs there.
func TestMain(m *testing.M) {
	if kind := os.Getenv("TLSPEEK_TEST_SERVER"); kind != "" {
		if err := child(kind); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(exampleDir)
		os.Exit(code)
	}))
}

// child serves until standard input ends. Kind is plain for net/http over
// crypto/tls, conn for net/http behind a Listener, settled for the same with a hook
// for Events, headers with Headers, or emfile for a Server with few file descriptors;
// serveProxy has two more.
// In settled and events, handlers ask for the Event.
func child(kind string) error {
	certFile, keyFile, err := listen.SelfSigned(os.Getenv("TLSPEEK_TEST_DIR"))
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	if strings.HasSuffix(kind, "proxy") {
		return serveProxy(kind, ln, config)
	}
	if kind == "emfile" {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 200, Max: 200}); err != nil {
			return err
		}
		s := &server.Server{Handler: http.HandlerFunc(figures), TLSConfig: config, Log: slog.New(slog.NewTextHandler(os.Stdout, nil))}
		go func() {
			io.Copy(io.Discard, os.Stdin)
			s.Close()
		}()
		if err := s.Serve(&server.Listener{Listener: ln}); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
	srv := &http.Server{Handler: http.HandlerFunc(figures), TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	if kind != "plain" {
		l := &server.Listener{Listener: ln}
		if kind == "settled" {
			l.Settled = func(*event.Observation, *event.Event) {}
		}
		ln, srv.ConnContext = l, server.ConnContext
	}
	if kind == "settled" || kind == "events" {
		srv.Handler = withEvent(srv.Handler)
	}
	if kind == "headers" {
		srv.Handler = server.Headers{}.Wrap(srv.Handler)
	}
	go srv.ServeTLS(ln, "", "")
	io.Copy(io.Discard, os.Stdin)
	return srv.Close()
}

// withEvent returns a handler that asks for the Event of each request.
func withEvent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := server.EventOf(r, event.Full); !ok {
			http.Error(w, "no Event", http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// figures answers /cpu with the CPU time used so far in microseconds, /mem with the
// bytes of heap and stacks in use, and other paths with a short text.
func figures(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/cpu":
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		fmt.Fprint(w, (u.Utime.Sec+u.Stime.Sec)*1e6+u.Utime.Usec+u.Stime.Usec)
	case "/mem":
		for range 3 {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprint(w, m.HeapAlloc+m.StackInuse)
	default:
		io.WriteString(w, "hello")
	}
}

// A process is a server in a child process.
type process struct {
	addr   string
	output *bufio.Scanner
	client *http.Client
}

func startProcess(t testing.TB, kind string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TLSPEEK_TEST_SERVER="+kind, "TLSPEEK_TEST_DIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{output: bufio.NewScanner(stdout), client: servertest.HTTPClient(false)}
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		stdin.Close()
		io.Copy(io.Discard, stdout)
		require.NoError(t, cmd.Wait())
	})
	require.True(t, p.output.Scan())
	p.addr = p.output.Text()
	return p
}

// figure returns /cpu or /mem.
func (p *process) figure(t testing.TB, path string) (n float64) {
	t.Helper()
	resp, err := p.client.Get("https://" + p.addr + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = fmt.Fscan(resp.Body, &n)
	require.NoError(t, err)
	return n
}

// TestFileDescriptorsRunOut: 400 clients connect to a server with 200 descriptors.
func TestFileDescriptorsRunOut(t *testing.T) {
	p := startProcess(t, "emfile")
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for p.output.Scan() {
			lines <- p.output.Text()
		}
	}()
	var conns []net.Conn
	for range 400 {
		c, err := net.Dial("tcp", p.addr)
		require.NoError(t, err)
		conns = append(conns, c)
	}
	require.Contains(t, <-lines, "too many open files")
	for line := range lines {
		require.Contains(t, line, "too many open files")
		if strings.Contains(line, "pause=500ms") {
			break // it waits between its attempts
		}
	}
	require.Less(t, len(lines), 10)
	for _, c := range conns {
		c.Close()
	}
	go func() {
		for range lines {
		}
	}()
	require.Eventually(t, func() bool {
		resp, err := p.client.Get("https://" + p.addr + "/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	}, 20*time.Second, 50*time.Millisecond)
}
