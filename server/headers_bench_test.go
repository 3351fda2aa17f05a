package server_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// BenchmarkHeaders measures what the fields of a request take, on a connection that has
// had others.
func BenchmarkHeaders(b *testing.B) {
	for name, h := range map[string]server.Headers{
		"few": {},
		"all": {All: true, JSON: "X-TLS-Event", Drop: []string{"X-Forwarded-*", "Forwarded", "X-Real-IP"}},
	} {
		b.Run(name, func(b *testing.B) {
			onRequest(b, func(r *http.Request) {
				fields := r.Header.Clone()
				wrapped := h.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				b.ReportAllocs()
				for b.Loop() {
					r.Header = make(http.Header, len(fields))
					for name, values := range fields {
						r.Header[name] = values
					}
					wrapped.ServeHTTP(nil, r)
				}
			})
		})
	}
}

// onRequest calls f with a request while a Server serves it.
func onRequest(t testing.TB, f func(r *http.Request)) {
	ln := &server.Listener{Listener: servertest.Listen(t)}
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r) })
	stop := servertest.Serve(t, &server.Server{Handler: h, TLSConfig: servertest.Config(t)}, ln, 0)
	client := servertest.HTTPClient(true)
	resp, err := client.Get("https://" + ln.Addr().String())
	if assert.NoError(t, err) {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	client.CloseIdleConnections()
	assert.NoError(t, stop())
}
