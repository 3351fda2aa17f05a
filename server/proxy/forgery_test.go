package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// forged are names under which no client can tell a backend anything.
var forged = []string{
	"X-Forwarded-For", "x-forwarded-for", "X_Forwarded_For", "X-FORWARDED_FOR", "X.Forwarded.For", "X-Forwarded~For", "XForwardedFor", "X--Forwarded--For",
	"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Forwarded-By", "X-Forwarded-Scheme",
	"X-Forwarded-Client-Cert", "X_Forwarded_Anything", "X-Forwarded", "Forwarded", "FORWARDED", "Forwarded-For", "Forwarded_For",
	"X-Real-IP", "X_Real_IP", "X-Real_ip", "X-Client-IP", "Client-IP", "True-Client-IP", "true_client_ip", "X-Cluster-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "X-Remote-Addr",
	"X-Original-URL", "X-Original-Host", "X_Original_URL", "X-Rewrite-URL", "X-Scheme", "Front-End-Https", "Proxy",
	"X-JA4-Fingerprint", "X_JA4_Fingerprint", "x-ja4_fingerprint", "X.JA4.Fingerprint", "X-JA3-Fingerprint", "X-HTTP2-Fingerprint", "X-HTTP3-Fingerprint",
	"X-Stable-Fingerprint", "X-TLS-Client", "X-TLS-Tells", "X_TLS_Tells", "X-TLS-Claim", "X-TLS-Tags", "X-TLS-Rule", "X-TLS-Action", "TLSpeek", "tlspeek",
	"Content_Length", "Transfer_Encoding", "Ho-st", "HTTP2-Settings", "Proxy-Connection", "Keep-Alive",
}

// named are fields that a client may send.
var named = []string{"X-Forward", "X-Reality", "X-Client", "Origin", "Referer", "Authorization", "X-Request-ID", "X-Tls", "X-Ja4", "Proxies"}

// allHeaders returns a Reverse that sets every field.
func allHeaders(t testing.TB, url string) *proxy.Reverse {
	p := to(t, url)
	p.Headers = server.Headers{All: true}
	return p
}

// fieldsOf parses what a backend got, which must be n whole requests.
func requestsOf(t testing.TB, raw string, n int) (all []*http.Request) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(raw))
	for range n {
		req, err := http.ReadRequest(r)
		require.NoError(t, err, "%q", raw)
		body, err := io.ReadAll(req.Body)
		require.NoError(t, err, "%q", raw)
		req.Body = io.NopCloser(bytes.NewReader(body))
		all = append(all, req)
	}
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Empty(t, string(rest), "%q", raw)
	return all
}

// TestForgedFieldsReachNoBackend sends each name in the header, twice, named in Connection
// and as a trailer, over each version. What the backend got is looked at as bytes.
func TestForgedFieldsReachNoBackend(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			b := startRaw(t, always(okAnswer))
			f := start(t, allHeaders(t, b.url))
			var header, trailer [][2]string
			for _, name := range forged {
				header = append(header, [2]string{name, "FORGED-1"}, [2]string{name, "FORGED-2"})
				trailer = append(trailer, [2]string{name, "FORGED-3"})
			}
			for _, name := range named {
				header = append(header, [2]string{name, "mine"})
			}
			trailer = append(trailer, [2]string{"Sum", "mine"})
			switch version {
			case "h1":
				forgeOverHTTP1(t, f, header, trailer)
			case "h2":
				forgeOverHTTP2(t, f, header, trailer)
			case "h3":
				forgeOverHTTP3(t, f, header, trailer)
			}
			raw, _ := b.received()
			assert.NotContains(t, raw, "FORGED", version)
			req := requestsOf(t, raw, 1)[0]
			for _, name := range named {
				assert.Equal(t, []string{"mine"}, req.Header.Values(name), name)
			}
			assert.Equal(t, http.Header{"Sum": {"mine"}}, req.Trailer)
			assert.Equal(t, []string{"127.0.0.1"}, req.Header.Values("X-Forwarded-For"))
			assert.Equal(t, []string{"https"}, req.Header.Values("X-Forwarded-Proto"))
			assert.Equal(t, []string{"shop.example"}, req.Header.Values("X-Forwarded-Host"))
			assert.Equal(t, []string{"for=127.0.0.1;host=shop.example;proto=https"}, req.Header.Values("Forwarded"))
			assert.Equal(t, "shop.example", req.Host)
			for _, name := range []string{"X-Ja4-Fingerprint", "X-Tls-Tags", "Tlspeek"} {
				assert.Len(t, req.Header[name], 1, name)
			}
			assert.Equal(t, 1, strings.Count(strings.ToLower(raw), "\r\nhost:"), raw)
			assert.Equal(t, 1, strings.Count(strings.ToLower(raw), "\r\ntransfer-encoding:"), raw)
			assert.NotContains(t, strings.ToLower(raw), "\r\ncontent-length:", raw)
		})
	}
}

// forgeOverHTTP1 writes a request by hand, with the names in Connection, too.
func forgeOverHTTP1(t *testing.T, f *front, header, trailer [][2]string) {
	var text strings.Builder
	text.WriteString("POST /x HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n")
	for i, field := range header {
		fmt.Fprintf(&text, "%s: %s\r\n", field[0], field[1])
		if field[1] != "mine" && i%2 == 0 && !strings.EqualFold(field[0], "Keep-Alive") {
			fmt.Fprintf(&text, "Connection: %s,%s\r\n", field[0], strings.ToLower(field[0]))
		}
	}
	for _, field := range trailer {
		fmt.Fprintf(&text, "Trailer: %s\r\n", field[0])
	}
	text.WriteString("\r\n5\r\nhello\r\n0\r\n")
	for _, field := range trailer {
		fmt.Fprintf(&text, "%s: %s\r\n", field[0], field[1])
	}
	text.WriteString("\r\n")
	conn := f.dial(t)
	_, err := io.WriteString(conn, text.String())
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
}

// forgeOverHTTP2 writes frames by hand, since clients of net/http send no odd names.
func forgeOverHTTP2(t *testing.T, f *front, header, trailer [][2]string) {
	c := dialHTTP2(t, f)
	fields := [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "shop.example"}, {":path", "/x"}}
	for _, field := range header {
		if name := strings.ToLower(field[0]); name != "proxy-connection" && name != "keep-alive" { // which net/http refuses
			fields = append(fields, [2]string{name, field[1]})
		}
	}
	for _, field := range trailer {
		if name := strings.ToLower(field[0]); name != "keep-alive" && name != "proxy-connection" {
			fields = append(fields, [2]string{"trailer", name})
		}
	}
	c.headers(1, false, fields...)
	require.NoError(t, c.f.WriteData(1, false, []byte("hello")))
	var last [][2]string
	for _, field := range trailer {
		if name := strings.ToLower(field[0]); name != "keep-alive" && name != "proxy-connection" {
			last = append(last, [2]string{name, field[1]})
		}
	}
	c.headers(1, true, last...)
	status, _ := c.answer(1)
	assert.Equal(t, "200", status)
}

func forgeOverHTTP3(t *testing.T, f *front, header, trailer [][2]string) {
	req, err := http.NewRequest("POST", f.url("h3")+"/x", io.MultiReader(strings.NewReader("hello")))
	require.NoError(t, err)
	req.Host = "shop.example"
	for _, field := range header {
		if name := strings.ToLower(field[0]); name != "proxy-connection" && name != "keep-alive" {
			req.Header[field[0]] = append(req.Header[field[0]], field[1])
		}
	}
	req.Trailer = make(http.Header)
	for _, field := range trailer {
		req.Trailer[textproto.CanonicalMIMEHeaderKey(field[0])] = []string{field[1]}
	}
	resp, err := f.h3.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 200, resp.StatusCode)
}

// An http2Client speaks HTTP/2 frame by frame.
type http2Client struct {
	t    testing.TB
	conn net.Conn
	f    *http2.Framer
	buf  bytes.Buffer
	enc  *hpack.Encoder
}

func dialHTTP2(t testing.TB, f *front) *http2Client {
	t.Helper()
	conn, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c := &http2Client{t: t, conn: conn, f: http2.NewFramer(conn, conn)}
	c.enc = hpack.NewEncoder(&c.buf)
	c.f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	require.NoError(t, c.f.WriteSettings())
	return c
}

func (c *http2Client) headers(stream uint32, end bool, fields ...[2]string) {
	c.buf.Reset()
	for _, field := range fields {
		require.NoError(c.t, c.enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	require.NoError(c.t, c.f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.buf.Bytes(), EndHeaders: true, EndStream: end}))
}

// answer returns the status and the body of a stream, or the code of the error that ends
// it or the connection.
func (c *http2Client) answer(stream uint32) (status, body string) {
	for {
		frame, err := c.f.ReadFrame()
		if err != nil {
			return "end", body
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				return frame.ErrCode.String(), body
			}
		case *http2.RSTStreamFrame:
			if frame.StreamID == stream {
				return frame.ErrCode.String(), body
			}
		case *http2.MetaHeadersFrame:
			if frame.StreamID != stream {
				continue
			}
			if s := frame.PseudoValue("status"); s != "" && s[0] != '1' {
				status = s
			}
			if frame.StreamEnded() {
				return status, body
			}
		case *http2.DataFrame:
			if frame.StreamID != stream {
				continue
			}
			body += string(frame.Data())
			if frame.StreamEnded() {
				return status, body
			}
		}
	}
}

// TestForwardedAddresses: IPv6 addresses are in brackets, and the address of a PROXY header
// counts.
func TestForwardedAddresses(t *testing.T) {
	b := startRaw(t, always(okAnswer))
	p := to(t, b.url)
	t.Cleanup(p.CloseIdleConnections)
	for remote, want := range map[string][2]string{
		"192.0.2.1:1":          {"192.0.2.1", "for=192.0.2.1;host=x;proto=http"},
		"[2001:db8::1]:1":      {"2001:db8::1", `for="[2001:db8::1]";host=x;proto=http`},
		"[::ffff:192.0.2.1]:1": {"192.0.2.1", "for=192.0.2.1;host=x;proto=http"},
		"[fe80::1%eth0]:1":     {"fe80::1", `for="[fe80::1]";host=x;proto=http`},
		"@":                    {"", "for=unknown;host=x;proto=http"},
		"":                     {"", "for=unknown;host=x;proto=http"},
		"[x:y]:1":              {"", "for=unknown;host=x;proto=http"},
	} {
		before, _ := b.received()
		w, r := newRecorder(), newRequest("GET", "http://x/")
		r.RemoteAddr = remote
		p.ServeHTTP(w, r)
		require.Equal(t, 200, w.Code)
		raw, _ := b.received()
		req := requestsOf(t, raw[len(before):], 1)[0]
		assert.Equal(t, want[0], req.Header.Get("X-Forwarded-For"), remote)
		assert.Equal(t, want[1], req.Header.Get("Forwarded"), remote)
	}
}

// TestStandardFields: a backend may look for these whatever Headers has been told.
func TestStandardFields(t *testing.T) {
	var got http.Header
	url, _ := serveBackend(t, "http", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	p := to(t, url)
	p.Headers = server.Headers{JA4: "Print", All: true, Client: "Who", JSON: "Hello"}
	r := newRequest("GET", "https://x/")
	for _, name := range []string{"TLSpeek-Event", "tlspeek_event", "TLSpeek.Event", "TLSpeek", "TLSpeek-Other", "X-JA4-Fingerprint", "x_ja4_fingerprint", "X-TLS-Client", "Print", "Who", "Hello", "Other"} {
		r.Header[name] = []string{"forged"}
	}
	p.ServeHTTP(newRecorder(), r)
	for name, values := range got {
		if name != "Other" {
			assert.NotContains(t, values, "forged", name)
		}
	}
	assert.Equal(t, "forged", got.Get("Other"))
	assert.NotEmpty(t, got.Get("Hello"))
	assert.NotEmpty(t, got.Get("Tlspeek"))
}
