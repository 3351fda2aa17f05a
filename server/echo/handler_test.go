package echo_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
)

// start serves an endpoint without a page, until the test ends.
func start(t testing.TB) (addr string) {
	t.Helper()
	l := &server.Listener{Listener: servertest.Listen(t)}
	serve(t, new(echo.Handler), new(server.Server), l)
	return l.Addr().String()
}

// serve has srv serve h.
func serve(t testing.TB, h *echo.Handler, srv *server.Server, l *server.Listener) (stop func() error) {
	t.Helper()
	srv.Handler, srv.Lines = h, h.ServeLines
	return servertest.Serve(t, srv, l, 0)
}

// answer is what the tests read of an Event.
type answer struct {
	SrcPort int    `json:"src_port"`
	JA4RO   string `json:"ja4_ro"`
	Raw     []byte `json:"raw"`
}

func decode(t testing.TB, text []byte) (a answer) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &a), "%s", text)
	return a
}

// fetch sends a request with the User-Agent of a browser.
func fetch(t *testing.T, client *http.Client, method, url string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36")
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, body
}

func TestHandlerAsAWebPersonExpects(t *testing.T) {
	addr := start(t)
	for _, http2 := range []bool{false, true} {
		client := servertest.HTTPClient(http2)
		defer client.CloseIdleConnections()
		for _, c := range []struct {
			method, path string
			status       int
			typ, allow   string
		}{
			{"GET", "/", 200, "application/json", ""},
			{"GET", "/json", 200, "application/json", ""},
			{"HEAD", "/json", 200, "application/json", ""},
			{"POST", "/json", 405, "text/plain; charset=utf-8", "GET, HEAD, OPTIONS"},
			{"OPTIONS", "/json", 204, "", "GET, HEAD, OPTIONS"},
			{"GET", "/favicon.ico", 204, "", ""},
			{"GET", "/hello.bin", 200, "application/octet-stream", ""},
			{"GET", "/api/all", 200, "application/json", ""},
			{"POST", "/api/all", 200, "application/json", ""},
			{"GET", "/api/clean", 200, "application/json", ""},
			{"GET", "/api/browserleaks", 200, "application/json", ""},
			{"GET", "/nothing", 404, "text/plain; charset=utf-8", ""},
		} {
			resp, body := fetch(t, client, c.method, "https://"+addr+c.path)
			what := c.method + " " + c.path
			assert.Equal(t, c.status, resp.StatusCode, what)
			assert.Equal(t, c.typ, resp.Header.Get("Content-Type"), what)
			assert.Equal(t, c.allow, resp.Header.Get("Allow"), what)
			if c.path != "/nothing" && c.path != "/favicon.ico" {
				assert.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"), what)
			}
			assert.Equal(t, c.method != "HEAD" && c.status != 204, len(body) > 0, what)
			if c.typ == "application/json" && c.method != "HEAD" {
				assert.True(t, json.Valid(body), what)
			}
		}
	}
}

func TestShapesOfOthers(t *testing.T) {
	addr := start(t)
	client := servertest.HTTPClient(true)
	defer client.CloseIdleConnections()
	_, raw := fetch(t, client, "GET", "https://"+addr+"/hello.bin")
	h, err := parser.Parse(raw)
	require.NoError(t, err)

	var all struct {
		HTTPVersion string `json:"http_version"`
		Method      string
		UserAgent   string `json:"user_agent"`
		TLS         struct {
			Ciphers    []string
			Extensions []map[string]any
			JA3        string
			JA3Hash    string `json:"ja3_hash"`
			JA4        string
			Negotiated string `json:"tls_version_negotiated"`
			Random     string `json:"client_random"`
		}
		HTTP2 struct {
			Fingerprint string           `json:"akamai_fingerprint"`
			Hash        string           `json:"akamai_fingerprint_hash"`
			Frames      []map[string]any `json:"sent_frames"`
		}
	}
	_, body := fetch(t, client, "GET", "https://"+addr+"/api/all")
	require.NoError(t, json.Unmarshal(body, &all))
	assert.Equal(t, "h2", all.HTTPVersion)
	assert.Equal(t, "GET", all.Method)
	assert.Equal(t, fingerprint.JA3Full(h), all.TLS.JA3)
	assert.Equal(t, fingerprint.JA3(h), all.TLS.JA3Hash)
	assert.Equal(t, fingerprint.JA4(h), all.TLS.JA4)
	assert.Equal(t, "772", all.TLS.Negotiated)
	assert.Len(t, all.TLS.Ciphers, len(h.CipherSuites))
	assert.Len(t, all.TLS.Extensions, len(h.Extensions))
	assert.Regexp(t, `^2:0;4:4194304.*\|1073741824\|0\|a,m,p,s$`, all.HTTP2.Fingerprint)
	require.Len(t, all.HTTP2.Frames, 3)
	assert.Equal(t, "WINDOW_UPDATE", all.HTTP2.Frames[1]["frame_type"])
	assert.Contains(t, all.HTTP2.Frames[2]["headers"], ":path: /api/all")

	var clean, leaks map[string]string
	_, body = fetch(t, client, "GET", "https://"+addr+"/api/clean")
	require.NoError(t, json.Unmarshal(body, &clean))
	assert.Equal(t, all.TLS.JA3, clean["ja3"])
	assert.Equal(t, all.HTTP2.Hash, clean["akamai_hash"])
	_, body = fetch(t, client, "GET", "https://"+addr+"/api/browserleaks")
	require.NoError(t, json.Unmarshal(body, &leaks))
	assert.Equal(t, fingerprint.JA3NFull(h), leaks["ja3n_text"])
	assert.Equal(t, fingerprint.JA4O(h), leaks["ja4_o"])
	assert.Equal(t, all.UserAgent, leaks["user_agent"])

	var claim struct{ Claim map[string]any }
	_, body = fetch(t, client, "GET", "https://"+addr+"/json")
	require.NoError(t, json.Unmarshal(body, &claim))
	assert.NotEmpty(t, claim.Claim, "it says it is Chrome")
}

func TestHandlerWithoutListener(t *testing.T) {
	for _, path := range []string{"/", "/hello.bin", "/api/all"} {
		w := httptest.NewRecorder()
		new(echo.Handler).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		assert.Equal(t, 500, w.Code)
		assert.Equal(t, "no hello is known of this connection\n", w.Body.String())
	}
}

func TestDetail(t *testing.T) {
	addr := start(t)
	client := servertest.HTTPClient(true)
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr + "/json?detail=1")
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	a := decode(t, text)
	h, err := parser.Parse(a.Raw)
	require.NoError(t, err)
	assert.Equal(t, fingerprint.JA4RO(h), a.JA4RO)
}
