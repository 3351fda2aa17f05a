package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSmugglingOverHTTP1 sends bytes, and looks at the bytes that a backend gets: as many
// whole requests as are wanted, with these bodies, or none. What follows a refused request
// is refused with it.
func TestSmugglingOverHTTP1(t *testing.T) {
	const post, next = "POST /a HTTP/1.1\r\nHost: x\r\n", "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	chunk := "Transfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name, text string
		status     int      // of the first answer
		bodies     []string // of the requests that reach the backend
	}{
		{"length", post + "Content-Length: 5\r\n\r\nhello", 200, []string{"hello"}},
		{"chunked", post + chunk + "5\r\nhello\r\n0\r\n\r\n", 200, []string{"hello"}},
		{"two requests", post + "Content-Length: 5\r\n\r\nhello" + next, 200, []string{"hello", ""}},
		{"chunk extension", post + chunk + "5;a=b;\"c\"\r\nhello\r\n0;x\r\n\r\n", 200, []string{"hello"}},
		{"chunk size with zeros", post + chunk + "0005\r\nhello\r\n0\r\n\r\n", 200, []string{"hello"}},
		{"same length twice", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, []string{"hello"}},
		{"length over 0, GET", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200, []string{"hello"}},

		{"length and chunked", post + "Content-Length: 5\r\n" + chunk + "0\r\n\r\n" + next, 200, []string{"", ""}},
		{"two lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400, nil},
		{"list of lengths", post + "Content-Length: 5, 5\r\n\r\nhello", 400, nil},
		{"length with sign", post + "Content-Length: +5\r\n\r\nhello", 400, nil},
		{"negative length", post + "Content-Length: -1\r\n\r\nhello", 400, nil},
		{"length in hex", post + "Content-Length: 0x5\r\n\r\nhello", 400, nil},
		{"length with space", post + "Content-Length: 5 5\r\n\r\nhello", 400, nil},
		{"length over int64", post + "Content-Length: 99999999999999999999\r\n\r\nhello", 400, nil},
		{"space before colon", post + "Content-Length : 5\r\n\r\nhello", 400, nil},
		{"encoding with space before colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, nil},
		{"xchunked", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, nil},
		{"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501, nil},
		{"two encodings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 501, nil},
		{"identity", post + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", 501, nil},
		{"gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, nil},
		{"vertical tab before chunked", post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, nil},
		{"folded encoding", post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 200, []string{""}},
		{"chunked over HTTP/1.0", "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + next, 200, []string{""}},
		{"NUL in a value", post + "A: b\x00c\r\n\r\n", 400, nil},
		{"NUL in a name", post + "A\x00: b\r\n\r\n", 400, nil},
		{"CR in a value", post + "A: b\rContent-Length: 5\r\n\r\n", 400, nil},
		{"name with a space", post + "A b: c\r\n\r\n", 400, nil},
		{"no name", post + ": c\r\n\r\n", 400, nil},
		{"line without a colon", post + "A\r\n\r\n", 400, nil},
		{"first line folded", "GET /a HTTP/1.1\r\n Host: y\r\nHost: x\r\n\r\n", 400, nil},
		{"two hosts", "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, nil},
		{"no host", "GET /a HTTP/1.1\r\n\r\n", 400, nil},
		{"odd method", "GE(T /a HTTP/1.1\r\nHost: x\r\n\r\n", 400, nil},
		{"three spaces", "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n", 400, nil},
		{"space in the path", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, nil},
		{"tab in the path", "GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", 400, nil},
		{"HTTP/1.2", "GET /a HTTP/1.2\r\nHost: x\r\n\r\n", 200, []string{""}},
		{"HTTP/2.0 on it", "GET /a HTTP/2.0\r\nHost: x\r\n\r\n", 505, nil},

		// The backend gets the beginning of a request that is not ended.
		{"chunk size over 64 bits", post + chunk + "fffffffffffffffff\r\nhello\r\n0\r\n\r\n" + next, 400, nil},
		{"chunk size with sign", post + chunk + "+5\r\nhello\r\n0\r\n\r\n" + next, 400, nil},
		{"chunk size with 0x", post + chunk + "0x5\r\nhello\r\n0\r\n\r\n" + next, 400, nil},
		{"chunk without its end", post + chunk + "5\r\nhello!\r\n0\r\n\r\n" + next, 400, nil},
		{"bare CR after the size", post + chunk + "5\rhello\r\n0\r\n\r\n" + next, 400, nil},
		{"bare LF after the size", post + chunk + "5\nhello\r\n0\r\n\r\n" + next, 400, nil},
		{"bare LF in an extension", post + chunk + "5;\n\r\nhello\r\n0\r\n\r\n" + next, 400, nil},
		{"malformed trailer", post + "Trailer: A\r\n" + chunk + "5\r\nhello\r\n0\r\nA\x00: b\r\n\r\n" + next, 400, nil},
		{"malformed second chunk", post + chunk + "5\r\nhello\r\nzz\r\n" + next, 400, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := startRaw(t, always(okAnswer))
			f := start(t, to(t, b.url))
			conn := f.dial(t)
			_, err := io.WriteString(conn, c.text)
			require.NoError(t, err)
			r := bufio.NewReader(conn)
			var statuses []int
			for len(statuses) < max(1, len(c.bodies)) {
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				statuses = append(statuses, resp.StatusCode)
			}
			require.NotEmpty(t, statuses)
			assert.Equal(t, c.status, statuses[0])
			if c.bodies == nil {
				rest, err := io.ReadAll(r)
				assert.NoError(t, err, "the connection is closed")
				assert.Empty(t, string(rest), "there is no other answer")
			}
			raw, _ := b.received()
			assert.NotContains(t, strings.ToLower(raw), "xchunked")
			if c.bodies == nil {
				req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
				if err != nil {
					assert.Empty(t, raw)
					return
				}
				_, err = io.Copy(io.Discard, req.Body)
				assert.Error(t, err, "the backend sees that it is not whole: %q", raw)
				return
			}
			for i, req := range requestsOf(t, raw, len(c.bodies)) {
				var body bytes.Buffer
				_, err := body.ReadFrom(req.Body)
				require.NoError(t, err)
				assert.Equal(t, c.bodies[i], body.String())
				assert.LessOrEqual(t, len(req.Header["Content-Length"])+len(req.TransferEncoding), 1)
			}
			if len(c.bodies) == 1 {
				assert.NotContains(t, raw, "smuggled")
			}
		})
	}
}

// TestSmugglingOverHTTP2 sends fields that would end the header, or frame the body, of a
// request over HTTP/1.1.
func TestSmugglingOverHTTP2(t *testing.T) {
	usual := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", "/"}}
	with := func(name, value string) [][2]string {
		var fields [][2]string
		found := false
		for _, field := range usual {
			if field[0] == name {
				field[1], found = value, true
			}
			fields = append(fields, field)
		}
		if !found {
			fields = append(fields, [2]string{name, value})
		}
		return fields
	}
	const inject = "x\r\nTransfer-Encoding: chunked\r\n\r\nGET /smuggled HTTP/1.1"
	for _, c := range []struct {
		name, value string
		status      string
		line        string // of the request that reaches the backend; empty for none
	}{
		{"a", "b", "200", "GET / HTTP/1.1"},
		{":path", "/a?b=c d", "200", "GET /a?b=c%20d HTTP/1.1"},
		{":path", "/a b", "200", "GET /a%20b HTTP/1.1"},
		{":path", "/?x HTTP/1.1", "200", "GET /?x%20HTTP/1.1 HTTP/1.1"},
		{":path", "/a#b", "200", "GET /a%23b HTTP/1.1"},
		{":path", "/a%0d%0ab", "200", "GET /a%0d%0ab HTTP/1.1"},
		{":path", "//evil.example/a", "200", "GET //evil.example/a HTTP/1.1"},
		{":path", "/é|\"", "200", "GET /%C3%A9%7C%22 HTTP/1.1"},
		{":path", "*", "400", ""},
		{":path", "a", "PROTOCOL_ERROR", ""},
		{":path", "", "PROTOCOL_ERROR", ""},
		{":path", "http://evil.example/a", "*", ""},
		{":path", "/" + inject, "PROTOCOL_ERROR", ""},
		{":path", "/?" + inject, "PROTOCOL_ERROR", ""},
		{":method", "GET / HTTP/1.1\r\nA: b\r\n\r\nGET", "PROTOCOL_ERROR", ""},
		{":method", "GET /", "*", ""},
		{":scheme", "https://x/?", "*", ""},
		{":authority", inject, "*", ""},
		{":authority", "a b", "*", ""},
		{":authority", "a,b", "*", ""},
		{":authority", "user@x", "*", ""},
		{":authority", "x/path", "*", ""},
		{":authority", "", "*", ""},
		{"host", "y", "", "GET / HTTP/1.1"}, // with the other one, or refused
		{"a", inject, "PROTOCOL_ERROR", ""},
		{"a", "b\nc", "PROTOCOL_ERROR", ""},
		{"a", "b\x00c", "PROTOCOL_ERROR", ""},
		{"a: b\r\nc", "d", "PROTOCOL_ERROR", ""},
		{"a b", "c", "PROTOCOL_ERROR", ""},
		{"A", "b", "PROTOCOL_ERROR", ""},
		{"a:", "b", "PROTOCOL_ERROR", ""},
		{"connection", "close", "*", ""},
		{"transfer-encoding", "chunked", "*", ""},
		{"upgrade", "h2c", "*", ""},
		{"proxy-connection", "close", "*", ""},
		{"keep-alive", "x", "*", ""},
		{"te", "gzip", "*", ""},
		{"content-length", "5", "", "GET / HTTP/1.1"}, // without it, since the stream has ended, or refused
		{"content-length", "x", "", "GET / HTTP/1.1"},
		{":unknown", "x", "PROTOCOL_ERROR", ""},
	} {
		t.Run(c.name+" "+c.value, func(t *testing.T) {
			b := startRaw(t, always(okAnswer))
			f := start(t, to(t, b.url))
			client := dialHTTP2(t, f)
			require.NoError(t, client.conn.SetDeadline(time.Now().Add(10*time.Second)))
			client.headers(1, true, with(c.name, c.value)...)
			status, _ := client.answer(1)
			switch c.status {
			case "": // versions of net/http differ
				if status != "200" {
					c.line = ""
				}
				fallthrough
			case "*":
				assert.Contains(t, refusedOr(c.line != ""), status)
			default:
				assert.Equal(t, c.status, status)
			}
			raw, _ := b.received()
			if c.line == "" {
				assert.Empty(t, raw)
				return
			}
			line, _, _ := strings.Cut(raw, "\r\n")
			assert.Equal(t, c.line, line)
			assert.Equal(t, "x", requestsOf(t, raw, 1)[0].Host)
			assert.NotContains(t, raw, "Content-Length")
		})
	}
}

// refusedOr returns how a request is refused, and 200 if it may also be answered.
func refusedOr(answered bool) []string {
	if answered {
		return []string{"PROTOCOL_ERROR", "400", "200"}
	}
	return []string{"PROTOCOL_ERROR", "400"}
}

// TestTargets: the host that decides about the route is the one that the backend gets, and
// odd ones get nowhere.
func TestTargets(t *testing.T) {
	for _, c := range []struct {
		text   string // request line and Host
		status int
		line   string // that the backend gets, with the host; empty for none
	}{
		{"GET /a HTTP/1.1\r\nHost: x", 200, "GET /a HTTP/1.1 x"},
		{"GET /a? HTTP/1.1\r\nHost: X.example:8443", 200, "GET /a? HTTP/1.1 X.example:8443"},
		{"GET /%61%2F;b//c/../d?e;f=%zz&&g HTTP/1.1\r\nHost: x.", 200, "GET /%61%2F;b//c/../d?e;f=%zz&&g HTTP/1.1 x."},
		{"GET /{a}|^`[b]'!$&()*+,:@~é%2F\"<>\\ HTTP/1.1\r\nHost: x", 200, "GET /%7Ba%7D%7C%5E%60[b]'!$&()*+,:@~%C3%A9%2F%22%3C%3E%5C HTTP/1.1 x"},
		{"GET /?{a}|^`[b]\"<> HTTP/1.1\r\nHost: x", 200, "GET /?{a}|^`[b]\"<> HTTP/1.1 x"},
		{"GET http://y/a?b HTTP/1.1\r\nHost: x", 200, "GET /a?b HTTP/1.1 y"},
		{"GET https://y HTTP/1.1\r\nHost: x", 200, "GET / HTTP/1.1 y"},
		{"GET http://me:pw@y/a HTTP/1.1\r\nHost: x", 200, "GET /a HTTP/1.1 y"},
		{"GET ftp://y/a HTTP/1.1\r\nHost: x", 400, ""},
		{"GET http:y HTTP/1.1\r\nHost: x", 400, ""},
		{"GET http:///a HTTP/1.1\r\nHost: x", 200, "GET /a HTTP/1.1 x"},
		{"GET http://y:80:80/ HTTP/1.1\r\nHost: x", 400, ""},
		{"GET * HTTP/1.1\r\nHost: x", 400, ""},
		{"GET a HTTP/1.1\r\nHost: x", 400, ""},
		{"GET ?a HTTP/1.1\r\nHost: x", 400, ""},
		{"OPTIONS * HTTP/1.1\r\nHost: x", 200, ""},
		{"OPTIONS /a HTTP/1.1\r\nHost: x", 200, "OPTIONS /a HTTP/1.1 x"},
		{"CONNECT y:443 HTTP/1.1\r\nHost: y:443", 501, ""},
		{"CONNECT /a HTTP/1.1\r\nHost: x", 501, ""},
		{"TRACE /a HTTP/1.1\r\nHost: x", 501, ""},
		{"PRI * HTTP/2.0\r\nA: b", 400, ""},
		{"GET /a HTTP/1.1\r\nHost:", 400, ""},
		{"GET /a HTTP/1.1\r\nHost: a b", 400, ""},
		{"GET /a HTTP/1.1\r\nHost: a,b", 400, ""},
		{"GET /a HTTP/1.1\r\nHost: a/b", 400, ""},
		{"GET /a HTTP/1.1\r\nHost: me@x", 400, ""},
		{"GET /a HTTP/1.1\r\nHost: x:port", 400, ""},
		{"GET /a HTTP/1.1\r\nHost: [::1]:443", 200, "GET /a HTTP/1.1 [::1]:443"},
		{"GET /a HTTP/1.1\r\nHost: [::1%25eth0]", 400, ""},
		{"GET /a HTTP/1.1\r\nHost: \"x\"", 400, ""},
		{"GET /a HTTP/1.1\r\nHost: x#y", 400, ""},
		{"GET /a HTTP/1.0\r\nHost: x", 200, "GET /a HTTP/1.1 x"},
		{"GET /a HTTP/1.0\r\nA: b", 200, "GET /a HTTP/1.1 BACKEND"},
	} {
		t.Run(c.text, func(t *testing.T) {
			b := startRaw(t, always(okAnswer))
			f := start(t, to(t, b.url))
			conn := f.dial(t)
			_, err := io.WriteString(conn, c.text+"\r\n\r\n")
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			assert.Equal(t, c.status, resp.StatusCode)
			raw, _ := b.received()
			if c.line == "" {
				assert.Empty(t, raw)
				return
			}
			req := requestsOf(t, raw, 1)[0]
			line, _, _ := strings.Cut(raw, "\r\n")
			want := strings.ReplaceAll(c.line, "BACKEND", strings.TrimPrefix(b.url, "http://"))
			assert.Equal(t, want, line+" "+req.Host)
			assert.Empty(t, req.Header["Authorization"])
		})
	}
}
