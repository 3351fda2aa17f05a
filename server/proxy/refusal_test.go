package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/server/proxy"
)

// TestRefusedBodies: what is refused is answered before the body has come, and a client
// that never sends it does not keep the connection.
func TestRefusedBodies(t *testing.T) {
	b := startRaw(t, always(okAnswer))
	f := start(t, &proxy.Reverse{Routes: []proxy.Route{{Host: "shop.example", Path: "/x", Backend: backend(t, b.url)}}})
	for name, c := range map[string]struct {
		line, host string
		status     int
	}{
		"no route":       {"POST /other HTTP/1.1", "shop.example", 404},
		"ambiguous path": {"POST /%2578 HTTP/1.1", "shop.example", 400},
		"odd host":       {"POST /x HTTP/1.1", "a,b", 400},
		"TRACE":          {"TRACE /x HTTP/1.1", "shop.example", 501},
		"CONNECT":        {"CONNECT shop.example:443 HTTP/1.1", "shop.example:443", 501},
		"HTTP/1.0":       {"POST /other HTTP/1.0", "shop.example", 404},
		"OPTIONS":        {"OPTIONS * HTTP/1.1", "shop.example", 0}, // net/http may wait for the body
	} {
		for framing, body := range map[string]string{
			"short":   "Content-Length: 1000\r\n\r\nabc",
			"long":    "Content-Length: 100000000\r\n\r\nabc",
			"chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
			"expect":  "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
		} {
			if name != "no route" && framing != "short" {
				continue
			}
			t.Run(name+" "+framing, func(t *testing.T) {
				t.Parallel()
				conn := f.dial(t)
				_, err := io.WriteString(conn, c.line+"\r\nHost: "+c.host+"\r\n"+body)
				require.NoError(t, err)
				r := bufio.NewReader(conn)
				if c.status != 0 {
					resp, err := http.ReadResponse(r, nil)
					require.NoError(t, err)
					assert.Equal(t, c.status, resp.StatusCode)
					assert.True(t, resp.Close)
					text, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					assert.Equal(t, 1, strings.Count(string(text), "\n"))
				}
				_, err = io.Copy(io.Discard, r)
				assert.NoError(t, err, "the connection ends")
			})
		}
	}
	t.Cleanup(func() {
		got, _ := b.received()
		assert.Empty(t, got)
	})
}

// TestRefusedUploads: a client that sends all of a long body has the answer, too.
func TestRefusedUploads(t *testing.T) {
	f := start(t, &proxy.Reverse{Routes: []proxy.Route{{Host: "shop.example", Backend: backend(t, "http://127.0.0.1:1")}}})
	for _, version := range versions {
		for range 5 {
			resp, err := f.client(version).Post(f.url(version), "text/plain", io.LimitReader(endless{}, 8<<20))
			require.NoError(t, err, version)
			assert.Equal(t, 404, resp.StatusCode)
			resp.Body.Close()
		}
	}
}
