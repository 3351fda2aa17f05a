package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStreamsInBothDirections: each message arrives before the next one is sent, as with
// gRPC, which ends with trailers.
func TestStreamsInBothDirections(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		f := through(t, scheme, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "trailers", r.Header.Get("Te"))
			c := http.NewResponseController(w)
			_ = c.EnableFullDuplex()
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			_ = c.Flush()
			lines := bufio.NewScanner(r.Body)
			for lines.Scan() {
				fmt.Fprintln(w, "got", lines.Text())
				_ = c.Flush()
			}
			w.Header().Set("Grpc-Status", "0")
		}))
		for _, version := range versions {
			t.Run(version+" to "+scheme, func(t *testing.T) {
				r, w := io.Pipe()
				req, err := http.NewRequest("POST", f.url(version), r)
				require.NoError(t, err)
				req.Header.Set("Te", "trailers")
				resp, err := f.client(version).Do(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				lines := bufio.NewScanner(resp.Body)
				for i := range 5 {
					fmt.Fprintln(w, i)
					require.True(t, lines.Scan(), "%v", lines.Err())
					assert.Equal(t, fmt.Sprint("got ", i), lines.Text())
				}
				w.Close()
				assert.False(t, lines.Scan())
				require.NoError(t, lines.Err())
				assert.Equal(t, "0", resp.Trailer.Get("Grpc-Status"))
			})
		}
	}
}

// TestAnswerWithTrailersOnly is how gRPC answers with an error.
func TestAnswerWithTrailersOnly(t *testing.T) {
	f := through(t, "h2c", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "12")
	}))
	resp, err := f.h2.Post(f.url("h2"), "application/grpc", strings.NewReader("hello"))
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, "12", resp.Header.Get("Grpc-Status"))
	assert.Equal(t, "application/grpc", resp.Header.Get("Content-Type"))
}

// TestBackendThatResetsAStream: its client sees it.
func TestBackendThatResetsAStream(t *testing.T) {
	f := through(t, "h2c", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	for _, version := range versions {
		resp, err := f.client(version).Get(f.url(version))
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		assert.Error(t, err, version)
	}
}

// TestEventsComeAtOnce: with a length and without.
func TestEventsComeAtOnce(t *testing.T) {
	for name, header := range map[string]string{"events": "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n", "known length": "Content-Length: 16\r\n\r\n", "events of known length": "Content-Type: Text/Event-Stream; a=b\r\nContent-Length: 16\r\n\r\n", "until the end": "\r\n"} {
		goOn := make(chan bool)
		b := startRaw(t, func(conn net.Conn, r *bufio.Reader) {
			if !answer(conn, r, "HTTP/1.1 200 OK\r\n"+header) {
				return
			}
			write := func(text string) {
				if name == "events" {
					text = fmt.Sprintf("%x\r\n%s\r\n", len(text), text)
				}
				_, _ = io.WriteString(conn, text)
			}
			write("data: 1\n")
			<-goOn
			write("data: 2\n")
			if name == "events" {
				_, _ = io.WriteString(conn, "0\r\n\r\n")
			}
		})
		f := start(t, to(t, b.url))
		for _, version := range versions {
			t.Run(name+" over "+version, func(t *testing.T) {
				resp, err := f.client(version).Get(f.url(version))
				require.NoError(t, err)
				defer resp.Body.Close()
				first := make([]byte, 8)
				_, err = io.ReadFull(resp.Body, first)
				require.NoError(t, err)
				assert.Equal(t, "data: 1\n", string(first))
				goOn <- true
				rest, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, "data: 2\n", string(rest))
			})
		}
	}
}

// TestInterimAnswers: early hints reach the client, and the fields of handlers around the
// proxy stay.
func TestInterimAnswers(t *testing.T) {
	b := startRaw(t, always("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"+okAnswer))
	p := to(t, b.url)
	f := startHandler(t, p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Outer", "yes")
		p.ServeHTTP(w, r)
	}))
	for _, version := range versions {
		var got []string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			got = append(got, fmt.Sprint(code, " ", header["Link"]))
			return nil
		}}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", f.url(version), nil)
		require.NoError(t, err)
		resp, err := f.client(version).Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, []string{"103 [</a>]", "103 [</b>]", "102 []"}, got, version)
		assert.Equal(t, 200, resp.StatusCode)
		assert.Empty(t, resp.Header["Link"])
		assert.Equal(t, []string{"yes"}, resp.Header["X-Outer"])
		if version != "h3" {
			assert.Len(t, resp.Header["Alt-Svc"], 1)
		}
	}
	conn := f.dial(t)
	_, err := io.WriteString(conn, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(text), "HTTP/1.0 200 OK\r\n"), string(text))
}

// TestExpectContinue: the backend says whether it wants the body.
func TestExpectContinue(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		f := through(t, scheme, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/no" {
				w.WriteHeader(http.StatusExpectationFailed)
				return
			}
			_, _ = io.Copy(w, r.Body)
		}))
		for _, version := range []string{"h2", "h3"} { // whose clients send the body all the same
			for path, want := range map[string]string{"/yes": "200 hello", "/no": "417 "} {
				req, err := http.NewRequest("POST", f.url(version)+path, strings.NewReader("hello"))
				require.NoError(t, err)
				req.Header.Set("Expect", "100-continue")
				resp, err := f.client(version).Do(req)
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, want, fmt.Sprint(resp.StatusCode, " ", string(text)), version)
			}
		}
		t.Run("h1 to "+scheme, func(t *testing.T) {
			for path, want := range map[string]string{"/yes": "200 hello true", "/no": "417  false"} {
				body := &noted{Reader: strings.NewReader("hello")}
				req, err := http.NewRequest("POST", f.url("h1")+path, body)
				require.NoError(t, err)
				req.Header.Set("Expect", "100-continue")
				resp, err := f.h1.Do(req)
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, want, fmt.Sprint(resp.StatusCode, " ", string(text), " ", body.read))
			}
		})
	}
	t.Run("a backend that does not know it", func(t *testing.T) {
		f := start(t, to(t, startRaw(t, always(okAnswer)).url))
		conn := f.dial(t)
		_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		require.NoError(t, err)
		r := bufio.NewReader(conn)
		resp, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		assert.Equal(t, 100, resp.StatusCode, "after a second")
		_, err = io.WriteString(conn, "hello")
		require.NoError(t, err)
		resp, err = http.ReadResponse(r, nil)
		require.NoError(t, err)
		assert.Equal(t, 200, resp.StatusCode)
	})
}

// noted notes whether it was read.
type noted struct {
	io.Reader
	read bool
}

func (n *noted) Read(p []byte) (int, error) {
	n.read = true
	return n.Reader.Read(p)
}

// TestEarlyAnswers: a backend answers before it has read the body. What a client of HTTP/1.1
// then sends of it is never read as a request.
func TestEarlyAnswers(t *testing.T) {
	b := startRaw(t, func(conn net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
			_, _ = io.Copy(io.Discard, r)
		}
	})
	f := start(t, to(t, b.url))
	for name, rest := range map[string]string{
		"length":          "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
		"chunked":         "26\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n0\r\n\r\n",
		"malformed chunk": "zz\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
		"not whole":       "",
	} {
		t.Run(name, func(t *testing.T) {
			conn := f.dial(t)
			framing := "Content-Length: 38"
			if strings.Contains(name, "chunk") {
				framing = "Transfer-Encoding: chunked"
			}
			_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+framing+"\r\n\r\n")
			require.NoError(t, err)
			r := bufio.NewReader(conn)
			resp, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, "401 no true", fmt.Sprint(resp.StatusCode, " ", string(text), " ", resp.Close))
			_, err = io.WriteString(conn, rest+"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
			if err == nil {
				after, _ := io.ReadAll(r)
				assert.Empty(t, string(after))
			}
		})
	}
	raw, _ := b.received()
	assert.NotContains(t, raw, "/smuggled HTTP/1.1\r\nHost: x\r\nForwarded")
	for _, version := range []string{"h2", "h3"} {
		r, w := io.Pipe()
		resp, err := f.client(version).Post(f.url(version), "text/plain", r)
		require.NoError(t, err)
		assert.Equal(t, 401, resp.StatusCode)
		resp.Body.Close()
		w.Close()
	}
}

// TestAnswersWithoutBody keep what their header says.
func TestAnswersWithoutBody(t *testing.T) {
	f := start(t, to(t, startRaw(t, func(conn net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			text := map[string]string{
				"/head":  "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nEtag: \"a\"\r\n\r\n",
				"/204":   "HTTP/1.1 204 No Content\r\nEtag: \"a\"\r\n\r\n",
				"/304":   "HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\n\r\n",
				"/empty": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nEtag: \"a\"\r\n\r\n",
				"/range": "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-3/5\r\nContent-Length: 3\r\nEtag: \"a\"\r\nAlt-Svc: h3=\":1\"\r\nServer: x\r\n\r\nell",
				"/more":  "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Ja4-Fingerprint: mine\r\nEtag: \"a\"\r\nContent-Length: 0\r\nConnection: X-Hop\r\nX-Hop: x\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\n\r\n",
			}[req.URL.Path]
			_, _ = io.WriteString(conn, text)
		}
	}).url))
	for _, version := range versions {
		for _, c := range []struct {
			method, path string
			status       int
			length       int64
		}{{"HEAD", "/head", 200, 1000}, {"GET", "/204", 204, 0}, {"GET", "/304", 304, 0}, {"GET", "/empty", 200, 0}, {"GET", "/range", 206, 3}, {"GET", "/more", 302, 0}} {
			req, err := http.NewRequest(c.method, f.url(version)+c.path, nil)
			require.NoError(t, err)
			resp, err := f.client(version).Do(req)
			require.NoError(t, err, version+c.path)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, c.status, resp.StatusCode)
			assert.Equal(t, `"a"`, resp.Header.Get("Etag"))
			if c.status != 204 && c.status != 304 {
				assert.Equal(t, c.length, resp.ContentLength, version+c.path)
			}
			switch c.path {
			case "/range":
				assert.Equal(t, "ell", string(text))
				assert.Equal(t, "bytes 1-3/5", resp.Header.Get("Content-Range"))
				assert.Equal(t, "x", resp.Header.Get("Server"))
				assert.NotContains(t, fmt.Sprint(resp.Header["Alt-Svc"]), `":1"`)
			case "/more":
				assert.Equal(t, []string{"a=1", "b=2"}, resp.Header["Set-Cookie"])
				assert.Equal(t, "http://127.0.0.1/x", resp.Header.Get("Location"))
				assert.Equal(t, "mine", resp.Header.Get("X-Ja4-Fingerprint"))
				for _, name := range []string{"X-Hop", "Connection", "Keep-Alive", "Proxy-Authenticate"} {
					assert.Empty(t, resp.Header[name])
				}
			}
		}
	}
}
