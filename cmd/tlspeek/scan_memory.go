package main

import (
	"cmp"
	"os"
	"runtime/debug"
)

const (
	// fixedMemory is about what a scan takes besides its state and its table: the heap of
	// the rest, and what the table takes for a moment while it is printed.
	fixedMemory = 16 << 20

	// programMemory is about what the program itself takes, outside of the heap.
	programMemory = 24 << 20
)

// divideMemory divides --max-memory between the scanners of so many jobs and the table
// of all of them, if there is one: each scanner has one half, and the table the other
// half of one job. So the process takes about --max-memory for each job, however many
// values there are. It returns a function that undoes what it has set for the process.
func (s *scan) divideMemory(jobs int) (restore func()) {
	memory := s.memory << 20
	s.reader.MaxMemory = memory
	if s.output.top == "" && s.output.unique == "" {
		return func() {}
	}
	s.reader.MaxMemory = memory / 2
	table := max(memory/2-fixedMemory, memory/4)
	s.output.topTable.MaxBytes = cmp.Or(s.output.topTable.MaxBytes, table)
	s.output.uniqueTable.MaxBytes = cmp.Or(s.output.uniqueTable.MaxBytes, table)
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(max(memory/2*int64(jobs+1)-programMemory, 2*programMemory))
	return func() { debug.SetMemoryLimit(before) }
}
