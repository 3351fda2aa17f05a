package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/guard"
)

// An accessServer is a server with an AccessLog, over all versions of HTTP.
type accessServer struct {
	tcp, udp string // addresses
	lines    chan Access
	clients  []interface{ CloseIdleConnections() }
	stop     func() error
}

// serveAccess serves h, behind a policy unless that is empty.
func serveAccess(t testing.TB, l *AccessLog, rules string, h http.Handler) *accessServer {
	s := &accessServer{lines: make(chan Access, 100)}
	l.Done = func(x *Access) { s.lines <- *x }
	udp := servertest.UDP(t)
	ln := &server.Listener{Listener: servertest.Listen(t)}
	if rules != "" {
		p, err := policy.Load(fstest.MapFS{"p.yaml": {Data: []byte(rules)}}, "p.yaml", policy.LoadOptions{})
		require.NoError(t, err)
		g := &guard.Guard{Policy: func() *policy.Policy { return p }}
		g.Attach(ln)
		h = g.Handler(h)
	}
	srv := &server.Server{Handler: l.Handler(h), TLSConfig: servertest.Config(t), UDP: []*net.UDPConn{udp}, Log: slog.New(slog.DiscardHandler)}
	stop := servertest.Serve(t, srv, ln, 5*time.Second)
	s.stop = func() error {
		for _, c := range s.clients {
			c.CloseIdleConnections()
		}
		return stop()
	}
	s.tcp, s.udp = ln.Addr().String(), udp.LocalAddr().String()
	return s
}

// line returns the next line.
func (s *accessServer) line(t testing.TB) Access {
	t.Helper()
	select {
	case x := <-s.lines:
		return x
	case <-time.After(20 * time.Second):
		require.Fail(t, "no line came")
	}
	return Access{}
}

// client returns a client for a version of HTTP, and the URL to ask.
func (s *accessServer) client(t testing.TB, version int) (*http.Client, string) {
	if version == 3 {
		transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		t.Cleanup(func() { transport.Close() })
		s.clients = append(s.clients, transport)
		return &http.Client{Transport: transport}, "https://" + s.udp
	}
	client := servertest.HTTPClient(version == 2)
	s.clients = append(s.clients, client)
	return client, "https://" + s.tcp
}

func TestAccessLog(t *testing.T) {
	var text servertest.Buffer
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		r.Header.Set("User-Agent", "changed by a handler")
		noteRoute(w, "api")
		switch r.URL.Path {
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusCreated)
		case "/none":
			w.WriteHeader(http.StatusNoContent)
			_, err := io.WriteString(w, "not sent")
			assert.ErrorIs(t, err, http.ErrBodyNotAllowed)
		case "/silent":
			return
		case "/abort":
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/nothing":
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path != "/none" {
			fmt.Fprintf(w, "%05d", n)
		}
	})
	s := serveAccess(t, &AccessLog{Log: slog.New(slog.NewJSONHandler(&text, nil))}, `
rules:
  - {name: hidden, when: request.path == "/hidden", do: deny, tags: [secret]}
  - {name: often, when: request.path == "/often", do: limit, rate: 1/h burst 1}
  - {name: closed, when: request.path == "/closed", do: close}
`, handler)
	for version := 1; version <= 3; version++ {
		client, base := s.client(t, version)
		for _, c := range []struct {
			method, path, body string
			status             int
			sent               int64
			want               string // more of the line
		}{
			{"GET", "/a?q=1", "", 200, 5, "route=api"},
			{"POST", "/a", "12345678", 200, 5, "route=api"},
			{"HEAD", "/a", "", 200, 0, "route=api"},
			{"GET", "/early", "", 201, 5, "route=api"},
			{"GET", "/none", "", 204, 0, "route=api"},
			{"GET", "/silent", "", 200, 0, "route=api"},
			{"GET", "/abort", "", 200, 5, "route=api aborted=true"},
			{"GET", "/nothing", "", 444, 0, "route=api aborted=true"},
			{"GET", "/hidden", "", 403, 10, "rule=hidden action=deny tags=secret"},
			{"GET", "/often", "", 429, 39, "rule=often action=limit"},
			{"GET", "/closed", "", 444, 0, "rule=closed action=close aborted=true"},
		} {
			t.Run(fmt.Sprint(version, c.method, c.path), func(t *testing.T) {
				if c.status == 429 {
					for { // the first passes
						resp, err := client.Get(base + c.path)
						require.NoError(t, err)
						resp.Body.Close()
						if resp.StatusCode == 429 {
							break
						}
						s.line(t)
					}
				} else {
					r, err := http.NewRequest(c.method, base+c.path, strings.NewReader(c.body))
					require.NoError(t, err)
					r.Header.Set("User-Agent", "mine/1.0")
					r.Header.Set("Referer", "https://example.com/")
					if resp, err := client.Do(r); err == nil {
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
				}
				x := s.line(t)
				for x.Aborted && x.URI != c.path { // the client has tried the one before again
					x = s.line(t)
				}
				assert.Equal(t, c.method, x.Method)
				assert.Equal(t, c.path, x.URI)
				assert.Equal(t, c.status, x.Status)
				if c.status != 403 && c.status != 429 {
					assert.Equal(t, c.sent, x.Sent)
				} else {
					assert.Positive(t, x.Sent)
				}
				assert.Equal(t, int64(len(c.body)), x.Received)
				assert.Equal(t, netip.MustParseAddr("127.0.0.1"), x.Client)
				assert.Contains(t, base, x.Host)
				assert.Equal(t, version, int(x.Proto[len("HTTP/")]-'0'))
				assert.NotZero(t, x.Event)
				assert.Contains(t, x.TLS, map[int]string{1: "Go", 2: "Go", 3: ""}[version])
				assert.Contains(t, x.JA4, map[int]string{1: "t13i", 2: "t13i", 3: "q13i"}[version])
				if c.status != 429 {
					assert.Equal(t, "mine/1.0", x.UserAgent)
					assert.Equal(t, "https://example.com/", x.Referer)
				}
				said := map[string]bool{"route=" + x.Route: true, "rule=" + x.Rule: true, "action=" + x.Action: true, "tags=" + strings.Join(x.Tags, ","): true, fmt.Sprint("aborted=", x.Aborted): true}
				for want := range strings.FieldsSeq(c.want) {
					assert.True(t, said[want], "%s of %v", want, said)
				}
				assert.Equal(t, strings.Contains(c.want, "aborted"), x.Aborted)
				assert.GreaterOrEqual(t, x.Took, time.Duration(0))
			})
		}
	}
	require.NoError(t, s.stop())
	lines := 0
	for line := range strings.Lines(text.String()) {
		lines++
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &got))
		for _, key := range []string{"time", "level", "msg", "client", "method", "host", "uri", "proto", "status", "sent", "received", "seconds", "user_agent", "event", "ja4"} {
			assert.Contains(t, got, key)
		}
	}
	assert.NotZero(t, lines)
}

// TestAccessLogOfAClientThatLeaves: the client is gone before there is an answer.
func TestAccessLogOfAClientThatLeaves(t *testing.T) {
	here := make(chan struct{})
	s := serveAccess(t, &AccessLog{}, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		here <- struct{}{}
		<-r.Context().Done()
		switch r.URL.Path {
		case "/502":
			w.WriteHeader(http.StatusBadGateway)
		case "/panic":
			panic(http.ErrAbortHandler)
		case "/200":
			_, _ = io.WriteString(w, "an answer all the same")
		}
	}))
	for version := 1; version <= 3; version++ {
		for path, status := range map[string]int{"/502": 499, "/panic": 499, "/": 499, "/200": 200} {
			client, base := s.client(t, version)
			ctx, cancel := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, "GET", base+path, nil)
			require.NoError(t, err)
			done := make(chan error, 1)
			go func() {
				resp, err := client.Do(r)
				if err == nil {
					resp.Body.Close()
				}
				done <- err
			}()
			<-here
			cancel()
			require.Error(t, <-done)
			x := s.line(t)
			assert.Equal(t, status, x.Status, "%d %s", version, path)
			if status == 499 {
				assert.True(t, x.Aborted)
			}
		}
	}
	require.NoError(t, s.stop())
}

// TestAccessLogOfAnUpgrade has a WebSocket's handshake pass through a ReverseProxy. The
// line comes with its end.
func TestAccessLogOfAnUpgrade(t *testing.T) {
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			defer conn.Close()
			line, _ := rw.ReadString('\n')
			_, _ = io.WriteString(conn, line+line)
			_, _ = rw.ReadString('\n') // the end
		}
	}))
	defer behind.Close()
	target, err := url.Parse(behind.URL)
	require.NoError(t, err)
	s := serveAccess(t, &AccessLog{}, "", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	conn, err := tls.Dial("tcp", s.tcp, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	_, err = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	assert.Equal(t, 101, resp.StatusCode)
	_, err = io.WriteString(conn, "hello\n")
	require.NoError(t, err)
	for range 2 {
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "hello\n", line)
	}
	assert.Empty(t, s.lines, "the line comes with the end")
	require.NoError(t, conn.Close())
	x := s.line(t)
	assert.True(t, x.Upgraded)
	assert.False(t, x.Aborted)
	assert.Equal(t, []any{101, int64(12), int64(6)}, []any{x.Status, x.Sent, x.Received})
	require.NoError(t, s.stop())
}

// TestAccessLogOfAHijackerThatReturns: the handler returns, and another goroutine goes on
// with the connection.
func TestAccessLogOfAHijackerThatReturns(t *testing.T) {
	returned := make(chan net.Conn, 1)
	l := &AccessLog{}
	lines := make(chan Access, 1)
	l.Done = func(x *Access) { lines <- *x }
	srv := httptest.NewServer(l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		assert.NoError(t, err)
		returned <- conn
	})))
	defer srv.Close()
	client, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	conn := <-returned
	assert.IsType(t, &net.TCPConn{}, conn.(interface{ NetConn() net.Conn }).NetConn())
	_, err = io.WriteString(conn, "four")
	require.NoError(t, err)
	require.NoError(t, conn.(closeWriter).CloseWrite())
	text, err := io.ReadAll(client)
	require.NoError(t, err)
	assert.Equal(t, "four", string(text))
	assert.Empty(t, lines)
	require.NoError(t, conn.Close())
	assert.Error(t, conn.Close(), "and there is one line")
	x := <-lines
	assert.Equal(t, int64(4), x.Sent)
	assert.True(t, x.Upgraded)
}

// TestAccessViews: a handler sees the methods of the server's ResponseWriter, and no more.
func TestAccessViews(t *testing.T) {
	seen := make(chan [2]string, 1)
	methods := func(w http.ResponseWriter) (names string) {
		if _, ok := w.(http.Flusher); ok {
			names += " flush"
		}
		if _, ok := w.(http.Hijacker); ok {
			names += " hijack"
		}
		if _, ok := w.(io.ReaderFrom); ok {
			names += " read"
		}
		if _, ok := w.(http.Pusher); ok {
			names += " push"
		}
		if _, ok := w.(io.StringWriter); ok {
			names += " string"
		}
		return names
	}
	l := &AccessLog{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		below := w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
		seen <- [2]string{methods(below), methods(w)}
		c := http.NewResponseController(w)
		assert.NoError(t, c.SetReadDeadline(time.Time{}))
		assert.NoError(t, c.SetWriteDeadline(time.Time{}))
		assert.NoError(t, c.Flush())
		n, err := io.Copy(w, io.LimitReader(strings.NewReader("answer"), 5))
		assert.NoError(t, err)
		assert.Equal(t, int64(5), n)
	})
	s := serveAccess(t, l, "", handler)
	for version := 1; version <= 3; version++ {
		client, base := s.client(t, version)
		resp, err := client.Get(base)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, "answe", string(text))
		names := <-seen
		assert.Equal(t, strings.ReplaceAll(names[0], " string", "")+" string", names[1], "over HTTP/%d", version)
		assert.Equal(t, int64(5), s.line(t).Sent)
	}
	require.NoError(t, s.stop())
	type bare struct{ http.ResponseWriter }
	w := (&accessWriter{ResponseWriter: bare{httptest.NewRecorder()}}).view()
	assert.Equal(t, " string", methods(w))
	noteRoute(bare{httptest.NewRecorder()}, "nowhere") // does nothing
}

// TestAccessLogOfManyClients has clients ask at once. Each has its own line.
func TestAccessLogOfManyClients(t *testing.T) {
	var text servertest.Buffer
	s := serveAccess(t, &AccessLog{W: &text, Format: AccessCombined}, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(w, r.Body)
		noteRoute(w, fmt.Sprint(n))
	}))
	const clients, requests = 6, 20
	var wg sync.WaitGroup
	for c := range clients {
		client, base := s.client(t, 1+c%3)
		wg.Go(func() {
			for i := range requests {
				body := strings.Repeat("x", 100*c+i)
				resp, err := client.Post(fmt.Sprintf("%s/%d/%d", base, c, i), "text/plain", strings.NewReader(body))
				if assert.NoError(t, err) {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				x := <-s.lines
				assert.Equal(t, fmt.Sprint(x.Sent), x.Route)
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.stop())
	seen := make(map[string]bool)
	for line := range strings.Lines(text.String()) {
		f := parseCombined(t, line)
		var c, i int
		_, err := fmt.Sscanf(f["uri"], "/%d/%d", &c, &i)
		require.NoError(t, err)
		assert.Equal(t, strings.Replace(fmt.Sprint(100*c+i), "0", "-", b2i(100*c+i == 0)), f["sent"])
		seen[f["uri"]] = true
	}
	assert.Len(t, seen, clients*requests)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
