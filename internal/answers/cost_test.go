package answers

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestEventCost has no Event cost more than was said before, and that of a browser not
// a hundred times less.
func TestEventCost(t *testing.T) {
	hellos := hellotest.Costly()
	for name, h := range hellotest.Real(t) {
		hellos[name] = h
	}
	for name, h := range hellos {
		o := event.Observation{Hello: h, Transport: h.Transport, Index: 1}
		for _, size := range []event.Size{event.Compact, event.Full, event.Detail} {
			e := Event(&o, nil, size)
			b, err := e.AppendJSON(nil)
			require.NoError(t, err)
			c := EventCost(size, len(h.Raw))
			assert.LessOrEqual(t, len(b), c.Bytes, "%s: %s", name, size)
			assert.Equal(t, size == event.Detail || len(h.Raw) > 4096, c.Heavy, name)
		}
	}
	assert.LessOrEqual(t, EventCost(event.Full, 2200).Bytes, least, "a client always has room for one")
}
