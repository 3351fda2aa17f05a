package tally

import (
	"cmp"
	"sync"
)

// DefaultMaxBytes is the bound on a table whose MaxBytes is 0.
const DefaultMaxBytes = 1 << 30

// rowBytes is what a row takes besides its value and its example, in bytes: the row
// itself and its place in the map, whose load is 7/16 at worst.
const rowBytes = 200

// A table has a row for each value, within a bound in bytes.
type table[R any] struct {
	mu      sync.Mutex
	rows    map[string]*R
	value   []byte // scratch for the value of an Event
	bytes   int64
	dropped int64
}

// reserve adds n bytes to those of the table if they are within the bound. Otherwise
// it counts the Event at hand as dropped.
func (t *table[R]) reserve(n int, maxBytes int64) bool {
	if t.bytes+int64(n) > cmp.Or(maxBytes, DefaultMaxBytes) {
		t.dropped++
		return false
	}
	t.bytes += int64(n)
	return true
}

// put puts a row into the table and returns the value in memory of its own.
func (t *table[R]) put(row *R) string {
	if t.rows == nil {
		t.rows = make(map[string]*R)
	}
	value := string(t.value)
	t.rows[value] = row
	return value
}

// Dropped returns the number of Events that were not counted because the table was
// full.
func (t *table[R]) Dropped() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropped
}

// first returns the first rows, at most limit of them unless it is 0.
func first[R any](rows []R, limit int) []R {
	if limit > 0 {
		rows = rows[:min(limit, len(rows))]
	}
	return rows
}
