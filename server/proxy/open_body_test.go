package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAnswersBeforeTheBodyEnds: a backend over HTTP/2 may answer in full, with trailers,
// while the client has not ended its body.
func TestAnswersBeforeTheBodyEnds(t *testing.T) {
	for _, scheme := range []string{"h2c", "https", "unix+h2c"} {
		f := through(t, scheme, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			http.NewResponseController(w).Flush()
			io.WriteString(w, r.URL.Query().Get("body"))
			w.Header().Set(http.TrailerPrefix+"Late", "yes")
		}))
		for _, version := range []string{"h2", "h3"} {
			for _, query := range []string{"", "?body=x"} {
				t.Run(version+" to "+scheme+query, func(t *testing.T) {
					in, out := io.Pipe()
					defer out.Close()
					resp, err := f.client(version).Post(f.url(version)+"/"+query, "text/plain", in)
					require.NoError(t, err)
					defer resp.Body.Close()
					_, err = io.ReadAll(resp.Body)
					require.NoError(t, err)
					assert.Equal(t, "yes", resp.Trailer.Get("Late"))
				})
			}
		}
	}
}

// TestFieldsOfAnUpgrade: what is about the backend's connection does not pass.
func TestFieldsOfAnUpgrade(t *testing.T) {
	b := startRaw(t, func(conn net.Conn, r *bufio.Reader) {
		answer(conn, r, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Secret\r\nUpgrade: websocket\r\nX-Secret: 1\r\n"+
			"Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nX-Kept: yes\r\n\r\n")
	})
	f := start(t, to(t, b.url))
	conn := f.dial(t)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	assert.Equal(t, "yes", resp.Header.Get("X-Kept"))
	assert.Equal(t, "Upgrade", resp.Header.Get("Connection"))
	assert.Equal(t, "websocket", resp.Header.Get("Upgrade"))
	for _, name := range []string{"X-Secret", "Keep-Alive", "Proxy-Authenticate"} {
		assert.Empty(t, resp.Header.Values(name), name)
	}
}
