package known

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	goruntime "runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// frozen returns the hello of Chromium 156 with other random bytes, and the same order of
// extensions and GREASE values.
func frozen(t testing.TB, n uint32) *Observation {
	return &Observation{Hello: redraw(t, hellotest.Real(t)["chromium-156"], uint64(n)), Index: 1}
}

// redraw returns h as another connection of the same client would have it, but for GREASE
// and the order of extensions.
func redraw(t testing.TB, h *parser.ClientHello, seed uint64) *parser.ClientHello {
	c := &parser.ClientHello{Transport: h.Transport}
	require.NoError(t, c.Unmarshal(hellotest.Redraw(rand.New(rand.NewPCG(seed, 1)), h)))
	return c
}

func TestTrackersByAddress(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		same          bool
	}{
		"the same IPv4 address":    {"192.0.2.1", "192.0.2.1", true},
		"another IPv4 address":     {"192.0.2.1", "192.0.2.2", false},
		"the same, mapped to IPv6": {"192.0.2.1", "::ffff:192.0.2.1", true},
		"the same IPv6 network":    {"2001:db8::1", "2001:db8::ffff:1", true},
		"another IPv6 network":     {"2001:db8::1", "2001:db8:0:1::1", false},
	} {
		t.Run(name, func(t *testing.T) {
			var trackers Trackers
			assert.Empty(t, trackers.AppendTells(nil, netip.MustParseAddr(c.first), frozen(t, 1)))
			got := trackers.AppendTells(nil, netip.MustParseAddr(c.second), frozen(t, 2))
			if !c.same {
				assert.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			assert.Equal(t, "frozen-order", got[0].Name)
		})
	}
}

func TestTrackersTellNothing(t *testing.T) {
	var trackers Trackers
	addr := netip.MustParseAddr("192.0.2.1")
	for range 3 {
		assert.Empty(t, trackers.AppendTells(nil, addr, frozen(t, 1)), "the same hello, sent again")
	}
	for i := range uint32(3) {
		assert.Empty(t, trackers.AppendTells(nil, netip.Addr{}, frozen(t, i)), "no address")
		second := frozen(t, i+10)
		second.Index = 2
		assert.Empty(t, trackers.AppendTells(nil, addr, second), "after a HelloRetryRequest")
	}
	assert.Empty(t, trackers.AppendTells(nil, addr, &Observation{}))
	assert.Empty(t, trackers.AppendTells(nil, addr, &Observation{Hello: hellotest.Real(t)["go-1.26"]}))
	assert.Equal(t, 1, trackers.ages.Len(), "only a client with GREASE takes memory")
}

// TestTrackersBound: the client that was quiet for longest is forgotten, one that comes
// again is not, and what is forgotten is counted.
func TestTrackersBound(t *testing.T) {
	const clients = 100
	trackers := Trackers{MaxBytes: clients*trackedSize + 1}
	busy := netip.MustParseAddr("203.0.113.1")
	o := frozen(t, 0)
	send := func(addr netip.Addr, n uint32) []Tell {
		binary.BigEndian.PutUint32(o.Hello.Random, n)
		return trackers.AppendTells(nil, addr, o)
	}
	send(busy, 0)
	quiet := netip.MustParseAddr("203.0.113.2")
	send(quiet, 0)
	n := uint32(1)
	for i := range uint32(10 * clients) {
		send(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 0)
		assert.NotEmpty(t, send(busy, n), i)
		n++
		assert.LessOrEqual(t, trackers.ages.Size(), trackers.MaxBytes)
		assert.Len(t, trackers.clients, trackers.ages.Len())
	}
	assert.Empty(t, send(quiet, 1), "forgotten")
	assert.EqualValues(t, 9*clients+3, trackers.Forgotten())
}

// TestTrackersMemory measures that the table stays within its bound, with more clients
// than have room in it.
func TestTrackersMemory(t *testing.T) {
	o := frozen(t, 0)
	var before, after goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&before)
	var trackers Trackers
	for i := range uint32(150_000) {
		trackers.AppendTells(nil, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), o)
	}
	goruntime.GC()
	goruntime.ReadMemStats(&after)
	got := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d clients in %d bytes", trackers.ages.Len(), got)
	assert.LessOrEqual(t, got, int64(defaultTrackersBytes))
	assert.Equal(t, defaultTrackersBytes/trackedSize, trackers.ages.Len())
}

func TestTrackersOfSeveralGoroutines(t *testing.T) {
	full := Trackers{MaxBytes: 3 * trackedSize}
	var trackers Trackers
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			own := netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", g))
			o := frozen(t, 0)
			for i := range uint32(200) {
				binary.BigEndian.PutUint32(o.Hello.Random, i)
				got := trackers.AppendTells(nil, own, o)
				assert.Equal(t, i > 0, len(got) > 0)
				full.AppendTells(nil, netip.AddrFrom4([4]byte{10, 0, byte(g), byte(i)}), o)
				full.Forgotten()
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 4*200-3, full.Forgotten())
}

func TestTransientExtensions(t *testing.T) {
	for v := range 1 << 16 {
		e := parser.ExtensionType(v)
		assert.Equal(t, fingerprint.IsTransient(e), e < 64 && transientExtensions>>e&1 != 0, v)
	}
}
