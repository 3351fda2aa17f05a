// Package tally counts Events by the value of a column: how often each value occurs
// ([Top]), and each value with its first and last time and an example ([Unique]).
//
// # Terms
//
// The value of an Event is the text that it has in an [output.Column]. It is empty if
// the Event does not have the column.
//
// # Concurrency and memory
//
// The tables are safe for concurrent use: goroutines that read different captures add
// to one table. The zero value of a table, with its exported fields set, is ready.
//
// A table holds a row for each value, and at most MaxBytes of rows. They are compact: a
// Top takes about 70 bytes for a value besides its text, and a Unique about 130, besides
// its text and an example, which is compressed. Beyond MaxBytes a Top forgets the values
// that occurred least, so that it has the most frequent ones, and a Unique takes no new
// ones. Both say how many Events are in no row: Dropped, and the last line of Write. The
// package starts no goroutine.
//
// # Compatibility
//
// Exported names, the text of Top and the keys of Unique's JSON stay as they are
// within a major version. Keys may be added.
package tally
