//go:build !race

package server

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestEventAllocations bounds what the Event of a connection of a known shape
// allocates: with the request that settles it, for the hook and for the handler.
func TestEventAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
	s := new(settling)
	s.configure(func(*event.Observation, *event.Event) {}, 0, 0, nil)
	raw := hellotest.Real(t)["chromium-156"].Raw
	r := requestOf("curl/8.0")
	allocs := testing.AllocsPerRun(100, func() {
		l := &life{settling: s, conn: helloOnly{raw: raw}}
		l.eventOf(r, event.Full)
	})
	t.Log(allocs, "allocations")
	assert.LessOrEqual(t, allocs, 24.0)
}
