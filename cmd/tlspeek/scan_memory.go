package main

import (
	"cmp"
	"os"
	"runtime/debug"
)

const (
	// fixedMemory is about what a scan takes besides its state and its table: the heap of
	// the rest, and room for the garbage collector.
	fixedMemory = 32 << 20

	// programMemory is about what the program itself takes, outside of the heap.
	programMemory = 24 << 20

	// maxTrackers is how many bytes the clients of a file take at most.
	maxTrackers = 16 << 20
)

// divideMemory divides --max-memory between so many jobs and the table of all of them, if
// there is one. A job has three eighths for its scanner, of which that takes three
// quarters, and a sixteenth for the clients whose connections it compares. The table has
// half of what one job may take, but for fixedMemory. So the process takes at most
// --max-memory for each job, however many values there are. divideMemory returns a
// function that undoes what it has set for the process.
func (s *scan) divideMemory(jobs int) (restore func()) {
	memory := s.memory << 20
	s.reader.MaxMemory = memory
	if s.output.top == "" && s.output.unique == "" {
		return func() {}
	}
	s.reader.MaxMemory = memory / 8 * 3
	s.output.trackersBytes = int(min(memory/16, maxTrackers))
	table := max(memory/2-fixedMemory, memory/8)
	s.output.topTable.MaxBytes = cmp.Or(s.output.topTable.MaxBytes, table)
	s.output.uniqueTable.MaxBytes = cmp.Or(s.output.uniqueTable.MaxBytes, table)
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(max(memory/2*int64(jobs+1)-programMemory, fixedMemory))
	return func() { debug.SetMemoryLimit(before) }
}
