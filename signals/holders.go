package signals

import (
	"math"
	"time"
)

// The sets of distinct values that a holder has.
const (
	setAddresses = iota
	setUserAgents
	setPaths
	setServerNames
	fingerprintSets

	setJA4s    = 0 // of a network
	prefixSets = 1
)

// setsOf returns how many sets a key of a kind has.
func setsOf(k Kind) int {
	if k == Prefix {
		return prefixSets
	}
	return fingerprintSets
}

const (
	// minLead is by how many requests more than a holder another key must have to take its
	// place, and leadShare the part of the holder's that it must be. Otherwise two keys
	// that come as often would take it from one another, and both be counted badly.
	minLead   = 2
	leadShare = 4

	// staleShare says that an estimate is made anew when this part of the requests came
	// after it, and freshFor that it is after this time.
	staleShare = 32
	freshFor   = time.Second
)

// A holder counts the distinct values of one key.
type holder struct {
	counter   int32  // the number of that of its key, or none
	parts     []part // one for each bucket
	estimates [fingerprintSets]int64
	at        time.Duration // of the estimates
	changes   int64         // samples since
	stale     bool          // a bucket was dropped since
}

// holders are the holders of one kind of keys. There are fewer than counters, since a
// holder takes 10 to 100 times as much memory. Those keys have one that have the most
// requests.
type holders struct {
	all      []holder
	free     []int32
	sets     int   // of a part
	least    int64 // no holder's key has fewer requests
	sketches sketches
}

func newHolders(n int, l layout, sets int) holders {
	h := holders{all: make([]holder, n), free: make([]int32, n), sets: sets, sketches: sketches{precision: l.precision, maxFree: l.maxFree()}}
	for i := range h.all {
		h.all[i] = holder{counter: none, parts: make([]part, l.buckets)}
		h.free[i] = int32(n - 1 - i)
	}
	return h
}

// clear takes a holder from its key.
func (h *holders) clear(i int32) {
	held := &h.all[i]
	for b := range held.parts {
		h.clearPart(held, b)
	}
	held.counter, held.estimates, held.changes, held.stale = none, [fingerprintSets]int64{}, 0, false
}

func (h *holders) clearPart(held *holder, bucket int) {
	p := &held.parts[bucket]
	for i := range p.sets {
		p.sets[i].clear(&h.sketches)
	}
	p.requests = 0
}

// advance empties the oldest bucket, which head is after of.advance, for the next use.
// Keys of which nothing is left lose their holders.
func (h *holders) advance(of *counters) {
	h.least = 0
	for i := range h.all {
		held := &h.all[i]
		switch {
		case held.counter == none:
		case of.all[held.counter].requests == 0:
			of.all[held.counter].holder = none
			h.release(int32(i))
		default:
			h.clearPart(held, of.head)
			held.stale = true
		}
	}
}

// release frees a holder.
func (h *holders) release(i int32) {
	h.clear(i)
	h.free = append(h.free, i)
}

// takeFor returns the number of a holder for a key that has none, or none: a free one,
// or that of the key with the fewest requests, if this one has more.
func (h *holders) takeFor(i int32, of *counters) int32 {
	n := int32(none)
	requests := of.all[i].requests
	switch {
	case len(h.free) > 0:
		n = h.free[len(h.free)-1]
		h.free = h.free[:len(h.free)-1]
	case !leads(requests, h.least):
		return none
	default:
		h.least = math.MaxInt64
		for at := range h.all {
			if r := of.all[h.all[at].counter].requests; r < h.least {
				n, h.least = int32(at), r
			}
		}
		if !leads(requests, h.least) {
			return none
		}
		of.all[h.all[n].counter].holder = none
		h.clear(n)
	}
	h.all[n].counter = i
	h.least = min(h.least, requests)
	of.all[i].holder = n
	return n
}

// leads reports whether a key with so many requests is to have the holder of one with
// least.
func leads(requests, least int64) bool {
	return requests >= least+max(minLead, least/leadShare)
}

// add adds hashes of values, 0 for none, to a holder. They are those of a number of
// requests.
func (h *holders) add(i int32, bucket int, values *[fingerprintSets]uint64, requests uint32) {
	held := &h.all[i]
	p := &held.parts[bucket]
	if p.sets == nil {
		p.sets = make([]distinct, h.sets)
	}
	for at := range p.sets {
		if values[at] != 0 {
			p.sets[at].add(values[at], &h.sketches)
		}
	}
	p.requests += int64(requests)
	held.changes++
}

// requests returns how many requests the values of a holder are of.
func (h *holders) requests(i int32) (n int64) {
	for _, p := range h.all[i].parts {
		n += p.requests
	}
	return n
}

// estimate returns how many distinct values a holder has. It is up to a second old if
// few requests came since.
func (h *holders) estimate(i int32, requests int64, now time.Duration) *[fingerprintSets]int64 {
	held := &h.all[i]
	age := now - held.at
	if held.stale || held.changes > 0 && (held.changes > requests/staleShare || age >= freshFor || age < 0) {
		for at := range h.sets {
			held.estimates[at] = h.sketches.estimate(held.parts, at)
		}
		held.at, held.changes, held.stale = now, 0, false
	}
	return &held.estimates
}
