//go:build !race

package guard_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/guard"
)

// TestAllocations bounds what ten rules allocate for a connection with one request. Without
// a policy, a Guard allocates nothing.
func TestAllocations(t *testing.T) {
	for _, c := range []struct {
		guard *guard.Guard
		most  float64
	}{
		{always(t, tenRules), 100},
		{&guard.Guard{Policy: func() *policy.Policy { return nil }}, 0},
		{new(guard.Guard), 0},
	} {
		judged(t, func(client server.Client, r *http.Request) {
			allocs := testing.AllocsPerRun(100, func() {
				c.guard.Decide(client)
				c.guard.DecideRequest(client, r)
			})
			t.Log(allocs, "allocations")
			assert.LessOrEqual(t, allocs, c.most)
		})
	}
}
