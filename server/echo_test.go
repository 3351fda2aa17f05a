package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/sink"
)

// start serves e until stop is called, which is done at the end at the latest.
func start(t testing.TB, e *server.Echo) (addr string, stop func() error) {
	t.Helper()
	ln := &server.Listener{Listener: loopback(t)}
	return ln.Addr().String(), startListener(t, e, ln)
}

func startListener(t testing.TB, e *server.Echo, ln *server.Listener) (stop func() error) {
	t.Helper()
	if e.TLSConfig == nil {
		e.TLSConfig = serverConfig(t)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- e.Serve(ctx, ln) }()
	stop = sync.OnceValue(func() error { cancel(); return <-served })
	t.Cleanup(func() { stop() })
	return stop
}

// answer is what the tests read of an Event.
type answer struct {
	SNI     string   `json:"sni"`
	ALPN    []string `json:"alpn"`
	SrcPort int      `json:"src_port"`
	JA3     string   `json:"ja3"`
	JA4     string   `json:"ja4"`
	JA4RO   string   `json:"ja4_ro"`
	Raw     []byte   `json:"raw"`
	Error   string   `json:"error"`
}

func decode(t testing.TB, text []byte) (a answer) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &a), "%s", text)
	return a
}

// A kind of client asks for its own Event over a connection of its own.
type kind struct {
	name string
	alpn []string
	ask  func(c *tls.Conn, r *bufio.Reader) ([]byte, error)
}

var kinds = []kind{
	{"http/1.1", []string{"http/1.1"}, get},
	{"http/1.1 without ALPN", nil, get},
	{"http/1.0", []string{"http/1.0"}, get},
	{"line", nil, line},
	{"h2", []string{"h2"}, nil},
}

func get(c *tls.Conn, r *bufio.Reader) ([]byte, error) {
	if _, err := io.WriteString(c, "GET /json HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(resp.Body)
}

func line(c *tls.Conn, r *bufio.Reader) ([]byte, error) {
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return nil, err
	}
	return r.ReadBytes('\n')
}

// TestEachClientGetsItsOwnHello has 200 clients of five kinds at once.
func TestEachClientGetsItsOwnHello(t *testing.T) {
	var log safeBuffer
	ln := &server.Listener{Listener: loopback(t), HandshakeTimeout: time.Minute}
	addr := ln.Addr().String()
	stop := startListener(t, &server.Echo{Grace: time.Second, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, ln)
	defer func() {
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			k := kinds[i%len(kinds)]
			name := fmt.Sprintf("client-%d.example", i)
			config := &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: k.alpn}
			if k.ask == nil {
				var local net.Addr
				client := &http.Client{Transport: &http.Transport{
					TLSClientConfig:   config,
					ForceAttemptHTTP2: true,
					DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
						c, err := new(net.Dialer).DialContext(ctx, network, addr)
						if err == nil {
							local = c.LocalAddr()
						}
						return c, err
					},
				}}
				defer client.CloseIdleConnections()
				for range 3 {
					resp, err := client.Get("https://" + addr + "/")
					if !assert.NoError(t, err) {
						return
					}
					text, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					assert.NoError(t, err)
					assert.Equal(t, "HTTP/2.0", resp.Proto)
					assertOwn(t, text, name, local)
				}
				return
			}
			c, err := tls.Dial("tcp", addr, config)
			if !assert.NoError(t, err) {
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for range 3 {
				text, err := k.ask(c, r)
				if !assert.NoError(t, err, k.name) {
					return
				}
				assertOwn(t, text, name, c.LocalAddr())
			}
		})
	}
	wg.Wait()
	require.NoError(t, stop())
}

func assertOwn(t *testing.T, text []byte, name string, local net.Addr) {
	t.Helper()
	var a answer
	assert.NoError(t, json.Unmarshal(text, &a), "%s", text)
	assert.Equal(t, name, a.SNI)
	assert.Equal(t, local.(*net.TCPAddr).Port, a.SrcPort)
	assert.True(t, strings.HasPrefix(a.JA4, "t13d"), a.JA4)
}

func TestDetail(t *testing.T) {
	addr, _ := start(t, &server.Echo{})
	client := httpClient(true)
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr + "/json?detail=1")
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	a := decode(t, text)
	h, err := parser.Parse(a.Raw)
	require.NoError(t, err)
	assert.Equal(t, fingerprint.JA4RO(h), a.JA4RO)
}

func TestLines(t *testing.T) {
	addr, _ := start(t, &server.Echo{})
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	var replies bytes.Buffer
	lines := "one\n\n" + strings.Repeat("long ", 100_000) + "\nGET me\nno end"
	require.NoError(t, server.Talk(t.Context(), c, strings.NewReader(lines), &replies))
	all := strings.Split(strings.TrimSuffix(replies.String(), "\n"), "\n")
	require.Len(t, all, 5)
	for _, l := range all {
		assert.Equal(t, all[0], l)
		assert.Equal(t, c.LocalAddr().(*net.TCPAddr).Port, decode(t, []byte(l)).SrcPort)
	}
}

// TestSilentClientsDelayNobody has clients that hang at every stage, before an
// honest one.
func TestSilentClientsDelayNobody(t *testing.T) {
	var log bytes.Buffer
	addr, stop := start(t, &server.Echo{Grace: time.Minute, Recorder: &sink.Recorder{File: &log}})
	for range 20 {
		for _, sent := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
			c, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			defer c.Close()
			_, err = io.WriteString(c, sent)
			require.NoError(t, err)
		}
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		defer c.Close()
	}
	client := httpClient(false)
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr + "/")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, 200, resp.StatusCode)
	require.NoError(t, stop(), "which does not wait for them")
	assert.Equal(t, 20+1, strings.Count(log.String(), `"ja4"`))
	assert.Equal(t, 2*20, strings.Count(log.String(), `"error":"no ClientHello: `))
}

func TestPlainHTTPIsAnsweredAsNetHTTPDoes(t *testing.T) {
	addr, _ := start(t, &server.Echo{})
	resp, err := http.Get("http://" + addr + "/")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, 400, resp.StatusCode)
	assert.Equal(t, "Client sent an HTTP request to an HTTPS server.\n", string(body))
}

func TestRecorder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hello.json")
	require.NoError(t, os.WriteFile(path, []byte(`[{"sni":"earlier"},{"sni":"before"}]`), 0o600))
	var lines bytes.Buffer
	latest := &sink.Latest{Path: path, Keep: 3}
	require.NoError(t, latest.Load())
	addr, stop := start(t, &server.Echo{Recorder: &sink.Recorder{File: &lines, Size: event.Full, Latest: latest}})
	for _, name := range []string{"one.example", "two.example"} {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, ServerName: name})
		require.NoError(t, err)
		require.NoError(t, server.Talk(t.Context(), c, strings.NewReader("x\n"), io.Discard))
	}
	require.NoError(t, stop())
	all := bytes.Split(bytes.TrimSuffix(lines.Bytes(), []byte("\n")), []byte("\n"))
	require.Len(t, all, 2)
	assert.Equal(t, "one.example", decode(t, all[0]).SNI)
	assert.NotEmpty(t, decode(t, all[1]).JA4RO)

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var kept []answer
	require.NoError(t, json.Unmarshal(text, &kept))
	require.Len(t, kept, 3)
	assert.Equal(t, "before", kept[0].SNI)
	assert.Equal(t, "one.example", kept[1].SNI)
	assert.Equal(t, "two.example", kept[2].SNI)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file is left")
}

// TestRecordingThatFailsIsSaidOnce has a full disk for three clients.
func TestRecordingThatFailsIsSaidOnce(t *testing.T) {
	var log safeBuffer
	file := &fullFor{n: 3}
	addr, stop := start(t, &server.Echo{Recorder: &sink.Recorder{File: file}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 5 {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	require.NoError(t, stop())
	assert.Equal(t, 2, strings.Count(file.String(), "\n"))
	assert.Equal(t, 1, strings.Count(log.String(), "no space left on device"))
	assert.Contains(t, log.String(), `msg="recording hellos again" lost=3`)
}

// fullFor is full for n writes.
type fullFor struct {
	n int
	bytes.Buffer
}

func (f *fullFor) Write(p []byte) (int, error) {
	if f.n--; f.n >= 0 {
		return 0, syscall.ENOSPC
	}
	return f.Buffer.Write(p)
}

func TestStopEndsIdleConnections(t *testing.T) {
	addr, stop := start(t, &server.Echo{Grace: time.Minute})
	for _, k := range kinds {
		if k.ask == nil {
			client := httpClient(true)
			defer client.CloseIdleConnections()
			resp, err := client.Get("https://" + addr)
			require.NoError(t, err)
			resp.Body.Close()
			continue
		}
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: k.alpn})
		require.NoError(t, err)
		defer c.Close()
		_, err = k.ask(c, bufio.NewReader(c))
		require.NoError(t, err)
	}
	require.NoError(t, stop())
	_, err := net.Dial("tcp", addr)
	assert.Error(t, err)
}

func TestGraceEndsConnectionsThatDoNotRead(t *testing.T) {
	addr, stop := start(t, &server.Echo{Grace: 50 * time.Millisecond})
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	// Ask until the answers fill every buffer on the way.
	require.NoError(t, c.SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
	_, err = io.Copy(c, newlines{})
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, stop())
}

type newlines struct{}

func (newlines) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

// A safeBuffer is for several goroutines at once.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
