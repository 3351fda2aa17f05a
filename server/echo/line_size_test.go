package echo

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestLineIsShort: the compact answers to real clients fit into a read of 1,000
// bytes, and have their best candidate.
func TestLineIsShort(t *testing.T) {
	var ob event.Observer
	for name, h := range hellotest.Real(t) {
		o := &event.Observation{Time: time.Date(2026, 11, 30, 12, 34, 56, 123456789, time.UTC), ID: event.ID{1}, Hello: h, Index: 1, Settled: event.SettledLine,
			Src: netip.MustParseAddrPort("255.255.255.255:65535"), Dst: netip.MustParseAddrPort("255.255.255.255:65535")}
		e := ob.Event(o, event.Compact)
		best := slices.Clone(e.Client[:min(len(e.Client), 1)])
		line, err := appendLine(nil, &e, event.Compact)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(line), 1000, "%s: %s", name, line)
		var back event.Event
		require.NoError(t, json.Unmarshal(line, &back))
		if len(best) > 0 {
			assert.Equal(t, best[0], back.Client[0], name)
		}
	}
}
