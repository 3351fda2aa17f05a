package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/sink"
)

// A serveProcess is "tlspeek serve" in a process of its own, whose writes block a
// thread and whose signals are real.
type serveProcess struct {
	addr string

	cmd *exec.Cmd
	log *bufio.Reader
}

// startServeProcess starts serve with args. Its standard output is stdout.
func startServeProcess(t *testing.T, stdout *os.File, args ...string) *serveProcess {
	t.Helper()
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--http3=false", "--state-dir", t.TempDir()}, args...)
	p := &serveProcess{cmd: exec.Command("tlspeek", args...)}
	p.cmd.Stdout = stdout
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.cmd.Process.Kill() })
	r := bufio.NewReader(stderr)
	first, err := r.ReadString('\n')
	require.NoError(t, err)
	p.addr = strings.TrimSuffix(strings.Fields(first)[2], ";")
	p.log = r
	return p
}

// ask has n clients get /json, some at a time.
func (p *serveProcess) ask(t *testing.T, n int) {
	t.Helper()
	var asked sync.WaitGroup
	for range 10 {
		asked.Go(func() {
			for range n / 10 {
				transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
				res, err := (&http.Client{Transport: transport}).Get("https://" + p.addr + "/json")
				if assert.NoError(t, err) {
					_, err = io.Copy(io.Discard, res.Body)
					assert.NoError(t, err)
					assert.Equal(t, 200, res.StatusCode)
					res.Body.Close()
				}
				transport.CloseIdleConnections()
			}
		})
	}
	asked.Wait()
}

// wait returns the exit status, and what was logged.
func (p *serveProcess) wait() (status int, log string) {
	all, _ := io.ReadAll(p.log)
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode(), string(all)
}

// end ends serve with SIGTERM.
func (p *serveProcess) end(t *testing.T) (status int, log string) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	return p.wait()
}

// pipe returns the ends of a pipe. The writing one is for a process.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// TestServeWithAPipeThatNobodyReads: clients are served, and the end is not held up.
func TestServeWithAPipeThatNobodyReads(t *testing.T) {
	_, w := pipe(t)
	p := startServeProcess(t, w, "--events", "-", "--events-full", "--events-queue", "65536", "--grace", "1s")
	p.ask(t, 200)
	status, log := p.end(t)
	assert.Equal(t, 1, status)
	assert.Regexp(t, `msg="Events are lost: writing them takes too long" lost=[1-9]`, log)
	assert.Regexp(t, `msg="Events were lost" full=[1-9]\d* error=0 end=[1-9]\d* written=[0-9]`, log)
	assert.Regexp(t, `\ntlspeek: --events: [1-9]\d* Events were not written within the grace period\n$`, log)
}

// TestServeWritesWhatWaits: a pipe is read only once the program ends.
func TestServeWritesWhatWaits(t *testing.T) {
	r, w := pipe(t)
	p := startServeProcess(t, w, "--events", "-", "--events-full", "--grace", "1h")
	w.Close()
	p.ask(t, 100)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	events, err := io.ReadAll(r)
	require.NoError(t, err)
	status, log := p.wait()
	assert.Zero(t, status, "%s", log)
	assert.NotContains(t, log, "lost")
	assert.Equal(t, 100, bytes.Count(events, []byte("\n")))
	for line := range bytes.Lines(events) {
		require.True(t, json.Valid(line), "%s", line)
	}
}

// TestServeWithAnEndedReader: writing to the pipe fails, and SIGPIPE does not end
// the program.
func TestServeWithAnEndedReader(t *testing.T) {
	r, w := pipe(t)
	p := startServeProcess(t, w, "--events", "-", "--grace", "1h")
	r.Close()
	p.ask(t, 20)
	status, log := p.end(t)
	assert.Equal(t, 1, status)
	assert.Regexp(t, `msg="writing Events fails" error=".*broken pipe"`, log)
	assert.Regexp(t, `\ntlspeek: --events: 20 lines were not written: .*broken pipe\n$`, log)
}

// TestServeWithoutItsFolder: the folder of both files is gone.
func TestServeWithoutItsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	require.NoError(t, os.Mkdir(dir, 0o700))
	p := startServeProcess(t, nil, "--events", filepath.Join(dir, "events"), "--events-max-size", "100", "--hello-json", filepath.Join(dir, "hello.json"), "--grace", "1h")
	p.ask(t, 10)
	require.NoError(t, os.Rename(dir, dir+".gone"))
	p.ask(t, 10)
	status, log := p.end(t)
	assert.Equal(t, 1, status)
	assert.Regexp(t, `\ntlspeek: --events: \d+ lines were not written: open .*: no such file or directory\n`, log)
	assert.Regexp(t, `writing .*hello.json: open .*: no such file or directory\n$`, log)
}

// TestServeEndsAtOnce: a second signal does not wait for a pipe.
func TestServeEndsAtOnce(t *testing.T) {
	_, w := pipe(t)
	p := startServeProcess(t, w, "--events", "-", "--events-full", "--grace", "1h")
	p.ask(t, 100)
	ended := make(chan *os.ProcessState, 1)
	go func() {
		state, _ := p.cmd.Process.Wait()
		ended <- state
	}()
	for len(ended) == 0 {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // two that come together are one
		time.Sleep(10 * time.Millisecond)
	}
	assert.Equal(t, syscall.SIGTERM, (<-ended).Sys().(syscall.WaitStatus).Signal())
}

// TestServeWithALogThatNobodyReads: neither clients nor the end are held up. Each
// client sends what has a line in the log.
func TestServeWithALogThatNobodyReads(t *testing.T) {
	p := startServeProcess(t, nil, "--grace", "1s")
	for range 1000 { // 160 KB
		conn, err := net.Dial("tcp", p.addr)
		require.NoError(t, err)
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, conn)
		require.NoError(t, err)
		conn.Close()
	}
	p.ask(t, 10)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	state, err := p.cmd.Process.Wait()
	require.NoError(t, err)
	assert.Zero(t, state.ExitCode())
}

// TestEventMetrics has a queue that has written, holds and has lost Events.
func TestEventMetrics(t *testing.T) {
	docs, err := os.ReadFile("../../docs/serve.md")
	require.NoError(t, err)
	q := &sink.Queue{W: io.Discard, MaxBytes: 100}
	q.Write([]byte("line\n"))
	q.Write(bytes.Repeat([]byte("line\n"), 100))
	registry := prometheus.NewRegistry()
	addEventMetrics(registry, q, new(server.Listener))
	addLogMetrics(registry, q)
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		assert.True(t, strings.Contains(string(docs), "`"+f.GetName()+"`"), "docs/serve.md lacks %s", f.GetName())
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	assert.Equal(t, map[string]float64{
		"tlspeek_events_lost_total full":      100,
		"tlspeek_events_lost_total error":     0,
		"tlspeek_events_lost_total end":       0,
		"tlspeek_events_lost_total unsettled": 0,
		"tlspeek_events_written_total":        0,
		"tlspeek_events_queue_bytes":          5,
		"tlspeek_log_lines_lost_total":        100,
	}, values)
}
