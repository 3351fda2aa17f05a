package main

import (
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
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/quic-go/quic-go/http3"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readUnit returns the options of a unit by section and name.
func readUnit(t *testing.T, name string) map[string][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("../../packaging", name))
	require.NoError(t, err)
	defer f.Close()
	options, err := unit.DeserializeOptions(f)
	require.NoError(t, err)
	all := make(map[string][]string)
	for _, o := range options {
		key := o.Section + " " + o.Name
		all[key] = append(all[key], o.Value)
	}
	return all
}

// TestUnitsNameFlagsThatExist parses each command line and variable of the service.
func TestUnitsNameFlagsThatExist(t *testing.T) {
	service := readUnit(t, "tlspeek.service")
	flags := serveCommand().Flags()
	set := func(flag, value string) {
		require.NotNil(t, flags.Lookup(flag), flag)
		assert.NoError(t, flags.Set(flag, value))
	}
	require.NotEmpty(t, service["Service Environment"])
	for _, line := range service["Service Environment"] {
		for _, v := range strings.Fields(line) {
			name, value, _ := strings.Cut(v, "=")
			found := false
			flags.VisitAll(func(f *pflag.Flag) { found = found || variable(f.Name) == name })
			require.True(t, found, "%s is of no flag", name)
			set(strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "TLSPEEK_"), "_", "-")), value)
		}
	}
	lines := append(service["Service ExecStart"], service["Service ExecStartPre"]...)
	require.Len(t, lines, 2)
	for _, line := range lines {
		words := strings.Fields(line)
		require.Equal(t, []string{"/usr/local/bin/tlspeek", "serve"}, words[:2])
		assert.NoError(t, flags.Parse(words[2:]), line)
	}
	assert.Contains(t, service["Service ExecStartPre"][0], " --check")
	assert.NotContains(t, service["Service ExecStart"][0], "--check")

	grace, err := flags.GetDuration("grace")
	require.NoError(t, err)
	stop, err := time.ParseDuration(service["Service TimeoutStopSec"][0])
	require.NoError(t, err)
	assert.Greater(t, stop, grace, "systemd would kill the program while it writes its files")

	socket := readUnit(t, "tlspeek.socket")
	assert.Equal(t, socket["Socket ListenStream"], socket["Socket ListenDatagram"])
	assert.Equal(t, []string{"443"}, socket["Socket ListenStream"])
	assert.Equal(t, []string{"tlspeek.socket"}, service["Unit Requires"])
	assert.Equal(t, []string{"notify"}, service["Service Type"])
}

// TestServeUnderSystemd runs the command lines of the service as systemd does: with a
// TCP and a UDP socket, and a socket for notifications.
func TestServeUnderSystemd(t *testing.T) {
	dir := t.TempDir()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	require.NoError(t, err)
	defer udp.Close()
	tcpFile, err := tcp.(*net.TCPListener).File()
	require.NoError(t, err)
	defer tcpFile.Close()
	udpFile, err := udp.(*net.UDPConn).File()
	require.NoError(t, err)
	defer udpFile.Close()
	notified, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	require.NoError(t, err)
	defer notified.Close()
	var stderr bytes.Buffer
	said := func() string {
		var buf [64]byte
		// The program may have ended: then nothing comes.
		require.NoError(t, notified.SetReadDeadline(time.Now().Add(time.Minute)))
		n, err := notified.Read(buf[:])
		require.NoError(t, err)
		return string(buf[:n])
	}

	// The test program is tlspeek if it has that name.
	self, err := os.Executable()
	require.NoError(t, err)
	program := filepath.Join(dir, "tlspeek")
	require.NoError(t, os.Symlink(self, program))
	service := readUnit(t, "tlspeek.service")
	environment := append(os.Environ(), "TLSPEEK_STATE_DIR="+filepath.Join(dir, "state"))
	arguments := func(name string) []string { return strings.Fields(service[name][0])[1:] }

	check := exec.Command(program, arguments("Service ExecStartPre")...)
	check.Env = environment
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)

	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, program}, arguments("Service ExecStart")...)...)
	cmd.Env = append(environment, "LISTEN_FDS=2", "NOTIFY_SOCKET="+notified.LocalAddr().String())
	cmd.ExtraFiles = []*os.File{tcpFile, udpFile}
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	require.Equal(t, "READY=1", said())

	insecure := &tls.Config{InsecureSkipVerify: true}
	overTCP := &http.Transport{TLSClientConfig: insecure, ForceAttemptHTTP2: true}
	overQUIC := &http3.Transport{TLSClientConfig: insecure.Clone()}
	for _, transport := range []interface {
		http.RoundTripper
		CloseIdleConnections()
	}{overTCP, overQUIC} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+tcp.Addr().String()+"/json", nil)
		require.NoError(t, err)
		res, err := transport.RoundTrip(req)
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		res.Body.Close()
		var answer struct{ Transport, JA4 string }
		require.NoError(t, json.Unmarshal(text, &answer))
		assert.Equal(t, map[int]string{2: "tls", 3: "quic"}[res.ProtoMajor], answer.Transport)
		assert.NotEmpty(t, answer.JA4)
		transport.CloseIdleConnections()
	}
	require.NoError(t, overQUIC.Close())

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, "STOPPING=1", said())
	assert.NoError(t, cmd.Wait(), "%s", stderr.String())
}
