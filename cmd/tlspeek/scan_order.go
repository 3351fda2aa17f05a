package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
)

// errOutput marks errors of writing, which end a scan.
var errOutput = errors.New("writing the results")

// maxAhead is how much may be written before its turn comes, in bytes, for all
// files together. Then jobs wait. It is kept in chunks, which are used again.
const (
	maxAhead  = 4 << 20
	chunkSize = 64 << 10
)

// An orderedWriter joins what is written for several files at the same time:
// file after file, in their order.
type orderedWriter struct {
	mu      sync.Mutex
	changed sync.Cond
	w       *bufio.Writer
	current int // the file whose turn it is
	closed  map[int]*turn
	ahead   int // bytes written before their turn
	free    [][]byte
	err     error // of w
}

// A turn is what is written for one file.
type turn struct {
	o     *orderedWriter
	file  int
	ahead [][]byte // what was written before its turn
}

func newOrderedWriter(w io.Writer) *orderedWriter {
	o := &orderedWriter{w: bufio.NewWriterSize(w, 64<<10), closed: make(map[int]*turn)}
	o.changed.L = &o.mu
	return o
}

// turn returns what writes for the file of that number, from 0.
func (o *orderedWriter) turn(file int) *turn { return &turn{o: o, file: file} }

// Write writes one line.
func (t *turn) Write(line []byte) (int, error) {
	o := t.o
	o.mu.Lock()
	defer o.mu.Unlock()
	for t.file != o.current && o.ahead > maxAhead && o.err == nil {
		o.changed.Wait()
	}
	if t.file != o.current {
		t.keep(line)
	} else {
		t.catchUp()
		o.write(line)
	}
	return len(line), o.failure()
}

// keep keeps a line whose turn has not come.
func (t *turn) keep(line []byte) {
	o := t.o
	o.ahead += len(line)
	last := len(t.ahead) - 1
	if last < 0 || cap(t.ahead[last])-len(t.ahead[last]) < len(line) {
		var chunk []byte
		if n := len(o.free); n > 0 && len(line) <= chunkSize {
			chunk, o.free = o.free[n-1], o.free[:n-1]
		} else {
			chunk = make([]byte, 0, max(chunkSize, len(line)))
		}
		t.ahead = append(t.ahead, chunk)
		last++
	}
	t.ahead[last] = append(t.ahead[last], line...)
}

// catchUp writes what was written before the turn, which has come.
func (t *turn) catchUp() {
	o := t.o
	for _, chunk := range t.ahead {
		o.write(chunk)
		o.ahead -= len(chunk)
		if cap(chunk) == chunkSize {
			o.free = append(o.free, chunk[:0])
		}
	}
	t.ahead = nil
}

// flush writes out what is buffered, if it is the file's turn.
func (t *turn) flush() error {
	o := t.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if t.file == o.current {
		t.catchUp()
		if o.err == nil {
			o.err = o.w.Flush()
		}
	}
	return o.failure()
}

// close ends the file. If it was its turn, that of the next has come.
func (t *turn) close() error {
	o := t.o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed[t.file] = t
	for c := o.closed[o.current]; c != nil; c = o.closed[o.current] {
		c.catchUp()
		delete(o.closed, o.current)
		o.current++
	}
	o.changed.Broadcast()
	return o.failure()
}

func (o *orderedWriter) write(b []byte) {
	if o.err == nil {
		_, o.err = o.w.Write(b)
	}
}

// finish writes out what is left.
func (o *orderedWriter) finish() error {
	if o.err == nil {
		o.err = o.w.Flush()
	}
	return o.failure()
}

func (o *orderedWriter) failure() error {
	if o.err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errOutput, o.err)
}
