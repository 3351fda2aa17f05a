package signals

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
	"time"
)

// DefaultSlots is the usual size of the table of a [Limiter]: 512 KiB.
const DefaultSlots = 1 << 16

// A Limiter holds each of any number of keys to a [Rate], with the generic cell rate
// algorithm (GCRA, as in ATM Forum TM 4.1, section 4.4.3) in a table of fixed size.
//
// A key has two slots of the table, chosen by a hash with a secret of its own, so
// that nobody can choose keys that share them. A slot has the time at which its keys
// will have used nothing of their rate. The earlier of the two counts, and an event
// raises only what is below its new time. So a key is refused too early only if both
// slots are shared with busier ones, and never too late. There is nothing to evict:
// keys that come once make no difference to others.
//
// Measured with 65,536 slots, 10/s burst 20, and keys that all have 10 a second for
// ten seconds, evenly: with 30,000 keys about 0.1 % of these events are refused, with
// 100,000 keys 46 % are; with 5 a second each, none of 100,000 keys is refused. So a table
// should have twice as many slots as there are keys that use all of their rate.
//
// It is safe for use by several goroutines, takes no lock and allocates nothing.
type Limiter struct {
	slots    []atomic.Int64 // times in nanoseconds, of Limiter.time; 0 is never used
	seed     maphash.Seed
	start    time.Time
	interval int64 // nanoseconds from one event to the next
	window   int64 // nanoseconds that a slot may be ahead of now
}

const (
	// startTime is the time of a slot at the start. Others are at most 73 years
	// from it, so that no sum overflows.
	startTime = 1 << 62
	maxAge    = 1 << 61
	maxWindow = 1 << 59 // 18 years

	// maxBackwards is how far the clock may be behind what another goroutine has
	// read, in nanoseconds. A slot that is ahead by more is from before the clock
	// was set back.
	maxBackwards = int64(time.Minute)
)

// NewLimiter returns a Limiter with a table of at least the given number of slots, 8
// bytes each. A number below 2 is for [DefaultSlots]. The Limiter of a zero Rate
// allows everything. Rates over 1,000,000,000 a second count as that.
func NewLimiter(r Rate, slots int) *Limiter {
	if r.IsZero() {
		return new(Limiter)
	}
	if slots < 2 {
		slots = DefaultSlots
	}
	interval := (uint64(r.Per) + uint64(r.Events)/2) / uint64(r.Events)
	interval = min(max(interval, 1), maxWindow)
	burst := min(uint64(max(1, r.Burst)), maxWindow/interval)
	return &Limiter{
		slots:    make([]atomic.Int64, 1<<bits.Len(uint(min(slots, 1<<30)-1))),
		seed:     maphash.MakeSeed(),
		start:    time.Now(),
		interval: int64(interval),
		window:   int64(burst * interval),
	}
}

// Allow reports whether key may do one thing more now, and counts it if so.
func (l *Limiter) Allow(key []byte, now time.Time) bool {
	if l.slots == nil {
		return true
	}
	t := l.time(now)
	ahead := t + l.window + maxBackwards
	low, high := l.slotsOf(key)
	for {
		lowWas, highWas := low.Load(), high.Load()
		lowUsed, highUsed := used(lowWas, ahead), used(highWas, ahead)
		if highUsed < lowUsed {
			low, high, lowWas, highWas, lowUsed, highUsed = high, low, highWas, lowWas, highUsed, lowUsed
		}
		next := max(lowUsed, t) + l.interval
		if next > t+l.window {
			return false
		}
		if !low.CompareAndSwap(lowWas, next) {
			continue
		}
		// If the other slot has changed meanwhile, another event of this key may
		// have counted itself there and been missed by this one: count again.
		if highUsed >= next || high.CompareAndSwap(highWas, next) {
			return true
		}
	}
}

// Wait returns how long key must wait until Allow returns true, if nothing else
// comes; 0 if it would now. It counts nothing.
func (l *Limiter) Wait(key []byte, now time.Time) time.Duration {
	if l.slots == nil {
		return 0
	}
	t := l.time(now)
	first, second := l.slotsOf(key)
	ahead := t + l.window + maxBackwards
	at := min(used(first.Load(), ahead), used(second.Load(), ahead))
	return time.Duration(max(0, max(at, t)+l.interval-l.window-t))
}

// used returns the time in a slot, or 0 if it is so far ahead that the clock was set
// back since.
func used(slot, ahead int64) int64 {
	if slot > ahead {
		return 0
	}
	return slot
}

// time returns now in nanoseconds, by the monotonic clock if it has that.
func (l *Limiter) time(now time.Time) int64 {
	return startTime + min(max(int64(now.Sub(l.start)), -maxAge), maxAge)
}

func (l *Limiter) slotsOf(key []byte) (first, second *atomic.Int64) {
	h := maphash.Bytes(l.seed, key)
	mask := uint32(len(l.slots) - 1)
	i, j := uint32(h)&mask, uint32(h>>32)&mask
	if i == j {
		j ^= 1
	}
	return &l.slots[i], &l.slots[j]
}
