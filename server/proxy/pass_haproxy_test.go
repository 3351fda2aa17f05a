//go:build haproxy && linux

// With the tag haproxy, this compares a Pass with HAProxy in TCP mode:
//
//	go test -tags haproxy -run TestAgainstHAProxy -v ./server/proxy
//
// It needs /usr/sbin/haproxy. CPU time is that of the proxy's process alone, user and
// system, while rounds of both take turns. The load and the backend are in the process of
// the test.

package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// TestMain runs a Pass in a child process.
func TestMain(m *testing.M) {
	if to := os.Getenv("TLSPEEK_PASS_TO"); to != "" {
		if err := childPass(to); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// childPass serves until standard input ends.
func childPass(to string) error {
	ln, err := (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	p := &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}, Done: func(*proxy.PassedConn) {}}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		p.Close()
	}()
	if err := p.Serve(&server.Listener{Listener: ln}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// A contender is a proxy in a process of its own.
type contender struct {
	name, addr string
	pid        int
}

// cpu returns the CPU time that the process has used.
func (c *contender) cpu(t *testing.T) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid))
	require.NoError(t, err)
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	ticks := 0
	for _, i := range []int{11, 12} {
		n, err := strconv.Atoi(fields[i])
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100)
}

func startPass(t *testing.T, to string) *contender {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TLSPEEK_PASS_TO="+to)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return &contender{"pass", strings.TrimSpace(line), cmd.Process.Pid}
}

// startHAProxy starts HAProxy, which sends the header of the PROXY protocol, too. With
// sni it waits for the hello, and routes by its name. 0 threads are its default.
func startHAProxy(t *testing.T, to string, threads int, sni bool) *contender {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	ln.Close()
	name := "haproxy"
	global := ""
	if threads > 0 {
		global, name = fmt.Sprintf("\tnbthread %d\n", threads), fmt.Sprintf("haproxy nbthread %d", threads)
	}
	inspect := ""
	if sni {
		name += " sni"
		inspect = "\ttcp-request inspect-delay 5s\n\ttcp-request content accept if { req_ssl_hello_type 1 }\n\tuse_backend b if { req_ssl_sni -i shop.example }\n"
	}
	config := "global\n\tmaxconn 1000\n" + global +
		"defaults\n\tmode tcp\n\ttimeout client 2m\n\ttimeout server 2m\n\ttimeout connect 5s\n" +
		"frontend f\n\tbind " + addr + "\n" + inspect + "\tdefault_backend b\n" +
		"backend b\n\tserver s " + to + " send-proxy-v2\n"
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	cmd := exec.Command("/usr/sbin/haproxy", "-db", "-f", file)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return &contender{name, addr, cmd.Process.Pid}
}

// skipProxyHeader reads a header of version 2.
func skipProxyHeader(r io.Reader) error {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, r, int64(head[14])<<8|int64(head[15]))
	return err
}

// A load is something to do through a proxy.
type load struct {
	name    string
	n       int // in a round
	workers int
	limit   float64
	backend func(t *testing.T, c net.Conn)
	client  func(t *testing.T, addr string, n int)
}

// loads returns what is compared.
func loads(t *testing.T) []load {
	config := servertest.Config(t)
	config.SessionTicketsDisabled = true
	hello := record(hellotest.Real(t)["curl-openssl-3.0"].Raw)
	answer := make([]byte, 1<<10)
	clientConfig := &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example"}
	const bulk = 100 << 20
	return []load{
		{"new connections, TLS handshake and 1 KB", 1000, 8, 1.5, func(t *testing.T, c net.Conn) {
			if skipProxyHeader(c) != nil {
				return
			}
			s := tls.Server(c, config)
			b := make([]byte, len(answer))
			if _, err := io.ReadFull(s, b); err == nil {
				s.Write(answer)
			}
			s.Close()
		}, func(t *testing.T, addr string, n int) {
			b := make([]byte, len(answer))
			for range n {
				c, err := tls.Dial("tcp", addr, clientConfig)
				require.NoError(t, err)
				c.Write(answer)
				_, err = io.ReadFull(c, b)
				require.NoError(t, err)
				c.Close()
			}
		}},
		{"new connections, hello and 1 KB", 6000, 8, 1.5, func(t *testing.T, c net.Conn) {
			if skipProxyHeader(c) != nil {
				return
			}
			b := make([]byte, len(hello))
			if _, err := io.ReadFull(c, b); err == nil {
				c.Write(answer)
			}
		}, func(t *testing.T, addr string, n int) {
			b := make([]byte, len(answer))
			for range n {
				c, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				c.Write(hello)
				_, err = io.ReadFull(c, b)
				require.NoError(t, err)
				c.Close()
			}
		}},
		{"1 KB and 1 KB on kept connections", 60000, 16, 1.5, func(t *testing.T, c net.Conn) {
			if skipProxyHeader(c) != nil {
				return
			}
			b := make([]byte, len(hello))
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			for {
				if _, err := io.ReadFull(c, b[:len(answer)/4]); err != nil {
					return
				}
				if _, err := io.ReadFull(c, make([]byte, len(answer)-len(answer)/4)); err != nil {
					return
				}
				c.Write(answer)
			}
		}, func(t *testing.T, addr string, n int) {
			c, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			defer c.Close()
			c.Write(hello)
			b := make([]byte, len(answer))
			for range n {
				c.Write(answer)
				_, err = io.ReadFull(c, b)
				require.NoError(t, err)
			}
		}},
		{"downloads of 100 MB", 20, 2, 1.05, func(t *testing.T, c net.Conn) {
			if skipProxyHeader(c) != nil {
				return
			}
			b := make([]byte, len(hello))
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			chunk := make([]byte, 256<<10)
			for left := bulk; left > 0; left -= len(chunk) {
				if _, err := c.Write(chunk); err != nil {
					return
				}
			}
		}, func(t *testing.T, addr string, n int) {
			for range n {
				c, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				c.Write(hello)
				got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
				require.NoError(t, err)
				require.EqualValues(t, bulk, got)
				c.Close()
			}
		}},
	}
}

// run does n things, several at once.
func (l *load) run(t *testing.T, addr string) {
	var wg sync.WaitGroup
	for range l.workers {
		wg.Go(func() { l.client(t, addr, l.n/l.workers) })
	}
	wg.Wait()
}

func TestAgainstHAProxy(t *testing.T) {
	rounds := 5
	if n, err := strconv.Atoi(os.Getenv("ROUNDS")); err == nil {
		rounds = n
	}
	for _, l := range loads(t) {
		t.Run(l.name, func(t *testing.T) {
			to := passBackend(t, func(c net.Conn) { l.backend(t, c) })
			contenders := []*contender{
				startPass(t, to),
				startHAProxy(t, to, 0, false),
				startHAProxy(t, to, 1, false),
				startHAProxy(t, to, 0, true),
			}
			costs := make([][]float64, len(contenders))
			for round := range rounds + 1 {
				for i, c := range contenders {
					before := c.cpu(t)
					l.run(t, c.addr)
					if round > 0 { // the first is to get warm
						costs[i] = append(costs[i], float64((c.cpu(t)-before).Microseconds())/float64(l.n))
					}
				}
			}
			median := func(i int) float64 {
				slices.Sort(costs[i])
				return costs[i][len(costs[i])/2]
			}
			for i, c := range contenders {
				t.Logf("%-24s %8.1f us each, %.2f", c.name, median(i), median(0)/median(i))
			}
		})
	}
}
