package tally

import (
	"cmp"
	"hash/maphash"
	"sync"
)

// DefaultMaxBytes is the bound on a table whose MaxBytes is 0.
const DefaultMaxBytes = 1 << 30

// overhead is what a row takes besides itself, its value and its example, in bytes:
// 32 in the index while that grows, and what it takes to sort the rows or to make room.
const overhead = 48

// A row is that of one value. R has no pointers, so that the garbage collector does not
// look at rows.
type row[R any] struct {
	value ref
	data  R
}

// rowChunk is for how many rows memory is allocated at a time.
const rowChunk = 256

// A table has a row for each value, within a bound in bytes. Rows are numbered in the
// order in which they came. All memory is in few large pieces.
type table[R any] struct {
	mu      sync.Mutex
	value   []byte // scratch for the value of an Event
	chunks  [][]row[R]
	n       int // rows
	values  arena
	index   index
	bytes   int64
	dropped int64
}

// at returns a row by its number.
func (t *table[R]) at(i int) *row[R] { return &t.chunks[i/rowChunk][i%rowChunk] }

// find returns the row of t.value, or nil, and the hash of it.
func (t *table[R]) find() (*R, uint32) {
	if t.index.slots == nil {
		t.index.init()
	}
	hash := t.index.hash(t.value)
	for i := hash; ; i++ {
		s := t.index.slots[i&t.index.mask()]
		if s == 0 {
			return nil, hash
		}
		if uint32(s>>32) == hash {
			if r := t.at(int(uint32(s)) - 1); string(t.values.at(r.value)) == string(t.value) {
				return &r.data, hash
			}
		}
	}
}

// add adds a row for t.value, which has none, and whose hash find has returned.
func (t *table[R]) add(hash uint32) *R {
	if t.n == len(t.chunks)*rowChunk {
		t.chunks = append(t.chunks, make([]row[R], rowChunk))
	}
	r := t.at(t.n)
	*r = row[R]{value: t.values.add(t.value)}
	t.n++
	t.index.insert(hash, t.n)
	return &r.data
}

// reserve adds n bytes to those of the table if they are within the bound.
func (t *table[R]) reserve(n int, maxBytes int64) bool {
	if t.bytes+int64(n) > cmp.Or(maxBytes, DefaultMaxBytes) {
		return false
	}
	t.bytes += int64(n)
	return true
}

// keep removes the rows for which keeps is false. The others stay in their order. size
// is what a row takes besides its value.
func (t *table[R]) keep(size int, keeps func(*R) bool) {
	rows := t.n
	t.n, t.bytes = 0, 0
	t.index.clear()
	t.values.rewind()
	for i := range rows {
		r := t.at(i)
		if !keeps(&r.data) {
			continue
		}
		value := t.values.at(r.value)
		kept := row[R]{t.values.add(value), r.data} // which moves it towards the front
		t.bytes += int64(textBytes(len(value)) + size)
		*t.at(t.n) = kept
		t.n++
		t.index.insert(t.index.hash(t.values.at(kept.value)), t.n)
	}
}

// Dropped returns the number of Events that were not counted, or are no longer, because
// the table was full.
func (t *table[R]) Dropped() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropped
}

// numbers returns the numbers of all rows.
func (t *table[R]) numbers() []uint32 {
	numbers := make([]uint32, t.n)
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	return numbers
}

// first returns the first elements, at most limit of them unless it is 0.
func first[E any](list []E, limit int) []E {
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return list
}

// An index finds rows by the hash of their value. It is a hash table with linear
// probing. A slot has the hash in its upper half, and in its lower one 1 + the number of
// the row, or 0 if it is free.
type index struct {
	seed  maphash.Seed
	slots []uint64
	used  int
}

func (x *index) init() {
	x.seed = maphash.MakeSeed()
	x.slots = make([]uint64, 16)
}

func (x *index) mask() uint32 { return uint32(len(x.slots) - 1) }

func (x *index) hash(value []byte) uint32 { return uint32(maphash.Bytes(x.seed, value)) }

// insert adds the row whose number is n-1.
func (x *index) insert(hash uint32, n int) {
	if x.used++; x.used > len(x.slots)/4*3 {
		old := x.slots
		x.slots = make([]uint64, 2*len(old))
		for _, s := range old {
			if s != 0 {
				x.put(s)
			}
		}
	}
	x.put(uint64(hash)<<32 | uint64(n))
}

func (x *index) put(slot uint64) {
	i := uint32(slot >> 32)
	for x.slots[i&x.mask()] != 0 {
		i++
	}
	x.slots[i&x.mask()] = slot
}

func (x *index) clear() {
	clear(x.slots)
	x.used = 0
}
