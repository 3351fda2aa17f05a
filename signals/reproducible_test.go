package signals

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestReproducible: tables for captures have the same values for the same observations,
// whenever they are made; others have estimates of their own.
func TestReproducible(t *testing.T) {
	valuesOf := func(o Options) (all []Values) {
		table := New(o)
		at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		for i := range 20_000 {
			addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			at = at.Add(100 * time.Millisecond)
			table.Observe(Sample{JA4: "t13", Addr: addr, UserAgent: addr.String()}, at)
			if i%1000 == 0 {
				v, ok := table.Lookup("t13", at)
				assert.True(t, ok)
				all = append(all, v)
			}
		}
		return all
	}
	for _, total := range []bool{false, true} {
		o := Options{MaxBytes: MinMaxBytes, Total: total, Reproducible: true}
		assert.Equal(t, valuesOf(o), valuesOf(o))
		o.Reproducible = false
		assert.NotEqual(t, valuesOf(o), valuesOf(o))
	}
}
