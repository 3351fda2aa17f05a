package listen_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tlspeek/tlspeek/internal/listen"
)

// TestMain runs the tests, which must leave no goroutine. In a child process it
// prints the sockets that it was passed.
func TestMain(m *testing.M) {
	if os.Getenv("TLSPEEK_TEST_SOCKETS") == "" {
		goleak.VerifyTestMain(m)
		return
	}
	ln, udp, err := listen.Sockets("127.0.0.1:0", true)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(ln.Addr())
	fmt.Println(len(udp), udp[0].LocalAddr())
}

func TestListen(t *testing.T) {
	ln, udp, err := listen.Sockets("localhost:0", true)
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	for _, conn := range udp {
		_, udpPort, err := net.SplitHostPort(conn.LocalAddr().String())
		require.NoError(t, err)
		require.Equal(t, port, udpPort)
		host, _, err := net.SplitHostPort(conn.LocalAddr().String())
		require.NoError(t, err)
		client, err := net.Dial("tcp", net.JoinHostPort(host, port))
		require.NoError(t, err)
		c, err := ln.Accept()
		require.NoError(t, err)
		require.Equal(t, client.LocalAddr().String(), c.RemoteAddr().String())
		client.Close()
		c.Close()
	}
	_, _, err = listen.Sockets("localhost:"+port, true)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.NoError(t, ln.Close())
	_, err = ln.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	for _, conn := range udp {
		require.NoError(t, conn.Close())
	}
	_, _, err = listen.Sockets("nowhere", false)
	require.Error(t, err)
}

func TestListenToSocketsOfSystemdAlone(t *testing.T) {
	require.False(t, listen.Inherited())
	_, _, err := listen.Sockets(listen.Systemd, true)
	require.ErrorIs(t, err, listen.ErrNotPassed)

	t.Setenv("LISTEN_FDS", "2")
	t.Setenv("LISTEN_PID", "1")
	require.False(t, listen.Inherited(), "they are for another process")
	t.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
	require.True(t, listen.Inherited())
}

// TestTry: both ports are taken, by others.
func TestTry(t *testing.T) {
	first, release, errs := listen.Try("localhost:0", true)
	require.Empty(t, errs)
	_, _, errs = listen.Try(first.String(), true)
	require.Len(t, errs, 2)
	for _, err := range errs {
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	}
	_, _, errs = listen.Try(first.String(), false)
	require.Len(t, errs, 1)
	release()
	_, again, errs := listen.Try(first.String(), true)
	require.Empty(t, errs)
	again()
	_, _, errs = listen.Try("8443", true)
	require.Len(t, errs, 1, "an error in the address is one error")
	_, _, errs = listen.Try(listen.Systemd, true)
	require.ErrorIs(t, errs[0], listen.ErrNotPassed)
}

func TestListenWhereItCannot(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for addr, want := range map[string]string{
		taken.Addr().String(): "address already in use",
		"192.0.2.1:0":         "cannot assign requested address",
		"127.0.0.1:99999":     "invalid port",
		"8443":                "missing port in address",
	} {
		for _, udp := range []bool{false, true} {
			_, _, err := listen.Sockets(addr, udp)
			require.ErrorContains(t, err, want)
		}
	}
}

// TestSocketsOfSystemd passes sockets as systemd does.
func TestSocketsOfSystemd(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	packets, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer packets.Close()
	lnFile, err := tcp.(*net.TCPListener).File()
	require.NoError(t, err)
	defer lnFile.Close()
	packetsFile, err := packets.File()
	require.NoError(t, err)
	defer packetsFile.Close()
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "TLSPEEK_TEST_SOCKETS=1", "LISTEN_FDS=2")
	cmd.ExtraFiles = []*os.File{lnFile, packetsFile}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, fmt.Sprintf("%s\n1 %s\n", tcp.Addr(), packets.LocalAddr()), string(out))
}
