//go:build peers

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/websocket"

	"github.com/tlspeek/tlspeek/internal/peertest"
	"github.com/tlspeek/tlspeek/internal/sitetest"
)

var soakTime = flag.Duration("soak", 20*time.Second, "how `long` TestProxySoak lasts")

const soakPolicy = `rules:
  - name: denied
    when: user_agent.startsWith("denied")
    do: deny
  - name: tagged
    when: user_agent.startsWith("tagged")
    do: tag
    tags: [odd]
`

// A soak is a mixed load.
type soak struct {
	p      *peertest.Proxy
	site   *peertest.Site
	config *tls.Config
	count  atomic.Int64
	failed chan error
}

// A soaker does one thing once. What fails is an error; what must fail is none.
type soaker func(ctx context.Context, s *soak, c *goClient) error

func (c *goClient) send(ctx context.Context, method, path, agent string, body io.Reader) (status int, text []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, c.p.URL(path), body)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("User-Agent", agent)
	res, err := c.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err = io.ReadAll(res.Body)
	return res.StatusCode, text, err
}

// randomBytes returns some that no other request has.
func randomBytes(most int) []byte {
	b := make([]byte, 16+rand.IntN(most))
	seed := rand.Uint64()
	for i := range b {
		seed = seed*6364136223846793005 + 1442695040888963407
		b[i] = byte(seed >> 56)
	}
	return b
}

var soakers = []soaker{
	func(ctx context.Context, _ *soak, c *goClient) error { // the answer is this client's own
		agent := fmt.Sprintf("agent %x", rand.Uint64())
		status, text, err := c.send(ctx, "GET", "/fields?"+strings.ReplaceAll(agent, " ", "+"), agent, nil)
		if err == nil && (status != 200 || !bytes.Contains(text, []byte("User-Agent: "+agent+"\n")) || !bytes.Contains(text, []byte("X-Tls-Rule: none\n"))) {
			err = fmt.Errorf("status %d, not of %s: %s", status, agent, text)
		}
		return err
	},
	func(ctx context.Context, _ *soak, c *goClient) error { // an upload, of known length or not
		b := randomBytes(300_000)
		var body io.Reader = bytes.NewReader(b)
		if rand.IntN(2) == 0 {
			body = struct{ io.Reader }{body}
		}
		status, text, err := c.send(ctx, "POST", "/upload", "upload", body)
		if want := fmt.Sprintf("%s %d \n", peertest.Digest(b), len(b)); err == nil && (status != 200 || string(text) != want) {
			err = fmt.Errorf("status %d, %s is not %s", status, text, want)
		}
		return err
	},
	func(ctx context.Context, s *soak, c *goClient) error {
		status, text, err := c.send(ctx, "GET", "/big.bin", "download", nil)
		if err == nil && (status != 200 || peertest.Digest(text) != s.site.Big) {
			err = fmt.Errorf("status %d, %d bytes are not the file", status, len(text))
		}
		return err
	},
	func(ctx context.Context, _ *soak, c *goClient) error { // a client that leaves
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(30))*time.Millisecond)
		defer cancel()
		_, _, _ = c.send(ctx, "POST", "/big.bin", "leaves", bytes.NewReader(randomBytes(1_000_000)))
		return nil
	},
	func(ctx context.Context, _ *soak, c *goClient) error {
		return c.wants(ctx, "/small.txt", "denied", 403)
	},
	func(ctx context.Context, _ *soak, c *goClient) error {
		status, text, err := c.send(ctx, "GET", "/fields", "tagged", nil)
		if err == nil && (status != 200 || !bytes.Contains(text, []byte("X-Tls-Tags: odd"))) {
			err = fmt.Errorf("status %d, no tag: %s", status, text)
		}
		return err
	},
	func(ctx context.Context, _ *soak, c *goClient) error { return c.wants(ctx, "/down", "down", 502) },
	func(ctx context.Context, _ *soak, c *goClient) error {
		if status, text, err := c.send(ctx, "GET", "/break", "break", nil); err == nil {
			return fmt.Errorf("a broken answer is a whole one: %d %q", status, text)
		}
		return nil
	},
	func(ctx context.Context, _ *soak, c *goClient) error { // both ways at once
		b := randomBytes(20_000)
		status, text, err := c.send(ctx, "POST", "/duplex", "duplex", struct{ io.Reader }{bytes.NewReader(b)})
		if err == nil && (status != 200 || !bytes.Equal(text, b)) {
			err = fmt.Errorf("status %d, %d bytes of %d", status, len(text), len(b))
		}
		return err
	},
	func(ctx context.Context, s *soak, c *goClient) error { // a WebSocket
		return s.withConn(func(conn *tls.Conn) error {
			config, err := websocket.NewConfig("wss"+strings.TrimPrefix(c.p.URL("/websocket"), "https"), c.p.URL(""))
			if err != nil {
				return err
			}
			ws, err := websocket.NewClient(config, conn)
			if err != nil {
				return err
			}
			for range 1 + rand.IntN(20) {
				b := randomBytes(5000)
				got := make([]byte, len(b)) // the backend may echo it in pieces
				if err := websocket.Message.Send(ws, b); err != nil {
					return err
				}
				if _, err := io.ReadFull(ws, got); err != nil {
					return err
				}
				if !bytes.Equal(b, got) {
					return errors.New("the echo is another")
				}
			}
			if rand.IntN(2) == 0 {
				return ws.Close()
			}
			return nil // and without a word
		})
	},
	func(_ context.Context, s *soak, _ *goClient) error { // what is no HTTP, or smuggles, or stalls
		return s.withConn(func(conn *tls.Conn) error {
			text := badRequests[rand.IntN(len(badRequests))]
			if _, err := io.WriteString(conn, strings.ReplaceAll(text, "HOST", sitetest.Name)); err != nil {
				return err
			}
			_ = conn.SetReadDeadline(time.Now().Add(time.Duration(rand.IntN(1000)) * time.Millisecond))
			answer, _ := io.ReadAll(conn) // there may be none
			if bytes.Contains(answer, []byte(" 200 OK")) {
				return fmt.Errorf("%q is answered: %q", text, answer)
			}
			return nil
		})
	},
	func(_ context.Context, s *soak, _ *goClient) error { // a reset in the handshake, or before
		conn, err := net.Dial("tcp", s.p.Addr)
		if err != nil {
			return err
		}
		_, _ = conn.Write([]byte("\x16\x03\x01\x02\x00\x01\x00")[:rand.IntN(8)])
		_ = conn.(*net.TCPConn).SetLinger(0)
		return conn.Close()
	},
}

var badRequests = []string{
	"GET /small.txt HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nzz",
	"POST /upload HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\nx",
	"POST /upload HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1000\r\n\r\nstalls",
	"POST /upload HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nstalls",
	"GET /small.txt HTTP/1.1\r\nHost: HOST\r\nHost: other\r\n\r\n",
	"GET /small.txt HTTP/1.1\r\nHost: HOST\r\nX Y: z\r\n\r\n",
	"GET /small.txt HTTP/1.1\r\nHost: HOST\r\nX: " + "y",
	"CONNECT HOST:443 HTTP/1.1\r\nHost: HOST\r\n\r\n",
	"\x00\x01\x02\x03",
}

func (c *goClient) wants(ctx context.Context, path, agent string, want int) error {
	status, text, err := c.send(ctx, "GET", path, agent, nil)
	if err == nil && status != want {
		err = fmt.Errorf("%s has status %d: %s", path, status, text)
	}
	return err
}

// withConn calls f with a connection that has no ALPN, and resets some.
func (s *soak) withConn(f func(conn *tls.Conn) error) error {
	raw, err := net.Dial("tcp", s.p.Addr)
	if err != nil {
		return err
	}
	defer raw.Close()
	conn := tls.Client(raw, s.config)
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	err = f(conn)
	if rand.IntN(2) == 0 {
		_ = raw.(*net.TCPConn).SetLinger(0)
	}
	return err
}

// run has workers do all things until ctx is done, each with clients of its own.
func (s *soak) run(ctx context.Context, t *testing.T, workers int) {
	var wg sync.WaitGroup
	for worker := range workers {
		version := []string{"1.1", "2", "3"}[worker%3]
		wg.Go(func() {
			c := newGoClient(t, s.p, version)
			for n := worker; ctx.Err() == nil; n++ {
				// What has begun may end, though the time is over.
				err := soakers[n%len(soakers)](context.WithoutCancel(ctx), s, c)
				s.count.Add(1)
				if err != nil {
					select {
					case s.failed <- fmt.Errorf("HTTP/%s: %d: %w", version, n%len(soakers), err):
					default:
					}
				}
			}
			c.close()
		})
	}
	wg.Wait()
}

// TestProxySoak puts a mixed load on the proxy, built with the race detector: no race, no
// answer of another, and nothing left behind.
func TestProxySoak(t *testing.T) {
	program := *proxyProgram
	if program == "" {
		program = sitetest.BuildPackage(t, "./cmd/tlspeek", "-race")
	}
	site := peertest.NewSite(t)
	to, _ := site.StartGo(t, "http")
	h2c, _ := site.StartGo(t, "h2c")
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte(soakPolicy), 0o600))
	p := peertest.Start(t, program, "--to", to, "--route", "/upload="+h2c, "--route", "/duplex="+h2c, "--route", "/down=http://"+peertest.FreeAddr(t),
		"--policy", policy, "--stall-timeout", "3s", "--handshake-timeout", "3s", "--idle-timeout", "5s", "--access-log", filepath.Join(t.TempDir(), "access.log"), "--log-level", "error")
	s := &soak{p: p, site: site, config: newGoClient(t, p, "1.1").config, failed: make(chan error, 20)}
	const workers = 9
	warm, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	s.run(warm, t, workers)
	cancel()
	goroutines, descriptors := s.settled(t, 0, 0)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), *soakTime)
	defer cancel()
	s.run(ctx, t, workers)
	after, files := s.settled(t, goroutines, descriptors)
	t.Logf("%d requests in %v; goroutines %d, then %d; descriptors %d, then %d", s.count.Load(), time.Since(began).Round(time.Second), goroutines, after, descriptors, files)
	close(s.failed)
	for err := range s.failed {
		assert.NoError(t, err)
	}
	assert.Greater(t, s.count.Load(), int64(100))
	log := p.End(t)
	assert.NotContains(t, log, "DATA RACE")
	assert.NotContains(t, log, "level=ERROR")
}

// settled waits until the proxy has no more goroutines and files than most, or until their
// number does not change any longer: connections to backends are kept for 30 seconds.
func (s *soak) settled(t *testing.T, most, files int) (goroutines, descriptors int) {
	t.Helper()
	stacks := ""
	still := 0
	for range 120 {
		time.Sleep(500 * time.Millisecond)
		n, text := s.p.Goroutines(t)
		d := s.p.Descriptors(t)
		if n == goroutines && d == descriptors {
			still++
		} else {
			still = 0
		}
		goroutines, descriptors, stacks = n, d, text
		if most > 0 && n <= most && d <= files || most == 0 && still >= 70 {
			return goroutines, descriptors
		}
	}
	if most > 0 {
		assert.LessOrEqual(t, goroutines, most, "%s", stacks)
		assert.LessOrEqual(t, descriptors, files)
	}
	return goroutines, descriptors
}
