// Package sink has the places where Events go: an events file that is rotated, a
// file of the latest Events, and a Recorder that writes to both.
//
// # Terms
//
// An events file has one Event as JSON on each line. Rotating it gives the file
// another name and begins a new one. The latest Events are a JSON array in a file
// that is replaced as a whole.
//
// # Files
//
// Both kinds of files are made with mode 0644, less the umask for events files.
// Who must not read the addresses and server names in them must not reach their
// folder. Errors are those of package os, with the path, and are safe to log.
//
// # Concurrency
//
// RotatingFile, Latest and Recorder are safe for use by several goroutines once
// their fields are set. The package starts no goroutine, but for the timer of
// RotatingFile.SyncEvery.
//
// # Compatibility
//
// The package follows Go's compatibility promise from version 1.0 on. The JSON is
// that of package event.
package sink
