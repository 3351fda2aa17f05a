package server

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

// TestEventIsMadeOnce counts how often the Event of a connection is made: once when it
// is settled, whoever asks and how often, and once before if somebody asks then.
func TestEventIsMadeOnce(t *testing.T) {
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS() // for its certificate
	certificates := pair.TLS.Certificates
	pair.Close()
	for _, c := range []struct {
		name   string
		http2  bool
		decide bool
		hook   bool
		want   int
		long   bool // the hello is of more than 4 KiB
	}{
		{"asked by handlers", false, false, false, 1, false},
		{"asked by handlers, HTTP/2", true, false, false, 1, false},
		{"handed on", false, false, true, 1, false},
		{"handed on, HTTP/2", true, false, true, 1, false},
		{"asked at the hello and handed on", true, true, true, 2, false},
		{"asked by handlers, long hello", false, false, false, 1, true},
		{"handed on, long hello", false, false, true, 1, true},
		{"handed on, long hello, HTTP/2", true, false, true, 1, true},
		{"asked at the hello and handed on, long hello", true, true, true, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			l := &Listener{Listener: ln}
			if c.hook {
				l.Settled = func(*event.Observation, *event.Event) {}
			}
			if c.decide {
				l.Decide = func(client Client) Decision {
					for range 3 {
						_, ok := client.Event(event.Compact)
						assert.True(t, ok)
					}
					return Decision{}
				}
			}
			var mu sync.Mutex
			var made []event.Size
			l.settling().onFill = func(size event.Size) {
				mu.Lock()
				defer mu.Unlock()
				made = append(made, size)
			}
			srv := &Server{TLSConfig: &tls.Config{Certificates: certificates}, Handler: Headers{}.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for size := event.Compact; size <= event.Full; size++ {
					_, ok := EventOf(r, size)
					assert.True(t, ok)
					_, ok = ClientOf(r.Context()).Event(size)
					assert.True(t, ok)
				}
				_, ok := FromContext(r.Context())
				assert.True(t, ok)
			}))}
			go srv.Serve(l)
			config := &tls.Config{InsecureSkipVerify: true}
			if c.long {
				config.NextProtos = append(slices.Repeat([]string{strings.Repeat("x", 255)}, 20), "http/1.1")
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: c.http2}}
			for range 5 {
				res, err := client.Get("https://" + ln.Addr().String())
				require.NoError(t, err)
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			client.CloseIdleConnections()
			require.NoError(t, srv.Shutdown(t.Context()))
			require.NoError(t, l.SettleAll(t.Context()))
			assert.Len(t, made, c.want)
			for _, size := range made {
				assert.Equal(t, event.Full, size)
			}
		})
	}
}
