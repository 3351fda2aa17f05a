package signals

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"unicode/utf8"
)

// maxKey is how long a key may be in bytes. No fingerprint is.
const maxKey = 256

// shortKey returns key, or a text of maxKey bytes in its place that only it has.
func shortKey(key string) string {
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	digest := hex.EncodeToString(sum[:])
	cut := maxKey - len(digest)
	for cut > 0 && !utf8.RuneStart(key[cut]) {
		cut--
	}
	return key[:cut] + digest
}

// A cell has what was counted of a key in one bucket of time.
type cell struct {
	requests, h2, h3, tells uint32
	missed                  uint32 // at most how many more there were before the key had its counter
	inherited               uint32 // of the keys that had it before
}

// add adds a sample. It returns false if a count is at its end.
func (c *cell) add(s *hashed) bool {
	if c.requests == math.MaxUint32-c.inherited || max(c.h2, c.h3) == math.MaxUint32 {
		return false
	}
	c.requests += s.requests
	c.h2 += s.h2
	c.h3 += s.h3
	c.tells += s.tells
	return true
}

// A counter is that of one key.
type counter struct {
	key    string
	hash   uint64
	place  int32 // in the heap
	holder int32 // the number of its holder, or none

	requests, h2, h3, tells int64 // of all cells
	missed, inherited       int64 // likewise
	limit                   int64 // missed is no more than this, whatever the cells say
}

const none = -1

// atMost returns the highest that the number of requests can be.
func (c *counter) atMost() int64 { return c.requests + min(c.missed, c.limit) }

// rank is by what a counter loses its key to another: the lowest first.
func (c *counter) rank() int64 { return c.requests + c.inherited }

// counters are the counters of one kind of keys, by Space-Saving (Metwally, Agrawal and
// El Abbadi, 2005): if there is no counter left for a key, it gets the one with the
// lowest count, and adds to that. These counts, the ranks, are together as many as there
// are requests. So the lowest is no more than the average, and a key with more requests
// keeps its counter.
//
// Counts leave the window with the bucket that they were made in. So the count of another
// key no longer bounds what this one may have missed, and that is kept besides: no key
// without a counter has occurred more often in a bucket than the highest count that a key
// can have had in it when it lost its counter, nor in the window more often than the
// highest count that a key can have had when it lost its counter there.
type counters struct {
	all     []counter
	cells   []cell // of all, a row of buckets for each
	buckets int
	head    int     // the bucket of now, in a row
	index   []int32 // open addressing; 1 + the number of a counter, or 0
	heap    []int32 // numbers, the one with the lowest rank first

	lostIn   []uint32 // by bucket: the highest count in it of a key that lost its counter
	lost     []int64  // by bucket: the highest count in the window of one that lost it then
	replaced int64
}

func newCounters(n, buckets int) counters {
	slots := 4
	for slots < 2*n {
		slots *= 2
	}
	return counters{
		all:     make([]counter, 0, n),
		cells:   make([]cell, n*buckets),
		buckets: buckets,
		index:   make([]int32, slots),
		heap:    make([]int32, 0, n),
		lostIn:  make([]uint32, buckets),
		lost:    make([]int64, buckets),
	}
}

// row returns the cells of counter i.
func (t *counters) row(i int32) []cell { return t.cells[int(i)*t.buckets:][:t.buckets] }

// find returns the number of the counter of key, or none.
func (t *counters) find(key string, hash uint64) int32 {
	for at := t.home(hash); t.index[at] != 0; at = t.next(at) {
		if c := &t.all[t.index[at]-1]; c.hash == hash && c.key == key {
			return t.index[at] - 1
		}
	}
	return none
}

func (t *counters) home(hash uint64) int { return int(hash & uint64(len(t.index)-1)) }

func (t *counters) next(at int) int { return (at + 1) & (len(t.index) - 1) }

// take returns the number of a counter for key, which has none. If it was that of
// another key, free is called with the number before.
func (t *counters) take(key string, hash uint64, free func(int32)) int32 {
	i := int32(len(t.all))
	if len(t.all) < cap(t.all) {
		t.all = append(t.all, counter{place: i})
		t.heap = append(t.heap, i)
	} else {
		i = t.heap[0]
		free(i)
		t.lose(i)
	}
	c := &t.all[i]
	*c = counter{key: strings.Clone(key), hash: hash, place: c.place, holder: none, inherited: c.rank()}
	row := t.row(i)
	for b := range row {
		row[b] = cell{missed: t.lostIn[b], inherited: row[b].requests + row[b].inherited}
		c.missed += int64(t.lostIn[b])
		c.limit = max(c.limit, t.lost[b])
	}
	at := t.home(hash)
	for t.index[at] != 0 {
		at = t.next(at)
	}
	t.index[at] = i + 1
	t.up(int(c.place))
	t.down(int(c.place))
	return i
}

// lose takes counter i from its key.
func (t *counters) lose(i int32) {
	c := &t.all[i]
	t.replaced++
	t.lost[t.head] = max(t.lost[t.head], c.atMost())
	for b, cell := range t.row(i) {
		in := int64(cell.requests) + min(int64(cell.missed), c.limit)
		t.lostIn[b] = max(t.lostIn[b], uint32(min(in, math.MaxUint32)))
	}
	at := t.home(c.hash)
	for t.index[at] != i+1 {
		at = t.next(at)
	}
	t.unindex(at)
}

// unindex frees a place of the index, and moves those after it that it kept from
// theirs.
func (t *counters) unindex(free int) {
	mask := len(t.index) - 1
	for at := t.next(free); t.index[at] != 0; at = t.next(at) {
		home := t.home(t.all[t.index[at]-1].hash)
		if (at-home)&mask >= (at-free)&mask {
			t.index[free] = t.index[at]
			free = at
		}
	}
	t.index[free] = 0
}

// add adds a sample to counter i.
func (t *counters) add(i int32, s *hashed) {
	c := &t.all[i]
	if !t.cells[int(i)*t.buckets+t.head].add(s) {
		return
	}
	c.requests += int64(s.requests)
	c.h2 += int64(s.h2)
	c.h3 += int64(s.h3)
	c.tells += int64(s.tells)
	t.down(int(c.place))
}

// advance begins another bucket, in the place of the oldest.
func (t *counters) advance() {
	t.head = (t.head + 1) % t.buckets
	t.lostIn[t.head], t.lost[t.head] = 0, 0
	for i := range t.all {
		c, old := &t.all[i], &t.cells[i*t.buckets+t.head]
		c.requests -= int64(old.requests)
		c.h2 -= int64(old.h2)
		c.h3 -= int64(old.h3)
		c.tells -= int64(old.tells)
		c.missed -= int64(old.missed)
		c.inherited -= int64(old.inherited)
		*old = cell{}
	}
	for at := len(t.heap)/2 - 1; at >= 0; at-- {
		t.down(at)
	}
}

// down moves the counter at a place of the heap down to where it belongs.
func (t *counters) down(at int) {
	i := t.heap[at]
	count := t.all[i].rank()
	for {
		child := 2*at + 1
		if child >= len(t.heap) {
			break
		}
		low := t.all[t.heap[child]].rank()
		if right := child + 1; right < len(t.heap) {
			if r := t.all[t.heap[right]].rank(); r < low {
				child, low = right, r
			}
		}
		if low >= count {
			break
		}
		t.put(at, t.heap[child])
		at = child
	}
	t.put(at, i)
}

// up moves the counter at a place of the heap up to where it belongs.
func (t *counters) up(at int) {
	i := t.heap[at]
	count := t.all[i].rank()
	for at > 0 {
		parent := (at - 1) / 2
		if t.all[t.heap[parent]].rank() <= count {
			break
		}
		t.put(at, t.heap[parent])
		at = parent
	}
	t.put(at, i)
}

func (t *counters) put(at int, i int32) {
	t.heap[at] = i
	t.all[i].place = int32(at)
}
