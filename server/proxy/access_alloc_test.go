//go:build !race

package proxy

import (
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestAccessLogAllocatesLittle: a line takes its ResponseWriter, and the texts that it has
// to make.
func TestAccessLogAllocatesLittle(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	for _, c := range []struct {
		name string
		log  *AccessLog
		most float64
	}{
		{"combined", &AccessLog{W: io.Discard, Format: AccessCombined}, 2},
		{"text", &AccessLog{W: io.Discard, Format: AccessText}, 8},
		{"json", &AccessLog{W: io.Discard, Format: AccessJSON}, 8},
		{"off", &AccessLog{Log: slog.New(slog.DiscardHandler)}, 2},
	} {
		askAccess(t, func(w http.ResponseWriter, r *http.Request) {
			h := c.log.Handler(next)
			h.ServeHTTP(w, r)
			allocs := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) })
			t.Log(c.name, allocs)
			assert.LessOrEqual(t, allocs, c.most, c.name)
		})
	}
}

// askAccess calls f in a handler of a server, with a ResponseWriter that keeps nothing.
func askAccess(t testing.TB, f func(w http.ResponseWriter, r *http.Request)) {
	ln := &server.Listener{Listener: servertest.Listen(t)}
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(forgetful{http.Header{}}, r) })
	stop := servertest.Serve(t, &server.Server{Handler: h, TLSConfig: servertest.Config(t)}, ln, 0)
	client := servertest.HTTPClient(true)
	resp, err := client.Get("https://" + ln.Addr().String())
	if assert.NoError(t, err) {
		resp.Body.Close()
	}
	client.CloseIdleConnections()
	assert.NoError(t, stop())
}

type forgetful struct{ header http.Header }

func (w forgetful) Header() http.Header         { return w.header }
func (w forgetful) Write(p []byte) (int, error) { return len(p), nil }
func (w forgetful) WriteHeader(int)             {}

// BenchmarkAccessLog measures a line of each format, besides the Event.
func BenchmarkAccessLog(b *testing.B) {
	for name, l := range map[string]*AccessLog{
		"combined": {W: io.Discard, Format: AccessCombined},
		"text":     {W: io.Discard, Format: AccessText},
		"json":     {W: io.Discard, Format: AccessJSON},
		"done":     {Done: func(*Access) {}},
	} {
		b.Run(name, func(b *testing.B) {
			askAccess(b, func(w http.ResponseWriter, r *http.Request) {
				h := l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
				b.ReportAllocs()
				for b.Loop() {
					h.ServeHTTP(w, r)
				}
			})
		})
	}
}
