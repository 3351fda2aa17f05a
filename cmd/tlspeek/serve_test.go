package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/listen"
)

// TestServeAndClient has client ask serve.
func TestServeAndClient(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	said, stderr := io.Pipe()
	var events bytes.Buffer
	served := make(chan error, 1)
	go func() {
		cmd := serveCommand()
		cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--state-dir", dir, "--events", "-", "--hello-json", filepath.Join(dir, "hello.json")})
		cmd.SetOut(&events)
		cmd.SetErr(stderr)
		served <- cmd.ExecuteContext(ctx)
		stderr.Close()
	}()
	r := bufio.NewReader(said)
	first, err := r.ReadString('\n')
	require.NoError(t, err)
	go io.Copy(io.Discard, r)
	addr := strings.TrimSuffix(strings.Fields(first)[2], ";")

	ask := func(stdin string, args ...string) []string {
		var out bytes.Buffer
		cmd := clientCommand()
		cmd.SetArgs(append(args, "--insecure", addr))
		cmd.SetIn(strings.NewReader(stdin))
		cmd.SetOut(&out)
		require.NoError(t, cmd.ExecuteContext(ctx))
		return strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	assert.Len(t, ask(""), 1)
	assert.Len(t, ask("", "--count", "2", "--line", "a", "--line", "b"), 4)
	assert.Len(t, ask("1\n2\n3", "--stdin"), 3)

	stop()
	require.NoError(t, <-served)
	assert.Equal(t, 3, strings.Count(events.String(), "\n"))
	text, err := os.ReadFile(filepath.Join(dir, "hello.json"))
	require.NoError(t, err)
	var kept []struct {
		JA4 string `json:"ja4"`
	}
	require.NoError(t, json.Unmarshal(text, &kept))
	require.Len(t, kept, 3)
	assert.Contains(t, events.String(), kept[0].JA4)
}

// TestServeEndsInOrder: each signal ends serve, also with half-open connections, and
// no Event is lost.
func TestServeEndsInOrder(t *testing.T) {
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	for _, sig := range signals {
		dir := t.TempDir()
		latest := filepath.Join(dir, "hello.json")
		said, stderr := io.Pipe()
		status := make(chan int, 1)
		go func() {
			status <- run([]string{"serve", "--listen", "127.0.0.1:0", "--http3=false", "--state-dir", dir, "--hello-json", latest, "--grace", "1h"},
				strings.NewReader(""), io.Discard, stderr)
			stderr.Close()
		}()
		r := bufio.NewReader(said)
		first, err := r.ReadString('\n')
		require.NoError(t, err)
		go io.Copy(io.Discard, r)
		addr := strings.TrimSuffix(strings.Fields(first)[2], ";")
		silent, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer silent.Close()
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, ServerName: "last.example"})
		require.NoError(t, err)
		defer conn.Close()

		require.NoError(t, syscall.Kill(os.Getpid(), sig))
		assert.Zero(t, <-status, sig)
		text, err := os.ReadFile(latest)
		require.NoError(t, err)
		assert.True(t, json.Valid(text), sig)
		assert.Contains(t, string(text), `"sni":"last.example"`, sig)
	}
}

// TestServeWithClients: the endpoint names a user-supplied client in the answer and
// in the events file.
func TestServeWithClients(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) (answer, recorded clientsOfEvent) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		said, stderr := io.Pipe()
		var events bytes.Buffer
		served := make(chan error, 1)
		go func() {
			cmd := serveCommand()
			cmd.SetArgs(append([]string{"--listen", "127.0.0.1:0", "--http3=false", "--state-dir", dir, "--events", "-"}, args...))
			cmd.SetOut(&events)
			cmd.SetErr(stderr)
			served <- cmd.ExecuteContext(ctx)
			stderr.Close()
		}()
		r := bufio.NewReader(said)
		first, err := r.ReadString('\n')
		require.NoError(t, err)
		go io.Copy(io.Discard, r)
		addr := strings.TrimSuffix(strings.Fields(first)[2], ";")

		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		defer client.CloseIdleConnections()
		res, err := client.Get("https://" + addr + "/json")
		require.NoError(t, err)
		defer res.Body.Close()
		require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
		client.CloseIdleConnections()
		stop()
		require.NoError(t, <-served)
		require.NoError(t, json.Unmarshal(events.Bytes(), &recorded))
		return answer, recorded
	}
	before, _ := run()
	require.NotEmpty(t, before.JA4)
	assert.NotContains(t, before.names(), "My app")

	mine := filepath.Join(dir, "mine.jsonl")
	line := fmt.Sprintf(`{"name":"My app","family":"Go","kind":"tool","ja4":%q}`, before.JA4)
	require.NoError(t, os.WriteFile(mine, []byte(line+"\n"), 0o600))
	answer, recorded := run("--clients", mine)
	assert.Contains(t, answer.names(), "My app")
	assert.Contains(t, recorded.names(), "My app")

	t.Setenv("TLSPEEK_CLIENTS", mine)
	answer, recorded = run()
	assert.Contains(t, answer.names(), "My app")
	assert.Contains(t, recorded.names(), "My app")
}

// A clientsOfEvent has the candidates of an Event.
type clientsOfEvent struct {
	JA4    string `json:"ja4"`
	Client []struct {
		Name string `json:"name"`
	} `json:"client"`
}

func (e *clientsOfEvent) names() (names []string) {
	for _, c := range e.Client {
		names = append(names, c.Name)
	}
	return names
}

func TestServeReportsErrorsInClients(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("{\n"), 0o600))
	cmd := serveCommand()
	cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--state-dir", t.TempDir(), "--clients", file})
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	assert.ErrorContains(t, cmd.ExecuteContext(t.Context()), "reading "+file+": ")
}

func TestClientReportsErrors(t *testing.T) {
	cmd := clientCommand()
	cmd.SetArgs([]string{"127.0.0.1:1"})
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	assert.ErrorContains(t, cmd.ExecuteContext(t.Context()), "connection refused")
}

func TestListenErrorHints(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	_, _, err = listen.Sockets(tcp.Addr().String(), true)
	assert.ErrorContains(t, listenError(err), "address already in use: choose another port with --listen")

	free, err := net.Listen("tcp", "127.0.0.1:0") // a port that no TCP connection has
	require.NoError(t, err)
	udp, err := net.ListenPacket("udp", free.Addr().String())
	require.NoError(t, err)
	defer udp.Close()
	require.NoError(t, free.Close())
	_, _, err = listen.Sockets(udp.LocalAddr().String(), true)
	assert.ErrorContains(t, listenError(err), "switch HTTP/3 off with --http3=false")
}

// TestHints: the hints work on the machine that prints them.
func TestHints(t *testing.T) {
	var said strings.Builder
	printHints(&said, &net.TCPAddr{IP: net.IPv4zero, Port: 8443})
	assert.Contains(t, said.String(), "\n  curl -k https://localhost:8443/\n")
	assert.Contains(t, said.String(), "\n  "+os.Args[0]+" client --insecure localhost:8443\n")
	said.Reset()
	printHints(&said, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 443})
	assert.Contains(t, said.String(), "\n  curl -k https://[2001:db8::1]:443/\n")
}
