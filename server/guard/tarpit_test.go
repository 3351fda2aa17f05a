package guard_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/guard"
)

const (
	tarpitHello   = "rules: [{name: pit, when: 'true', do: tarpit, hold: 5m, stage: hello}]"
	tarpitRequest = "rules: [{name: pit, when: 'true', do: tarpit, hold: 5m, stage: request}]"
)

// awaitHeld waits until g holds n back.
func awaitHeld(t *testing.T, g *guard.Guard, n int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		now, _ := g.Tarpits()
		return now == n
	}, 20*time.Second, time.Millisecond)
}

// TestTarpitEndsWithItsClient: who leaves is held back no longer, before the handshake, in a
// request over each version of HTTP, with a body that has come in part, and after a line.
func TestTarpitEndsWithItsClient(t *testing.T) {
	t.Run("hello", func(t *testing.T) {
		g := always(t, tarpitHello)
		s := serve(t, g)
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", s.tcp)
			if err == nil {
				conn.Close()
			}
			done <- err
		}()
		awaitHeld(t, g, 1)
		leave()
		assert.Error(t, <-done)
		awaitHeld(t, g, 0)
		assert.Equal(t, "tarpit", s.events(t, 1)[0].Action)
		require.NoError(t, s.stop())
	})
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			g := always(t, tarpitRequest)
			s := serve(t, g)
			client, url := s.client(t, version)
			ctx, leave := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
			require.NoError(t, err)
			done := make(chan error, 1)
			go func() {
				_, err := client.Do(r)
				done <- err
			}()
			awaitHeld(t, g, 1)
			assert.Equal(t, "tarpit", s.events(t, 1)[0].Action) // which does not wait
			leave()
			assert.ErrorIs(t, <-done, context.Canceled)
			awaitHeld(t, g, 0)
			client.CloseIdleConnections()
			require.NoError(t, s.stop())
			assert.Zero(t, s.calls.Load())
		})
	}
	for name, sent := range map[string]string{
		"a line":              "line\n",
		"a body":              "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
		"part of a body":      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nbody",
		"part of chunks":      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
		"a promise of a body": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			g := always(t, tarpitRequest)
			s := serve(t, g)
			conn, err := tls.Dial("tcp", s.tcp, &tls.Config{InsecureSkipVerify: true})
			require.NoError(t, err)
			_, err = io.WriteString(conn, sent)
			require.NoError(t, err)
			awaitHeld(t, g, 1)
			conn.Close()
			awaitHeld(t, g, 0)
			require.NoError(t, s.stop())
		})
	}
}

// TestStopEndsTarpits: requests that are held back are answered, also one whose body has
// not come, and those that come later are not held back. A server that shuts down closes
// the others.
func TestStopEndsTarpits(t *testing.T) {
	g := always(t, tarpitRequest)
	s := serve(t, g)
	statuses := make(chan int, 10)
	for _, version := range versions {
		client, url := s.client(t, version)
		go func() {
			status, _, _, _ := get(client, url)
			statuses <- status
			client.CloseIdleConnections()
		}()
	}
	conn, err := tls.Dial("tcp", s.tcp, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nbody")
	require.NoError(t, err)
	awaitHeld(t, g, 4)
	g.Stop()
	for range versions {
		assert.Equal(t, 403, <-statuses)
	}
	answer := make([]byte, 12)
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	assert.Equal(t, "HTTP/1.1 403", string(answer))
	client, url := s.client(t, "HTTP/2.0")
	status, _, _, err := get(client, url)
	require.NoError(t, err)
	assert.Equal(t, 403, status)
	conn.Close()
	require.NoError(t, s.stop())

	g = always(t, tarpitHello)
	s = serve(t, g)
	failed := make(chan error, 1)
	go func() {
		_, err := tls.Dial("tcp", s.tcp, &tls.Config{InsecureSkipVerify: true})
		failed <- err
	}()
	awaitHeld(t, g, 1)
	require.NoError(t, s.stop())
	assert.Error(t, <-failed)
	awaitHeld(t, g, 0)
}

// TestTarpitsAreBounded: over the bound a connection is closed at once, and so is one with a
// request over each version of HTTP. A bound below 0 is for none.
func TestTarpitsAreBounded(t *testing.T) {
	for _, limit := range []int{2, -1} {
		for name, text := range map[string]string{"hello": tarpitHello, "request": tarpitRequest} {
			t.Run(name, func(t *testing.T) {
				g := always(t, text)
				g.MaxTarpit = limit
				s := serve(t, g)
				ctx, leave := context.WithCancel(t.Context())
				done := make(chan error, 2)
				held := max(0, limit)
				for range held {
					go func() {
						conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", s.tcp)
						if err == nil {
							defer context.AfterFunc(ctx, func() { conn.Close() })()
							_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
							assert.NoError(t, err)
							_, err = conn.Read(make([]byte, 1))
						}
						done <- err
					}()
				}
				awaitHeld(t, g, int64(held))
				for i, version := range versions {
					client, url := s.client(t, version)
					status, body, _, err := get(client, url)
					assert.Error(t, err, "%s: %d %q", version, status, body)
					client.CloseIdleConnections()
					_, refused := g.Tarpits()
					if version == "HTTP/3.0" && name == "hello" { // nobody waits over QUIC
						i--
					}
					assert.EqualValues(t, i+1, refused)
				}
				leave()
				for range held {
					<-done // an answer may come before the connection is closed
				}
				awaitHeld(t, g, 0)
				require.NoError(t, s.stop())
			})
		}
	}
}

// TestTarpitsCountForLimits: who is held back at the hello is an open connection, and an
// unfinished handshake.
func TestTarpitsCountForLimits(t *testing.T) {
	g := always(t, tarpitHello)
	l := &server.Listener{Listener: servertest.Listen(t), Limits: &server.Limits{MaxConns: 1}}
	g.Attach(l)
	stop := servertest.Serve(t, &server.Server{Handler: http.NotFoundHandler(), TLSConfig: servertest.Config(t)}, l, time.Second)
	failed := make(chan error, 1)
	go func() {
		_, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		failed <- err
	}()
	awaitHeld(t, g, 1)
	open, halfOpen := l.Conns()
	assert.Equal(t, []int{1, 1}, []int{open, halfOpen})
	_, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	assert.Error(t, err)
	now, refused := g.Tarpits()
	assert.EqualValues(t, 1, now)
	assert.Zero(t, refused)
	require.NoError(t, stop())
	assert.Error(t, <-failed)
}

// TestTarpitsOutlastTimeouts: the timeouts of a server for requests neither end what is held
// back nor keep it from its answer.
func TestTarpitsOutlastTimeouts(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		g := always(t, "rules: [{name: pit, when: 'true', do: tarpit, hold: 1500ms, stage: request}]")
		l := &server.Listener{Listener: servertest.Listen(t)}
		g.Attach(l)
		srv := &http.Server{Handler: g.Handler(http.NotFoundHandler()), ConnContext: server.ConnContext, ReadTimeout: time.Second, WriteTimeout: time.Second}
		require.NoError(t, server.ConfigureHTTP2(srv))
		cert, key := servertest.Certificate(t)
		go srv.ServeTLS(l, cert, key)
		client := servertest.HTTPClient(h2)
		status, body, _, err := get(client, "https://"+l.Addr().String())
		require.NoError(t, err)
		assert.Equal(t, 403, status)
		assert.Regexp(t, `^forbidden\nreference: [0-9a-f]{32}\n$`, body)
		client.CloseIdleConnections()
		srv.Close()
	}
}
