package proxy_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	testStall = 200 * time.Millisecond
	slowly    = 150 * time.Millisecond // between the bytes of a slow body
)

// TestStalledUploads are answered with 408, and the backend sees that they are not whole.
func TestStalledUploads(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		for _, version := range versions {
			t.Run(version+" to "+scheme, func(t *testing.T) {
				ended := make(chan error, 1)
				url, _ := serveBackend(t, scheme, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					ended <- err
				}))
				var failed failures
				p := to(t, url)
				p.StallTimeout, p.Failed = testStall, failed.note
				f := start(t, p)
				r, w := io.Pipe()
				go io.WriteString(w, "hello")
				req, err := http.NewRequest("POST", f.url(version), r)
				require.NoError(t, err)
				resp, err := f.client(version).Do(req)
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				w.CloseWithError(io.ErrClosedPipe)
				assert.Equal(t, 408, resp.StatusCode)
				assert.Equal(t, "408 Request Timeout: the request took too long\n", string(text))
				assert.Error(t, <-ended)
				assert.Equal(t, []string{"default client"}, failed.all())
			})
		}
	}
}

// TestSlowBodiesAreNotStalled: they take longer than the time for one that stalls.
func TestSlowBodiesAreNotStalled(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			url, _ := serveBackend(t, "http", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				for range 8 {
					_, _ = w.Write(body[:1])
					_ = http.NewResponseController(w).Flush()
					time.Sleep(slowly)
				}
			}))
			p := to(t, url)
			p.StallTimeout = 7 * slowly
			f := start(t, p)
			r, w := io.Pipe()
			go func() {
				for range 8 {
					_, _ = io.WriteString(w, "x")
					time.Sleep(slowly)
				}
				w.Close()
			}()
			req, err := http.NewRequest("POST", f.url(version), r)
			require.NoError(t, err)
			resp, err := f.client(version).Do(req)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, "xxxxxxxx", string(text))
		})
	}
}

// TestWaitingIsNotStalling: a backend may think for longer, and without limits for as long
// as it likes.
func TestWaitingIsNotStalling(t *testing.T) {
	url, _ := serveBackend(t, "http", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(3 * testStall)
		_, _ = io.Copy(w, r.Body)
	}))
	for name, limits := range map[string][2]time.Duration{"answer": {time.Minute, testStall}, "none": {-1, testStall}, "none at all": {-1, -1}} {
		t.Run(name, func(t *testing.T) {
			p := to(t, url)
			p.AnswerTimeout, p.StallTimeout = limits[0], limits[1]
			f := start(t, p)
			for _, version := range versions {
				resp, err := f.client(version).Post(f.url(version), "text/plain", strings.NewReader("hello"))
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, "hello", string(text))
			}
		})
	}
}

// TestStalledBackends: what reads nothing is answered with 504, and what stalls in its
// answer is aborted.
func TestStalledBackends(t *testing.T) {
	release := make(chan bool)
	reads := startRaw(t, func(conn net.Conn, r *bufio.Reader) {
		_, _ = http.ReadRequest(r)
		<-release
	})
	stalls := startRaw(t, func(conn net.Conn, r *bufio.Reader) {
		if answer(conn, r, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello") {
			<-release
		}
	})
	defer close(release)
	for _, version := range versions {
		t.Run("answer over "+version, func(t *testing.T) {
			var failed failures
			p := to(t, stalls.url)
			p.StallTimeout, p.Failed = testStall, failed.note
			f := start(t, p)
			resp, err := f.client(version).Get(f.url(version))
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			assert.Error(t, err)
			assert.Equal(t, "hello", string(text), "what there is comes at once")
			assert.Equal(t, []string{"default timeout"}, failed.all())
		})
		t.Run("upload over "+version, func(t *testing.T) {
			var failed failures
			p := to(t, reads.url)
			p.StallTimeout, p.Failed = testStall, failed.note
			f := start(t, p)
			req, err := http.NewRequest("POST", f.url(version), io.LimitReader(endless{}, 1<<30))
			require.NoError(t, err)
			resp, err := f.client(version).Do(req)
			if version != "h1" { // whose client may fail to write
				require.NoError(t, err)
			}
			if err == nil {
				assert.Equal(t, 504, resp.StatusCode)
				resp.Body.Close()
			}
			assert.Equal(t, []string{"default timeout"}, failed.all())
		})
	}
}

// endless is a reader without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestClientsThatReadNothing: the backend is told, whatever the client does not read: a
// stream, or all of its connection.
func TestClientsThatReadNothing(t *testing.T) {
	for _, version := range []string{"h1", "h2", "h2 connection", "h3"} {
		t.Run(version, func(t *testing.T) {
			ended := make(chan bool, 1)
			url, _ := serveBackend(t, "http", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				defer func() { ended <- true }()
				for chunk := make([]byte, 1<<16); ; {
					if _, err := w.Write(chunk); err != nil {
						return
					}
				}
			}))
			var failed failures
			p := to(t, url)
			p.StallTimeout, p.Failed = testStall, failed.note
			f := start(t, p)
			switch version {
			case "h1":
				conn := f.dial(t)
				_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				require.NoError(t, err)
			case "h2 connection":
				c := dialHTTP2(t, f)
				require.NoError(t, c.f.WriteWindowUpdate(0, 1<<30))
				c.headers(1, true, [2]string{":method", "GET"}, [2]string{":scheme", "https"}, [2]string{":authority", "x"}, [2]string{":path", "/"})
				require.NoError(t, c.f.WriteWindowUpdate(1, 1<<30))
			default:
				resp, err := f.client(version).Get(f.url(version))
				require.NoError(t, err)
				defer resp.Body.Close()
			}
			<-ended
			require.Eventually(t, func() bool { return len(failed.all()) == 1 }, 10*time.Second, time.Millisecond)
			assert.Equal(t, []string{"default client"}, failed.all())
			require.NoError(t, f.stop())
		})
	}
}

// TestSlowClientsDoNotHoldUpOthers: 300 clients send a byte of their body and no more, and
// one is honest.
func TestSlowClientsDoNotHoldUpOthers(t *testing.T) {
	url, _ := serveBackend(t, "http", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	p := to(t, url)
	p.StallTimeout = 2 * time.Second
	f := start(t, p)
	var slow []*tls.Conn
	for range 300 {
		conn := f.dial(t)
		_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
		require.NoError(t, err)
		slow = append(slow, conn)
	}
	for _, version := range versions {
		status, _ := get(t, f.client(version), f.url(version))
		assert.Equal(t, 200, status)
	}
	for _, conn := range slow {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, 408, resp.StatusCode)
		assert.True(t, resp.Close)
	}
}
