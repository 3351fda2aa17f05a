package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// failures notes what Failed is called with.
type failures struct {
	mu  sync.Mutex
	got []string
}

func (f *failures) note(route string, kind proxy.FailKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, route+" "+kind.String())
}

func (f *failures) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.got...)
}

// unserved returns an address where connections are made, and never accepted.
func unserved(t *testing.T) net.Listener { return servertest.Listen(t) }

// TestBackendsThatFail: each has a status of its own, over each version, and a text of one
// line that says nothing of the backend.
func TestBackendsThatFail(t *testing.T) {
	silent := func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }
	once := func(text string) func(net.Conn, *bufio.Reader) {
		return func(conn net.Conn, r *bufio.Reader) {
			answer(conn, r, text)
		}
	}
	raw := func(handle func(net.Conn, *bufio.Reader)) func(*testing.T) string {
		return func(t *testing.T) string { return startRaw(t, handle).url }
	}
	closed := func(t *testing.T) string {
		ln := servertest.Listen(t)
		ln.Close()
		return "http://" + ln.Addr().String()
	}
	for _, c := range []struct {
		name   string
		url    func(t *testing.T) string
		status int
		kind   string
		text   string
	}{
		{"down", closed, 502, "connect", "502 Bad Gateway: the backend cannot be reached\n"},
		{"no such socket", func(t *testing.T) string { return "unix:" + filepath.Join(t.TempDir(), "none") }, 502, "connect", ""},
		{"no such name", func(t *testing.T) string { return "http://no-such-name.invalid" }, 502, "connect", ""},
		{"no TLS", func(t *testing.T) string {
			return "https" + strings.TrimPrefix(startRaw(t, func(conn net.Conn, r *bufio.Reader) {
				_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
				silent(conn, r)
			}).url, "http")
		}, 502, "connect", ""},
		{"untrusted certificate", func(t *testing.T) string {
			url, _ := serveBackend(t, "https", http.NotFoundHandler())
			return url
		}, 502, "connect", ""},
		{"TLS that hangs", func(t *testing.T) string { return "https" + strings.TrimPrefix(startRaw(t, silent).url, "http") }, 504, "timeout", ""},
		{"silent", raw(silent), 504, "timeout", "504 Gateway Timeout: the backend took too long\n"},
		{"never accepts", func(t *testing.T) string { return "http://" + unserved(t).Addr().String() }, 504, "timeout", ""},
		{"silent over HTTP/2", func(t *testing.T) string { return "h2c" + strings.TrimPrefix(startRaw(t, silent).url, "http") }, 504, "timeout", ""},
		{"half a header", raw(func(conn net.Conn, r *bufio.Reader) {
			if answer(conn, r, "HTTP/1.1 200 OK\r\nA: b") {
				silent(conn, r)
			}
		}), 504, "timeout", ""},
		{"closes", raw(func(conn net.Conn, r *bufio.Reader) { answer(conn, r, "") }), 502, "reset", "502 Bad Gateway: the backend ended the connection\n"},
		{"closes at once", raw(func(net.Conn, *bufio.Reader) {}), 502, "reset", ""},
		{"resets", raw(func(conn net.Conn, r *bufio.Reader) {
			answer(conn, r, "")
			_ = conn.(*net.TCPConn).SetLinger(0)
		}), 502, "reset", ""},
		{"closes in the header", raw(once("HTTP/1.1 200 OK\r\nContent-Le")), 502, "answer", ""},
		{"garbage", raw(once("SSH-2.0-OpenSSH\r\n")), 502, "answer", "502 Bad Gateway: the backend's answer is not valid\n"},
		{"binary", raw(once(strings.Repeat("\x00\xff", 9000))), 502, "answer", ""},
		{"HTTP/0.9", raw(once("<html>hello</html>\n")), 502, "answer", ""},
		{"no colon", raw(once("HTTP/1.1 200 OK\r\nA\r\n\r\n")), 502, "answer", ""},
		{"status of 4 digits", raw(once("HTTP/1.1 2000 OK\r\n\r\n")), 502, "answer", ""},
		{"two lengths", raw(once("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")), 502, "answer", ""},
		{"odd encoding", raw(once("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nab")), 502, "answer", ""},
		{"1 MB of header", raw(once("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 1<<20) + "\r\n\r\n")), 502, "answer", ""},
		{"1 MB of fields", raw(once("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 200_000) + "\r\n")), 502, "answer", ""},
		{"switches unasked", raw(once("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")), 502, "answer", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var failed failures
			p := to(t, c.url(t))
			p.ConnectTimeout, p.AnswerTimeout, p.Failed = 300*time.Millisecond, 300*time.Millisecond, failed.note
			if c.name == "never accepts" {
				p.ConnectTimeout = 10 * time.Second // the kernel makes the connection
			}
			f := start(t, p)
			for i, version := range versions {
				status, text := get(t, f.client(version), f.url(version))
				assert.Equal(t, c.status, status, version)
				assert.Equal(t, 1, strings.Count(text, "\n"), text)
				assert.NotContains(t, text, "127.0.0.1")
				if c.text != "" {
					assert.Equal(t, c.text, text)
				}
				require.Len(t, failed.all(), i+1)
				assert.Equal(t, "default "+c.kind, failed.all()[i])
			}
		})
	}
}

// TestInterimAnswersAreBounded: a backend sends them without end.
func TestInterimAnswersAreBounded(t *testing.T) {
	b := startRaw(t, func(conn net.Conn, r *bufio.Reader) {
		if !answer(conn, r, "") {
			return
		}
		for {
			if _, err := io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nAlt-Svc: x\r\nConnection: close\r\n\r\n"); err != nil {
				return
			}
		}
	})
	f := start(t, to(t, b.url))
	conn := f.dial(t)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, 100, strings.Count(string(text), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
	assert.Equal(t, 1, strings.Count(string(text), "HTTP/1.1 502 Bad Gateway\r\n"))
	assert.Equal(t, 101, strings.Count(string(text), "HTTP/1.1 "))
}

// TestFieldsOfAnswersThatAreNotValid reach no client.
func TestFieldsOfAnswersThatAreNotValid(t *testing.T) {
	f := start(t, to(t, startRaw(t, always("HTTP/1.1 200 OK\r\nA b: c\r\nGood: yes\r\nContent-Length: 2\r\n\r\nok")).url))
	for _, version := range versions {
		resp, err := f.client(version).Get(f.url(version))
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, "yes", resp.Header.Get("Good"))
		for name := range resp.Header {
			assert.NotContains(t, name, " ")
		}
	}
}

// TestBackendThatDoesNotAccept: the queue of its socket is full.
func TestBackendThatDoesNotAccept(t *testing.T) {
	p := to(t, "http://192.0.2.1") // TEST-NET-1 (RFC 5737)
	var failed failures
	p.ConnectTimeout, p.Failed = 200*time.Millisecond, failed.note
	f := start(t, p)
	status, _ := get(t, f.h2, f.url("h2"))
	if failed.all()[0] == "default connect" { // there is no route to it here
		assert.Equal(t, 502, status)
		return
	}
	assert.Equal(t, 504, status)
	assert.Equal(t, []string{"default timeout"}, failed.all())
}

// TestAnswersThatAreNotWhole: what a backend did not finish never looks whole.
func TestAnswersThatAreNotWhole(t *testing.T) {
	for name, text := range map[string]string{
		"less than its length":         "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + strings.Repeat("x", 5000),
		"little less than its length":  "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
		"nothing of its length":        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
		"no last chunk":                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"half a chunk":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"malformed chunk":              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
		"chunk that is longer":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n0\r\n\r\n",
		"no end after the last chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"malformed trailer":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5\r\nhello\r\n0\r\nA\x00: b\r\n\r\n",
		"much, and not the last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("400\r\n"+strings.Repeat("x", 1024)+"\r\n", 500),
	} {
		t.Run(name, func(t *testing.T) {
			var failed failures
			b := startRaw(t, func(conn net.Conn, r *bufio.Reader) { answer(conn, r, text) })
			p := to(t, b.url)
			p.Failed = failed.note
			f := start(t, p)
			for i, version := range versions {
				resp, err := f.client(version).Get(f.url(version))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				assert.Error(t, err, version)
				require.Eventually(t, func() bool { return len(failed.all()) == i+1 }, 5*time.Second, time.Millisecond)
				assert.Contains(t, []string{"default reset", "default answer"}, failed.all()[i])
			}
		})
	}
}

// TestAnswersThatAreTooLong: what comes after an answer is in nobody else's.
func TestAnswersThatAreTooLong(t *testing.T) {
	for name, text := range map[string]string{
		"more than its length":  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
		"body after 204":        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
		"body after 304":        "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nEVIL",
		"after the last chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
		"chunked with a length": "HTTP/1.1 200 OK\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := startRaw(t, always(text))
			f := start(t, to(t, b.url))
			for range 3 {
				for _, version := range versions {
					resp, err := f.client(version).Get(f.url(version))
					require.NoError(t, err)
					got, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					resp.Body.Close()
					assert.NotContains(t, string(got), "EVIL")
					if resp.StatusCode == 200 {
						assert.Equal(t, "ok", string(got))
					}
				}
			}
		})
	}
}

// TestConnectionsThatABackendCloses: it answers one request on each, and the proxy finds
// that out only with the next.
func TestConnectionsThatABackendCloses(t *testing.T) {
	b := startRaw(t, func(conn net.Conn, r *bufio.Reader) { answer(conn, r, okAnswer) })
	f := start(t, to(t, b.url))
	for range 20 {
		status, text := get(t, f.h2, f.url("h2"))
		assert.Equal(t, 200, status)
		assert.Equal(t, "ok", text)
	}
}

// TestClientsThatLeave: the request to the backend ends with the client, whether the client
// sends, waits or reads.
func TestClientsThatLeave(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		for _, version := range versions {
			for _, when := range []string{"sending", "waiting", "reading"} {
				t.Run(version+" to "+scheme+" "+when, func(t *testing.T) {
					began, ended := make(chan bool, 1), make(chan bool, 1)
					var failed failures
					url, _ := serveBackend(t, scheme, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						defer func() { ended <- true }()
						began <- true
						switch when {
						case "sending":
							_, err := io.Copy(io.Discard, r.Body)
							assert.Error(t, err)
						case "waiting":
							<-r.Context().Done()
						case "reading":
							for chunk := make([]byte, 1<<16); ; {
								if _, err := w.Write(chunk); err != nil {
									return
								}
							}
						}
					}))
					p := to(t, url)
					p.Failed = failed.note
					f := start(t, p)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					var body io.Reader
					r, w := io.Pipe()
					if when == "sending" {
						body = r
						go fmt.Fprint(w, "hello")
					}
					req, err := http.NewRequestWithContext(ctx, "POST", f.url(version), body)
					require.NoError(t, err)
					got := make(chan error, 1)
					go func() {
						resp, err := f.client(version).Do(req)
						if err == nil {
							_, err = io.CopyN(io.Discard, resp.Body, 1000)
							cancel()
							resp.Body.Close()
						}
						got <- err
					}()
					<-began
					if when != "reading" {
						cancel()
						w.CloseWithError(io.ErrClosedPipe)
					}
					<-ended
					<-got
					require.Eventually(t, func() bool { return len(failed.all()) == 1 }, 5*time.Second, time.Millisecond)
					assert.Equal(t, []string{"default client"}, failed.all())
				})
			}
		}
	}
}
