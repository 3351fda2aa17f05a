package signals

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// day is any time, without a monotonic clock.
var day = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// An oracle is GCRA word for word, for one rate.
type oracle struct {
	interval, window time.Duration
	next             map[string]time.Time // when a key will have used nothing
}

func oracleOf(r Rate) *oracle {
	interval := (r.Per + time.Duration(r.Events)/2) / time.Duration(r.Events)
	return &oracle{interval, interval * time.Duration(r.Burst), make(map[string]time.Time)}
}

func (o *oracle) wait(key string, now time.Time) time.Duration {
	next := o.next[key]
	if next.Before(now) {
		next = now
	}
	return max(0, next.Add(o.interval).Sub(now)-o.window)
}

func (o *oracle) allow(key string, now time.Time) bool {
	if o.wait(key, now) > 0 {
		return false
	}
	if o.next[key].Before(now) {
		o.next[key] = now
	}
	o.next[key] = o.next[key].Add(o.interval)
	return true
}

// apart returns keys that share no slot of l.
func apart(l *Limiter, n int) (keys []string) {
	taken := make(map[*atomic.Int64]bool)
	for i := 0; len(keys) < n; i++ {
		key := "key " + string(binary.AppendUvarint(nil, uint64(i)))
		if a, b := l.slotsOf([]byte(key)); !taken[a] && !taken[b] {
			taken[a], taken[b] = true, true
			keys = append(keys, key)
		}
	}
	return keys
}

// TestLimiterIsExact: a few keys are answered as by GCRA, for many rates, and the time
// to wait is right to the nanosecond.
func TestLimiterIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, r := range []Rate{
		{10, time.Second, 20}, {1, time.Second, 1}, {3, time.Second, 2}, {50, time.Second, 100},
		{7, time.Minute, 30}, {1, time.Hour, 5}, {1_000_000, time.Second, 1000}, {1, 24 * time.Hour, 365},
	} {
		l, o := NewLimiter(r, DefaultSlots), oracleOf(r)
		keys := apart(l, 5)
		now := day
		refused := 0
		for range 20_000 {
			key := keys[random.IntN(len(keys))]
			now = now.Add(time.Duration(random.Int64N(int64(o.interval)/20 + 1)))
			if random.IntN(5000) == 0 {
				now = now.Add(o.window / 2)
			}
			require.Equal(t, o.wait(key, now), l.Wait([]byte(key), now), r)
			got := l.Allow([]byte(key), now)
			require.Equal(t, o.allow(key, now), got, r)
			if !got {
				refused++
				wait := l.Wait([]byte(key), now)
				require.Positive(t, wait)
				require.Positive(t, l.Wait([]byte(key), now.Add(wait-1)))
				require.Zero(t, l.Wait([]byte(key), now.Add(wait)))
			}
		}
		assert.Greater(t, refused, 100, r)
	}
}

// TestLimiterFlood: of 10,000 events in ten seconds, 10/s burst 20 lets through 20 at
// once and 100 after them.
func TestLimiterFlood(t *testing.T) {
	l := NewLimiter(Rate{10, time.Second, 20}, DefaultSlots)
	passed := 0
	for i := range 10_000 {
		if l.Allow([]byte("198.51.100.7"), day.Add(time.Duration(i)*time.Millisecond)) {
			passed++
		}
	}
	assert.GreaterOrEqual(t, passed, 119)
	assert.LessOrEqual(t, passed, 120)
}

// refusedShare returns the share of events that are refused, of n keys that all have
// so many a second for ten seconds, where 10/s burst 20 are allowed. Keys and slots
// are an eighth, which makes no difference.
func refusedShare(n, perSecond int) float64 {
	l := NewLimiter(Rate{10, time.Second, 20}, DefaultSlots/8)
	refused, key := 0, make([]byte, 8)
	n /= 8
	interval := time.Second / time.Duration(perSecond)
	for tick := range 10 * perSecond {
		for i := range n {
			binary.LittleEndian.PutUint64(key, uint64(i))
			at := time.Duration(tick)*interval + time.Duration(i)*interval/time.Duration(n)
			if !l.Allow(key, day.Add(at)) {
				refused++
			}
		}
	}
	return float64(refused) / float64(10*perSecond*n)
}

// TestLimiterWithManyKeys bounds the wrongly refused share, which depends on the
// secret of the hash alone.
func TestLimiterWithManyKeys(t *testing.T) {
	for _, c := range []struct {
		keys, perSecond int
		most            float64
	}{{30_000, 10, 0.01}, {100_000, 5, 0.001}, {100_000, 10, 0.55}} {
		share := refusedShare(c.keys, c.perSecond)
		t.Logf("%d keys with %d/s: %.4f %% refused", c.keys, c.perSecond, 100*share)
		assert.LessOrEqual(t, share, c.most)
	}
}

// TestOneOffKeysAreNoEviction: a busy key stays limited, however many others come
// once.
func TestOneOffKeysAreNoEviction(t *testing.T) {
	l := NewLimiter(Rate{1, time.Second, 5}, DefaultSlots)
	passed, other := 0, make([]byte, 8)
	for i := range 200_000 {
		now := day.Add(time.Duration(i) * 10 * time.Microsecond) // 2 seconds
		if i%100 == 0 && l.Allow([]byte("busy"), now) {
			passed++
		}
		binary.LittleEndian.PutUint64(other, uint64(i))
		l.Allow(other, now)
	}
	assert.LessOrEqual(t, passed, 5+2)
	assert.Positive(t, passed)
}

// TestLimiterConcurrently: goroutines at once get no more through than one would.
func TestLimiterConcurrently(t *testing.T) {
	for range 20 {
		l := NewLimiter(Rate{1, time.Hour, 1000}, 2) // two slots, which keys share in either order
		var passed [2]atomic.Int64
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for range 500 {
					if l.Allow([]byte("a"), day) {
						passed[0].Add(1)
					}
					l.Wait([]byte("a"), day.Add(time.Duration(g)))
				}
			})
		}
		wg.Wait()
		require.LessOrEqual(t, passed[0].Load(), int64(1000))
		require.GreaterOrEqual(t, passed[0].Load(), int64(500), "of 4,000: an event may count twice in a race")
	}
}

// TestClockGoesBackwards: a little changes nothing. After more than a minute the new
// time is followed, so that nobody waits for the old one to come again.
func TestClockGoesBackwards(t *testing.T) {
	key := []byte("key")
	for _, back := range []time.Duration{time.Nanosecond, 30 * time.Second, time.Minute} {
		l := NewLimiter(Rate{1, time.Second, 3}, DefaultSlots)
		for range 3 {
			require.True(t, l.Allow(key, day))
		}
		assert.False(t, l.Allow(key, day.Add(-back)), back)
		assert.Equal(t, time.Second+back, l.Wait(key, day.Add(-back)))
		assert.True(t, l.Allow(key, day.Add(time.Second)), back)
	}
	for _, back := range []time.Duration{time.Hour, 100 * 365 * 24 * time.Hour} {
		l := NewLimiter(Rate{1, time.Second, 3}, DefaultSlots)
		for range 3 {
			require.True(t, l.Allow(key, day))
		}
		for range 3 {
			assert.True(t, l.Allow(key, day.Add(-back)), back)
		}
		assert.False(t, l.Allow(key, day.Add(-back)), back)
	}
}

// TestExtremeRates: nothing overflows, at any time.
func TestExtremeRates(t *testing.T) {
	key := []byte("key")
	for _, r := range []Rate{{}, {0, time.Second, 5}, {5, 0, 5}, {-1, time.Second, 1}, {1, -1, 1}} {
		l := NewLimiter(r, DefaultSlots)
		for range 1000 {
			require.True(t, l.Allow(key, day))
		}
		assert.Zero(t, l.Wait(key, day))
	}
	times := []time.Time{{}, time.Unix(0, 0), day, time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(292277026596, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, per := range []time.Duration{1, time.Second, math.MaxInt64} {
		for _, events := range []int{1, 1000, math.MaxInt} {
			for _, burst := range []int{math.MinInt, 0, 1, 1000, math.MaxInt} {
				for _, at := range times {
					l := NewLimiter(Rate{events, per, burst}, 2)
					want := min(max(1, burst), 500)
					if l.interval > maxWindow/1000 { // a year
						want = 1
					}
					for range want {
						require.True(t, l.Allow(key, at), "%d/%d burst %d at %v", events, per, burst, at)
					}
					if burst <= 1 {
						require.False(t, l.Allow(key, at))
						require.Positive(t, l.Wait(key, at))
						require.LessOrEqual(t, l.Wait(key, at), time.Duration(l.interval))
					}
				}
			}
		}
	}
}

func TestSlots(t *testing.T) {
	for slots, want := range map[int]int{-1: DefaultSlots, 0: DefaultSlots, 1: DefaultSlots, 2: 2, 3: 4, 1000: 1024, 65536: 65536, 65537: 131072} {
		assert.Len(t, NewLimiter(Rate{1, 1, 1}, slots).slots, want, slots)
	}
}

func TestKeysOfAnyLength(t *testing.T) {
	l := NewLimiter(Rate{1, time.Second, 1}, DefaultSlots)
	for _, key := range apart(l, 100) {
		assert.True(t, l.Allow([]byte(key), day))
		assert.False(t, l.Allow([]byte(key), day))
	}
	assert.True(t, l.Allow(nil, day))
	assert.False(t, l.Allow([]byte{}, day))
	assert.True(t, l.Allow(make([]byte, 1<<16), day))
}

func TestAllowAllocatesNothing(t *testing.T) {
	l := NewLimiter(Rate{10, time.Second, 20}, DefaultSlots)
	key := []byte("198.51.100.7")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		l.Allow(key, day)
		l.Wait(key, day)
	}))
}

func BenchmarkAllow(b *testing.B) {
	for name, events := range map[string]int{"allowed": math.MaxInt32, "refused": 1} {
		b.Run(name, func(b *testing.B) {
			l := NewLimiter(Rate{events, time.Second, events}, DefaultSlots)
			var key [8]byte
			now := time.Now()
			b.ReportAllocs()
			for i := range b.N {
				binary.LittleEndian.PutUint64(key[:], uint64(i&1023))
				l.Allow(key[:], now)
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		l := NewLimiter(Rate{1_000_000, time.Second, 1000}, DefaultSlots)
		now := time.Now()
		b.RunParallel(func(pb *testing.PB) {
			var key [8]byte
			for i := uint64(0); pb.Next(); i++ {
				binary.LittleEndian.PutUint64(key[:], i&1023)
				l.Allow(key[:], now)
			}
		})
	})
}
