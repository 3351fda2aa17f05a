//go:build peers

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/websocket"

	"github.com/tlspeek/tlspeek/internal/peertest"
	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// A goClient is one of Go, over one version of HTTP.
type goClient struct {
	http.Client
	version string
	config  *tls.Config
	p       *peertest.Proxy

	mu    sync.Mutex
	conns []*quic.Conn // which quic-go's client may forget, and keep alive
}

// close closes the connections of c, which are idle.
func (c *goClient) close() {
	c.CloseIdleConnections()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.CloseWithError(0, "")
	}
}

// newGoClient connects to p, whatever the host of a URL is.
func newGoClient(t *testing.T, p *peertest.Proxy, version string) *goClient {
	t.Helper()
	text, err := os.ReadFile(p.CA)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	c := &goClient{version: version, config: &tls.Config{RootCAs: roots, ServerName: sitetest.Name}, p: p}
	c.Timeout = time.Minute
	if version == "3" {
		transport := &http3.Transport{TLSClientConfig: c.config, DisableCompression: true,
			Dial: func(ctx context.Context, _ string, config *tls.Config, q *quic.Config) (*quic.Conn, error) {
				conn, err := quic.DialAddrEarly(ctx, p.Addr, config, q)
				if err == nil {
					c.mu.Lock()
					c.conns = append(c.conns, conn)
					c.mu.Unlock()
				}
				return conn, err
			}}
		t.Cleanup(c.close)
		c.Transport = transport
		return c
	}
	transport := &http.Transport{TLSClientConfig: c.config, DisableCompression: true, Protocols: new(http.Protocols),
		ExpectContinueTimeout: 10 * time.Second,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, p.Addr)
		}}
	transport.Protocols.SetHTTP1(version == "1.1")
	transport.Protocols.SetHTTP2(version == "2")
	t.Cleanup(c.close)
	c.Transport = transport
	return c
}

// do sends a request. It returns the answer, whose body is read, or nil.
func (c *goClient) do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Log(err)
		return nil, ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, string(body)
	}
	return res, string(body)
}

func (c *goClient) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.p.URL(path), body)
	require.NoError(t, err)
	return r
}

// A feature is what a proxy may lose.
type feature struct {
	name string
	run  func(t *testing.T, c *goClient) bool
}

var features = []feature{
	{"request trailers", func(t *testing.T, c *goClient) bool {
		r := c.request(t, "POST", "/upload", struct{ io.Reader }{strings.NewReader("a body")})
		r.Trailer = http.Header{"Sum": {"of the client"}}
		_, body := c.do(t, r)
		return strings.HasSuffix(body, " 6 of the client\n")
	}},
	{"trailers", func(t *testing.T, c *goClient) bool {
		res, body := c.do(t, c.request(t, "GET", "/trailers", nil))
		return res != nil && body == "a body" && res.Trailer.Get("Sum") == peertest.Digest([]byte(body)) && res.Trailer.Get("Late") != ""
	}},
	{"early hints", func(t *testing.T, c *goClient) bool {
		link := ""
		r := c.request(t, "GET", "/hints", nil)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				if code == http.StatusEarlyHints {
					link = header.Get("Link")
				}
				return nil
			}}))
		res, body := c.do(t, r)
		return res != nil && body == "an answer" && strings.Contains(link, "style.css")
	}},
	{"a body refused unseen", func(t *testing.T, c *goClient) bool {
		asked := false
		body := readerFunc(func(p []byte) (int, error) {
			asked = true
			return len(p), nil
		})
		r := c.request(t, "POST", "/refuse", io.LimitReader(body, 1_000_000))
		r.ContentLength = 1_000_000
		r.Header.Set("Expect", "100-continue")
		res, _ := c.do(t, r)
		return res != nil && res.StatusCode == 403 && (!asked || c.version != "1.1") // Go's other clients do not always wait
	}},
	{"both ways at once", func(t *testing.T, c *goClient) bool {
		in, out := io.Pipe()
		res, err := c.Do(c.request(t, "POST", "/duplex", in))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		defer out.Close()
		b := make([]byte, 5)
		for range 3 {
			if _, err := io.WriteString(out, "hello"); err != nil {
				return false
			}
			if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "hello" {
				return false
			}
		}
		out.Close()
		rest, err := io.ReadAll(res.Body)
		return err == nil && len(rest) == 0
	}},
	{"events", func(t *testing.T, c *goClient) bool {
		res, err := c.Do(c.request(t, "GET", "/events", nil))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		b := make([]byte, len(threeEvents))
		_, err = io.ReadFull(bufio.NewReader(res.Body), b)
		return err == nil && string(b) == threeEvents
	}},
	{"WebSocket", func(t *testing.T, c *goClient) bool {
		if c.version != "1.1" {
			return false
		}
		config, err := websocket.NewConfig("wss"+strings.TrimPrefix(c.p.URL("/websocket"), "https"), c.p.URL(""))
		require.NoError(t, err)
		conn, err := tls.Dial("tcp", c.p.Addr, c.config)
		require.NoError(t, err)
		defer conn.Close()
		ws, err := websocket.NewClient(config, conn)
		if err != nil {
			return false
		}
		got := ""
		return websocket.Message.Send(ws, "hello") == nil && websocket.Message.Receive(ws, &got) == nil && got == "hello"
	}},
	{"a broken answer is no whole one", func(t *testing.T, c *goClient) bool {
		res, body := c.do(t, c.request(t, "GET", "/break", nil))
		return res == nil && strings.HasPrefix("only this much", body)
	}},
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestProxyFeatures: what each version of HTTP has passes, whatever the backend speaks.
func TestProxyFeatures(t *testing.T) {
	program := buildProxy(t)
	site := peertest.NewSite(t)
	columns := make([]string, len(features))
	for i, f := range features {
		columns[i] = f.name
	}
	table := peertest.NewTable("backend", columns...)
	for _, scheme := range []string{"http", "h2c", "https", "unix", "unix+h2c"} {
		t.Run(scheme, func(t *testing.T) {
			to, flags := site.StartGo(t, scheme)
			p := peertest.Start(t, program, append([]string{"--to", to}, flags...)...)
			row := []string{scheme}
			for _, f := range features {
				row = append(row, versions([]string{"1.1", "2", "3"}, func(version string) bool {
					c := newGoClient(t, p, version)
					ok := f.run(t, c)
					if !ok {
						t.Logf("HTTP/%s: %s does not pass", version, f.name)
					}
					return ok
				}))
			}
			table.Add(row...)
			assert.NotContains(t, p.End(t), "level=ERROR")
		})
	}
	table.Compare(t)
}
