// Package output writes Events in the formats that other programs read: JSON lines,
// CSV and TSV.
//
// A [Format] opens a [Writer] on an io.Writer. In a tabular format an Event is a row
// of values, one for each [Column] that [Options] names.
//
// # Terms
//
//   - A format is a way to write Events. [Formats] lists all.
//   - A column is a value of an Event under a name: a key of the JSON form, such as
//     "sni", or a part of its value, such as "carrier.segments". [Columns] lists all.
//   - A row is a line of values in a tabular format.
//
// # Text
//
// An Event's text is printable, also where a client chose it: see
// [parser.AppendText]. So a value has no tabs and line feeds, and TSV needs no
// quotes.
//
// # Concurrency and memory
//
// Formats and columns are read-only. A Writer is not safe for concurrent use, and
// holds back at most 8 KiB and one Event. The package starts no goroutine.
//
// # Compatibility
//
// Exported names, the names of formats and the names of columns stay as they are
// within a major version. New formats and columns may be added, and tables have new
// columns by default. So name the columns that a program depends on.
package output
