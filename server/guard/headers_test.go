package guard_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestBackendHasTheDecision: a backend gets rule, action and tags of each request, and never
// what the client says of them.
func TestBackendHasTheDecision(t *testing.T) {
	g := always(t, `
rules:
  - {name: seen, when: 'transport == "tls"', do: tag, tags: [tls], stage: hello}
  - {name: api, when: 'request.path.startsWith("/api/")', do: allow, tags: [program]}
  - {name: limits, when: 'request.path == "/counted"', do: deny, mode: count}
`)
	backend := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, %s, %s", r.Header["X-Tls-Rule"], r.Header["X-Tls-Action"], r.Header["X-Tls-Tags"])
		assert.NotContains(t, r.Header, "X_tls_rule")
		assert.Len(t, r.Header.Values("Tlspeek"), 1)
	})
	l := &server.Listener{Listener: servertest.Listen(t)}
	g.Attach(l)
	srv := &server.Server{Handler: g.Handler(server.Headers{All: true}.Wrap(backend)), TLSConfig: servertest.Config(t)}
	stop := servertest.Serve(t, srv, l, time.Second)
	for _, h2 := range []bool{false, true} {
		client := servertest.HTTPClient(h2)
		for path, want := range map[string]string{
			"/":        "[seen], [tag], [tls]",
			"/api/x":   "[api], [allow], [tls, program]",
			"/counted": "[limits], [count], [tls, would-deny]",
		} {
			r, err := http.NewRequest("GET", "https://"+l.Addr().String()+path, nil)
			require.NoError(t, err)
			for _, name := range []string{"X-TLS-Rule", "X-TLS-Action", "X-TLS-Tags", "X_TLS_Rule", "TLSpeek"} {
				r.Header.Set(name, "forged")
			}
			res, err := client.Do(r)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			res.Body.Close()
			assert.Equal(t, want, string(body), path)
		}
		client.CloseIdleConnections()
	}
	require.NoError(t, stop())
}
