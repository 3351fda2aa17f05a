// Package ordered joins what several goroutines write at the same time into one
// stream, part after part.
package ordered

import (
	"bufio"
	"io"
	"sync"
)

// maxHeld is how many bytes may be held for parts whose turn has not come, for all
// parts together. Then their writers wait. The bytes are held in chunks, which are
// used again.
const (
	maxHeld   = 4 << 20
	chunkSize = 64 << 10
)

// A Writer joins parts. Its methods and those of its parts are safe for concurrent
// use. After an error of the io.Writer it writes nothing more, and returns the error
// again.
type Writer struct {
	mu      sync.Mutex
	changed sync.Cond
	w       *bufio.Writer
	current int           // the part that is written through
	closed  map[int]*Part // that come after current
	held    int           // bytes of parts that come after current
	free    [][]byte
	err     error // of w
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w io.Writer) *Writer {
	o := &Writer{w: bufio.NewWriterSize(w, chunkSize), closed: make(map[int]*Part)}
	o.changed.L = &o.mu
	return o
}

// Write writes at once, ahead of what parts hold. It is for what stands before the
// first part and behind the last.
func (o *Writer) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write(b)
	return len(b), o.err
}

// Flush writes what is buffered. Parts that wait for their turn are not.
func (o *Writer) Flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.flush()
}

func (o *Writer) write(b []byte) {
	if o.err == nil {
		_, o.err = o.w.Write(b)
	}
}

func (o *Writer) flush() error {
	if o.err == nil {
		o.err = o.w.Flush()
	}
	return o.err
}

// A Part is a part of the stream. It must be closed for the next part to follow.
type Part struct {
	o      *Writer
	number int
	held   [][]byte
}

// Part returns the part of the given number. Parts are numbered from 0, without
// gaps, and each number may be taken once.
func (o *Writer) Part(number int) *Part { return &Part{o: o, number: number} }

// Write writes b once all parts before have ended, and holds it until then. If too
// much is held, it waits.
func (p *Part) Write(b []byte) (int, error) {
	o := p.o
	o.mu.Lock()
	defer o.mu.Unlock()
	for p.number != o.current && o.held > maxHeld && o.err == nil {
		o.changed.Wait()
	}
	if p.number != o.current {
		p.hold(b)
	} else {
		p.release()
		o.write(b)
	}
	return len(b), o.err
}

// hold copies b for later.
func (p *Part) hold(b []byte) {
	o := p.o
	o.held += len(b)
	last := len(p.held) - 1
	if last < 0 || cap(p.held[last])-len(p.held[last]) < len(b) {
		var chunk []byte
		if n := len(o.free); n > 0 && len(b) <= chunkSize {
			chunk, o.free = o.free[n-1], o.free[:n-1]
		} else {
			chunk = make([]byte, 0, max(chunkSize, len(b)))
		}
		p.held = append(p.held, chunk)
		last++
	}
	p.held[last] = append(p.held[last], b...)
}

// release writes what was held, because the turn of p has come.
func (p *Part) release() {
	o := p.o
	for _, chunk := range p.held {
		o.write(chunk)
		o.held -= len(chunk)
		if cap(chunk) == chunkSize {
			o.free = append(o.free, chunk[:0])
		}
	}
	p.held = nil
}

// Flush writes what is buffered if the turn of p has come.
func (p *Part) Flush() error {
	o := p.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.number != o.current {
		return o.err
	}
	p.release()
	return o.flush()
}

// Close ends the part.
func (p *Part) Close() error {
	o := p.o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed[p.number] = p
	for c := o.closed[o.current]; c != nil; c = o.closed[o.current] {
		c.release()
		delete(o.closed, o.current)
		o.current++
	}
	o.changed.Broadcast()
	return o.err
}
