package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// backend answers with the header fields and trailers of the request.
func backend() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for _, fields := range []http.Header{r.Header, r.Trailer} {
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				fmt.Fprintf(w, "%s: %s\n", name, strings.Join(fields[name], ", "))
			}
		}
	})
}

// startHeaders serves backend behind Headers.
func startHeaders(t *testing.T, l *server.Listener, h server.Headers) (addr string) {
	srv := &http.Server{Handler: h.Wrap(backend()), ConnContext: server.ConnContext, TLSConfig: servertest.Config(t)}
	require.NoError(t, server.ConfigureHTTP2(srv))
	l.Listener = servertest.Listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return l.Addr().String()
}

func TestForgedHeadersNeverReachTheBackend(t *testing.T) {
	for _, c := range []struct {
		name     string
		listener *server.Listener
		max      uint16
		ja4      string // its beginning
	}{
		{"hello", &server.Listener{}, 0, "t13i"},
		{"hello over limit", &server.Listener{MaxHello: 100}, 0, "none; hello over limit"},
		{"records over limit", &server.Listener{MaxRecords: 1}, 0, "t13i"},
		{"TLS 1.2", &server.Listener{}, tls.VersionTLS12, "t12i"},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := startHeaders(t, c.listener, server.Headers{})
			conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: c.max})
			require.NoError(t, err)
			defer conn.Close()
			r := bufio.NewReader(conn)
			for range 2 {
				_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-JA4-Fingerprint\r\n"+
					"X-JA4-Fingerprint: FORGED\r\nx-ja4-fingerprint: FORGED\r\nX_JA4_FINGERPRINT: FORGED\r\nX-Ja3_Fingerprint: FORGED\r\nX.JA4!Fingerprint: FORGED\r\nX-HTTP2-Fingerprint: FORGED\r\nOther: mine\r\n\r\n"+
					"1\r\nx\r\n0\r\nX-JA4-Fingerprint: FORGED\r\nX-JA3-Fingerprint: FORGED\r\n\r\n")
				require.NoError(t, err)
				resp, err := http.ReadResponse(r, nil)
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.NotContains(t, string(text), "FORGED")
				assert.Contains(t, string(text), "Other: mine\n")
				assert.Contains(t, string(text), "X-Ja4-Fingerprint: "+c.ja4)
				assert.Contains(t, string(text), "X-Http2-Fingerprint: none; not HTTP/2\n")
			}
		})
	}
}

// TestHeadersPassAProxy: a client asks proxies to remove the fields, which
// net/http/httputil would do.
func TestHeadersPassAProxy(t *testing.T) {
	behind := httptest.NewServer(backend())
	defer behind.Close()
	target, err := url.Parse(behind.URL)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	for connection, want := range map[string]string{
		"X-JA4-Fingerprint": "",
		"close, x-ja3-fingerprint , X_HTTP2_Fingerprint,,Other\r\nConnection: X-Ja4-Fingerprint": "close, Other",
		"close,Other": "close,Other",
	} {
		got := make(chan string, 1)
		handler := server.Headers{}.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got <- strings.Join(r.Header["Connection"], "; ")
			proxy.ServeHTTP(w, r)
		}))
		front := httptest.NewServer(handler)
		defer front.Close()
		conn, err := net.Dial("tcp", front.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nOther: mine\r\nConnection: "+connection+"\r\n\r\n")
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, want, <-got)
		for _, name := range []string{"Ja3", "Ja4", "Http2"} {
			assert.Contains(t, string(text), "X-"+name+"-Fingerprint: none; unknown connection\n", connection)
		}
		assert.Equal(t, want == "", strings.Contains(string(text), "Other: mine"), "what else it names is removed")
	}
}

// TestForgedTrailersDoNotComeWithTheEnd: the handler closes the body without
// reading it.
func TestForgedTrailersDoNotComeWithTheEnd(t *testing.T) {
	got := make(chan http.Header, 1)
	front := httptest.NewServer(server.Headers{}.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Body.Close()
		got <- r.Trailer
	})))
	defer front.Close()
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-JA4-Fingerprint, Other\r\n\r\n"+
		"1\r\nx\r\n0\r\nX-JA4-Fingerprint: FORGED\r\nOther: mine\r\n\r\n")
	require.NoError(t, err)
	assert.Equal(t, http.Header{"Other": {"mine"}}, <-got)
}

func TestHeadersOverHTTP2(t *testing.T) {
	addr := startHeaders(t, &server.Listener{}, server.Headers{JA4: "ja4", HTTP2: "h2"})
	client := servertest.HTTPClient(true)
	defer client.CloseIdleConnections()
	for range 2 {
		req, err := http.NewRequest("POST", "https://"+addr, strings.NewReader("body"))
		require.NoError(t, err)
		req.Header = http.Header{"ja4": {"FORGED"}, "h2": {"FORGED"}}
		req.Trailer = http.Header{"Ja4": {"FORGED"}}
		resp, err := client.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.NotContains(t, string(text), "FORGED")
		assert.Contains(t, string(text), "Ja4: t13i")
		assert.Regexp(t, "H2: 2:0;4:4194304;.*\\|1073741824\\|0\\|a,m,p,s\n", string(text))
	}
}

// TestAllHeaders has every field of a Go client, over HTTP/2 and HTTP/3.
func TestAllHeaders(t *testing.T) {
	conn := servertest.UDP(t)
	ln := &server.Listener{Listener: servertest.Listen(t)}
	serve(t, &server.Server{Handler: server.Headers{All: true}.Wrap(backend()), UDP: []*net.UDPConn{conn}}, ln, time.Second)
	h3 := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer h3.Close()
	over2 := servertest.HTTPClient(true)
	defer over2.CloseIdleConnections()
	for _, c := range []struct {
		client *http.Client
		addr   string
		want   []string
	}{
		{over2, ln.Addr().String(), []string{
			`X-Ja4-Fingerprint: t13i\w+`, `X-Http2-Fingerprint: 2:0;4:4194304;.*`, "X-Http3-Fingerprint: none; not HTTP/3",
			`X-Stable-Fingerprint: s1t13_\w{24}`, "X-Tls-Client: .*Go .*", "X-Tls-Tells: none", "X-Tls-Claim: consistent", "X-Tls-Tags: none",
			`Tlspeek: ja4="t13i\w+", ja3="\w{32}", http2="2:0;4:4194304;.*", stable="s1t13_\w{24}", client=.*"Go .*", tells=\(\), claim=consistent`,
		}},
		{&http.Client{Transport: h3}, conn.LocalAddr().String(), []string{
			`X-Ja4-Fingerprint: q13i\w+`, "X-Http2-Fingerprint: none; not HTTP/2", `X-Http3-Fingerprint: 6:\d+\|a,m,p,s`,
			`X-Stable-Fingerprint: s1q13_\w{24}`, "X-Tls-Tells: none", `Tlspeek: ja4="q13i\w+", ja3="\w{32}", http3="6:\d+\|a,m,p,s", stable="s1q13_\w{24}", .*tells=\(\).*`,
		}},
	} {
		for range 2 {
			resp, err := c.client.Get("https://" + c.addr)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			resp.Body.Close()
			for _, line := range c.want {
				assert.Regexp(t, "(?m)^"+line+"$", string(text))
			}
		}
	}
}

// TestOptionalHeadersAreSetByName: those with a name are set. The others are
// removed all the same. A standard name that is not used is like any other.
func TestOptionalHeadersAreSetByName(t *testing.T) {
	addr := startHeaders(t, &server.Listener{}, server.Headers{Client: "Who", Dictionary: "X-Hello"})
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Hello, X-Tls-Tags\r\nConnection: who, x-hello, X-TLS-Tells\r\n"+
		"WHO: FORGED\r\nX_Hello: FORGED\r\nTLSpeek: mine\r\nX.TLS.Tells: FORGED\r\nx-tls-claim: FORGED\r\nX-TLS_Tags: FORGED\r\n"+
		"X-HTTP3-Fingerprint: FORGED\r\nX-Stable-Fingerprint: FORGED\r\nX-TLS-Client: mine\r\nX-TLS-Clients: mine\r\n\r\n"+
		"1\r\nx\r\n0\r\nX-Hello: FORGED\r\nX-Tls-Tags: FORGED\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "FORGED")
	assert.NotContains(t, string(text), "Connection")
	var names []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	assert.Equal(t, []string{"Tlspeek", "Who", "X-Hello", "X-Http2-Fingerprint", "X-Ja3-Fingerprint", "X-Ja4-Fingerprint", "X-Tls-Client", "X-Tls-Clients"}, names)
	assert.Regexp(t, `(?m)^Who: .*Go `, string(text))
	assert.Regexp(t, `(?m)^X-Hello: ja4="t13i`, string(text))
}

// TestFastHeadersAllocateLittle: without optional fields, a request costs what its
// values take.
func TestFastHeadersAllocateLittle(t *testing.T) {
	handler := server.Headers{}.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"curl/8.5.0"}}
	handler.ServeHTTP(nil, r) // makes room in the map
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { handler.ServeHTTP(nil, r) }), 1.0)
}

func TestHeadersWithoutListener(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-JA4-Fingerprint", "FORGED")
	server.Headers{}.Wrap(backend()).ServeHTTP(w, r)
	assert.Equal(t, "X-Http2-Fingerprint: none; unknown connection\nX-Ja3-Fingerprint: none; unknown connection\nX-Ja4-Fingerprint: none; unknown connection\n", w.Body.String())
}

// TestHTTP2IsKnownAfterAnEarlierCall asks for the Event before there is any HTTP/2.
func TestHTTP2IsKnownAfterAnEarlierCall(t *testing.T) {
	looked := make(chan string, 1)
	config := servertest.Config(t)
	config.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		e, ok := info.Conn.(*server.Conn).Event(event.Full)
		assert.True(t, ok)
		looked <- e.Fingerprint("http2")
		return nil, nil
	}
	srv := &http.Server{
		TLSConfig:   config,
		ConnContext: server.ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, _ := server.FromContext(r.Context())
			io.WriteString(w, e.Fingerprint("http2"))
		}),
	}
	require.NoError(t, server.ConfigureHTTP2(srv))
	ln := servertest.Listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(&server.Listener{Listener: ln}, "", "") }()
	client := servertest.HTTPClient(true)
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + ln.Addr().String())
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Empty(t, <-looked)
	assert.Regexp(t, `^2:0;4:4194304.*\|a,m,p,s$`, string(text))
	srv.Close()
	<-served
}

// TestHTTP2Fingerprint sends frames that no library sends.
func TestHTTP2Fingerprint(t *testing.T) {
	addr := startHeaders(t, &server.Listener{}, server.Headers{})
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	f := http2.NewFramer(conn, conn)
	require.NoError(t, f.WriteSettings(http2.Setting{ID: 1, Val: 65536}, http2.Setting{ID: 2, Val: 0}, http2.Setting{ID: 6, Val: 262144}))
	require.NoError(t, f.WriteWindowUpdate(0, 15663105))
	require.NoError(t, f.WritePriority(3, http2.PriorityParam{Weight: 200}))
	// :method GET, :authority x, :scheme https, :path /
	require.NoError(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: []byte("\x82\x41\x01x\x87\x84"), EndHeaders: true, EndStream: true}))
	for {
		frame, err := f.ReadFrame()
		require.NoError(t, err)
		if data, ok := frame.(*http2.DataFrame); ok {
			assert.Contains(t, string(data.Data()), "X-Http2-Fingerprint: 1:65536;2:0;6:262144|15663105|3:0:0:201|m,a,s,p\n")
			return
		}
	}
}
