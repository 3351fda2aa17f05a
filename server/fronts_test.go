package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestFrontJA4: a field counts only from a peer of TrustedProxies, and where that has
// sent a PROXY header, only if the address in it is one, too.
func TestFrontJA4(t *testing.T) {
	const (
		ja4   = "t13d1516h2_8daaf6152771_b186095e22b6"
		proxy = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n"
	)
	here := netip.MustParsePrefix("127.0.0.0/8")
	there := netip.MustParsePrefix("192.0.2.0/24")
	for _, c := range []struct {
		name    string
		header  string // the trusted one
		trusted []netip.Prefix
		proxy   string // comes before the hello
		sent    []string
		want    string
	}{
		{"trusted", "Cf-Ja4", []netip.Prefix{there, here}, "", []string{"Cf-Ja4: " + ja4}, ja4},
		{"any case", "CLOUDFRONT-viewer-ja4-fingerprint", []netip.Prefix{here}, "", []string{"cloudfront-Viewer-JA4-Fingerprint: " + ja4}, ja4},
		{"not trusted", "Cf-Ja4", []netip.Prefix{there}, "", []string{"Cf-Ja4: " + ja4}, ""},
		{"no proxy is trusted", "Cf-Ja4", nil, "", []string{"Cf-Ja4: " + ja4}, ""},
		{"no header is trusted", "", []netip.Prefix{here}, "", []string{"Cf-Ja4: " + ja4}, ""},
		{"of a client behind a proxy", "Cf-Ja4", []netip.Prefix{here}, proxy, []string{"Cf-Ja4: " + ja4}, ""},
		{"of a front behind a proxy", "Cf-Ja4", []netip.Prefix{here, there}, proxy, []string{"Cf-Ja4: " + ja4}, ja4},
		{"another header", "Cf-Ja4", []netip.Prefix{here}, "", []string{"Cf_Ja4: " + ja4, "X-Cf-Ja4: " + ja4}, ""},
		{"first of two", "Cf-Ja4", []netip.Prefix{here}, "", []string{"Cf-Ja4: " + ja4, "Cf-Ja4: other"}, ja4},
		{"first of two is no JA4", "Cf-Ja4", []netip.Prefix{here}, "", []string{"Cf-Ja4: -", "Cf-Ja4: " + ja4}, ""},
		{"two in one", "Cf-Ja4", []netip.Prefix{here}, "", []string{"Cf-Ja4: " + ja4 + ", " + ja4}, ""},
		{"empty", "Cf-Ja4", []netip.Prefix{here}, "", []string{"Cf-Ja4:"}, ""},
		{"none", "Cf-Ja4", []netip.Prefix{here}, "", nil, ""},
		{"longest", "Cf-Ja4", []netip.Prefix{here}, "", []string{"Cf-Ja4: " + strings.Repeat("x", 64)}, strings.Repeat("x", 64)},
		{"too long", "Cf-Ja4", []netip.Prefix{here}, "", []string{"Cf-Ja4: " + strings.Repeat("x", 65)}, ""},
		{"other letters", "Cf-Ja4", []netip.Prefix{here}, "", []string{"Cf-Ja4: t13\xc3\xa9"}, ""},
		{"beside the letters", "Cf-Ja4", []netip.Prefix{here}, "", []string{"Cf-Ja4: ["}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &server.Listener{Listener: servertest.Listen(t), TrustedProxies: c.trusted, TrustHeader: c.header}
			srv := &server.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				e, ok := server.EventOf(r, event.Full)
				assert.True(t, ok)
				if e.FrontJA4 != nil {
					assert.Equal(t, c.header, e.FrontJA4.Header)
					io.WriteString(w, e.FrontJA4.JA4)
				}
				assert.NotEqual(t, c.want, e.JA4())
			})}
			servertest.Serve(t, srv, l, time.Second)
			conn, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, c.proxy)
			require.NoError(t, err)
			over := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			r := bufio.NewReader(over)
			for _, sent := range [][]string{nil, c.sent} { // each request has its own
				lines := append([]string{"GET / HTTP/1.1", "Host: x"}, sent...)
				_, err = io.WriteString(over, strings.Join(lines, "\r\n")+"\r\n\r\n")
				require.NoError(t, err)
				resp, err := http.ReadResponse(r, nil)
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				want := c.want
				if sent == nil {
					want = ""
				}
				assert.Equal(t, want, string(text))
			}
		})
	}
}

// TestFrontJA4IsOfTheRequest: HTTP/2 requests on one connection are of several
// clients of the front, and those that have no Listener have none.
func TestFrontJA4IsOfTheRequest(t *testing.T) {
	l := &server.Listener{
		Listener:       servertest.Listen(t),
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		TrustHeader:    "Cf-Ja4",
	}
	srv := &server.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, _ := server.EventOf(r, event.Full); e.FrontJA4 != nil {
			io.WriteString(w, e.FrontJA4.JA4)
		}
	})}
	servertest.Serve(t, srv, l, time.Second)
	client := servertest.HTTPClient(true)
	defer client.CloseIdleConnections()
	for _, ja4 := range []string{"a", "b", "", "c"} {
		req, err := http.NewRequest("GET", "https://"+l.Addr().String(), nil)
		require.NoError(t, err)
		req.Header.Set("Cf-Ja4", ja4)
		resp, err := client.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, 2, resp.ProtoMajor)
		assert.Equal(t, ja4, string(text))
	}
}
