//go:build !race

package server_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
)

// TestKeptFieldsAllocateLittle: on a connection that has had such a request, all fields take
// what the map of the header takes, and a list of the values. An Event takes nothing.
func TestKeptFieldsAllocateLittle(t *testing.T) {
	onRequest(t, func(r *http.Request) {
		h := server.Headers{All: true, JSON: "X-TLS-Event"}.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		h.ServeHTTP(nil, r)
		assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { h.ServeHTTP(nil, r) }), 6.0)
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if _, ok := server.EventOf(r, event.Full); !ok {
				panic("no Event")
			}
		}))
	})
}
