package signals

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// DefaultMaxBytes is the bound on the memory of a Table whose MaxBytes is 0.
	DefaultMaxBytes = 64 << 20

	// MinMaxBytes is the least bound. Less has room for no more than a few keys.
	MinMaxBytes = 1 << 20

	// Window is the time that values are over. It ends with the present bucket of five
	// minutes, so it is an hour less up to five minutes.
	Window = windowBuckets * bucketTime

	windowBuckets = 12
	bucketTime    = 5 * time.Minute

	// minRateTime is what a rate is over at least: a few requests after the start are no
	// flood.
	minRateTime = time.Minute
)

// Options are those of a [Table].
type Options struct {
	// MaxBytes bounds the memory of all that the table ever holds. 0 is for
	// DefaultMaxBytes, and less than MinMaxBytes counts as that.
	MaxBytes int64

	// Total is for values over everything that is observed, in any order, in place of
	// the last hour. Rates are over the time from the first observation to the last.
	Total bool

	// Reproducible has the same observations give the same values in every process, for
	// captures. The hash then has no secret, and the five minutes of a count are those of
	// the clock: who makes the capture can choose values that count as one.
	Reproducible bool
}

// A Table counts, for each JA4, stable form, client and network, what the requests of
// the last hour have in common, in bounded memory. It is safe for use by several
// goroutines.
type Table struct {
	secret secret
	start  time.Time
	kinds  [Kinds]keys
}

// keys are those of one kind.
type keys struct {
	mu       sync.Mutex
	counters counters
	holders  holders
	total    bool
	requests int64
	begun    bool
	bucket   int64         // the number of the present one
	since    time.Duration // from the start to the first observation
	last     time.Duration // and to the last
}

// New returns an empty Table.
func New(o Options) *Table {
	l := windowLayout
	if o.Total {
		l = totalLayout
	}
	size := sizeFor(cmp.Or(o.MaxBytes, DefaultMaxBytes), l)
	if o.Reproducible {
		return newTable(size, l, time.Unix(0, 0))
	}
	t := newTable(size, l, time.Now())
	var key [16]byte
	rand.Read(key[:]) // which never fails
	t.secret = secret{binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])}
	return t
}

// newTable returns an empty Table with the zero secret.
func newTable(s size, l layout, start time.Time) *Table {
	t := &Table{start: start}
	for k := range t.kinds {
		keys := &t.kinds[k]
		keys.total = l == totalLayout
		keys.counters = newCounters(s.counters, l.buckets)
		keys.holders = newHolders(s.holders[k], l, setsOf(Kind(k)))
	}
	return t
}

// Observe counts a request at a time.
func (t *Table) Observe(s Sample, now time.Time) {
	at := now.Sub(t.start)
	h := t.secret.hashed(&s)
	values := [fingerprintSets]uint64{setAddresses: h.addr, setUserAgents: h.userAgent, setPaths: h.path, setServerNames: h.serverName}
	for k, key := range [...]string{JA4: s.JA4, Stable: s.Stable, Client: s.Client} {
		if key != "" {
			key = shortKey(key)
			t.kinds[k].observe(key, t.secret.hash(key), &h, &values, at)
		}
	}
	if p := prefixOf(s.Addr); p.IsValid() {
		var text [maxPrefixText]byte
		values = [fingerprintSets]uint64{setJA4s: h.ja4}
		key := p.AppendTo(text[:0])
		t.kinds[Prefix].observe(string(key), t.secret.hash(string(key)), &h, &values, at)
	}
}

const maxPrefixText = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")

func (t *keys) observe(key string, hash uint64, h *hashed, values *[fingerprintSets]uint64, at time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance(at)
	t.seen(at)
	i := t.counters.find(key, hash)
	switch {
	case i != none:
	case h.requests == 0:
		return
	default:
		i = t.counters.take(key, hash, t.free)
	}
	t.requests += int64(h.requests)
	t.counters.add(i, h)
	n := t.counters.all[i].holder
	if n == none {
		n = t.holders.takeFor(i, &t.counters)
	}
	if n != none {
		t.holders.add(n, t.counters.head, values, h.requests)
	}
}

// free frees the holder of a counter, if it has one.
func (t *keys) free(i int32) {
	if n := t.counters.all[i].holder; n != none {
		t.holders.release(n)
	}
}

// seen keeps the times of the first observation and of the last.
func (t *keys) seen(at time.Duration) {
	if !t.begun {
		t.begun, t.since, t.last = true, at, at
		return
	}
	t.since, t.last = min(t.since, at), max(t.last, at)
}

// advance begins the bucket of a time, and drops those that have left the window. If
// the clock was set back, what was counted stays, as that of now.
func (t *keys) advance(at time.Duration) {
	if t.total {
		return
	}
	now := int64(at / bucketTime)
	if at < 0 {
		now = int64((at+1)/bucketTime) - 1
	}
	steps := now - t.bucket
	switch {
	case !t.begun:
		steps = 0
	case steps == -1: // another goroutine has read the clock before
		return
	case steps < 0:
		steps = 1                               // lest the rate be that of two buckets in one
		t.since = min(t.since, at-2*bucketTime) // nor that of all since now
	}
	t.bucket = now
	for range min(steps, windowBuckets) {
		t.counters.advance()
		t.holders.advance(&t.counters)
	}
}

// Lookup returns the Values of a key: of the network of an address, or else of a JA4,
// of a stable form or of the name of a client. It returns false if the key has none.
func (t *Table) Lookup(key string, now time.Time) (Values, bool) {
	if p := parsePrefix(key); p.IsValid() {
		r, ok := t.lookupPrefix(p, now)
		return r.Values, ok
	}
	key = shortKey(key)
	hash, at := t.secret.hash(key), now.Sub(t.start)
	for k := range Prefix {
		if v, ok := t.kinds[k].lookup(key, hash, at); ok {
			return v.Values, true
		}
	}
	return Values{}, false
}

// Row returns the row of a key of a kind. The key of a network may be an address in it.
func (t *Table) Row(k Kind, key string, now time.Time) (Row, bool) {
	if k == Prefix {
		p := parsePrefix(key)
		if !p.IsValid() {
			return Row{}, false
		}
		r, ok := t.lookupPrefix(p, now)
		r.Kind, r.Value = k, p.String()
		return r, ok
	}
	key = shortKey(key)
	r, ok := t.kinds[k].lookup(key, t.secret.hash(key), now.Sub(t.start))
	r.Kind, r.Value = k, key
	return r, ok
}

func (t *Table) lookupPrefix(p netip.Prefix, now time.Time) (Row, bool) {
	var text [maxPrefixText]byte
	key := p.AppendTo(text[:0])
	return t.kinds[Prefix].lookup(string(key), t.secret.hash(string(key)), now.Sub(t.start))
}

// lookup returns the row of a key, without its Kind and its Value.
func (t *keys) lookup(key string, hash uint64, at time.Duration) (r Row, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance(at)
	i := t.counters.find(key, hash)
	if i == none || t.counters.all[i].requests == 0 {
		return r, false
	}
	c := &t.counters.all[i]
	r.Requests, r.AtMost = c.requests, c.atMost()
	r.H2Ratio, r.H3Ratio, r.TellsRatio = share(c.h2, c.requests), share(c.h3, c.requests), share(c.tells, c.requests)
	r.Rate = t.rate(i, at)
	if c.holder != none {
		r.DistinctOf = min(t.holders.requests(c.holder), c.requests)
		e := *t.holders.estimate(c.holder, c.requests, at)
		for i := range e {
			e[i] = min(e[i], c.requests) // an estimate may be too high
		}
		if t.holders.sets == prefixSets {
			r.JA4s = e[setJA4s]
		} else {
			r.Addresses, r.UserAgents, r.Paths, r.ServerNames = e[setAddresses], e[setUserAgents], e[setPaths], e[setServerNames]
		}
	}
	return r, true
}

// share returns the share that n has of all.
func share(n, all int64) float64 { return float64(min(n, all)) / float64(all) }

// rate returns the requests of a counter a second: over the present bucket and the one
// before, but not over the time before the first observation, or else over all time.
func (t *keys) rate(i int32, at time.Duration) float64 {
	if t.total {
		over := t.last - t.since
		if over < 0 {
			over = math.MaxInt64 // more than a Duration can be
		}
		return float64(t.counters.all[i].requests) / max(over, time.Second).Seconds()
	}
	row := t.counters.row(i)
	before := (t.counters.head + len(row) - 1) % len(row)
	requests := int64(row[t.counters.head].requests) + int64(row[before].requests)
	over := at - time.Duration(t.bucket-1)*bucketTime
	over = min(max(over, bucketTime), at-t.since)
	return float64(requests) / max(over, minRateTime).Seconds()
}

// Top returns the rows of the keys of a kind that have the most requests, the highest
// first and equal ones by key: at most limit of them, or all if limit is 0.
func (t *Table) Top(k Kind, limit int, now time.Time) []Row {
	type entry struct {
		key      string
		hash     uint64
		requests int64
	}
	keys, at := &t.kinds[k], now.Sub(t.start)
	keys.mu.Lock()
	keys.advance(at)
	list := make([]entry, 0, len(keys.counters.all))
	for i := range keys.counters.all {
		if c := &keys.counters.all[i]; c.requests > 0 {
			list = append(list, entry{c.key, c.hash, c.requests})
		}
	}
	keys.mu.Unlock()
	slices.SortFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(b.requests, a.requests), cmp.Compare(a.key, b.key))
	})
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	rows := make([]Row, 0, len(list))
	for i := range list { // each under a lock of its own, so that no request waits for all
		if r, ok := keys.lookup(list[i].key, list[i].hash, at); ok {
			r.Kind, r.Value = k, list[i].key
			rows = append(rows, r)
		}
	}
	return rows
}

// Stats returns how full the table is for a kind of keys.
func (t *Table) Stats(k Kind, now time.Time) Stats {
	keys := &t.kinds[k]
	keys.mu.Lock()
	defer keys.mu.Unlock()
	keys.advance(now.Sub(t.start))
	used := 0
	for i := range keys.counters.all {
		if keys.counters.all[i].requests > 0 {
			used++
		}
	}
	return Stats{
		Slots:    cap(keys.counters.all),
		Used:     used,
		Holders:  len(keys.holders.all),
		Requests: keys.requests,
		Replaced: keys.counters.replaced,
	}
}

// String says how many keys the table has room for.
func (t *Table) String() string {
	return fmt.Sprintf("%d keys of a kind, and the distinct values of %d of them (%d networks)", cap(t.kinds[JA4].counters.all), len(t.kinds[JA4].holders.all), len(t.kinds[Prefix].holders.all))
}
