// Package sink has the places where Events go: an events file that is rotated, with a
// Queue in front of it, a file of the latest Events, and a Recorder for both.
//
// # Terms
//
// An events file has one Event as JSON on each line. Rotating it gives the file
// another name and begins a new one. The latest Events are a JSON array in a file
// that is replaced as a whole.
//
// # Files
//
// Both kinds of files have mode 0644; the umask applies to events files. They hold
// addresses and server names: use a folder that only their readers can
// enter. Errors are those of package os, with the path, and are safe to log.
//
// # Concurrency
//
// RotatingFile, Queue, Latest and Recorder are safe for use by several goroutines
// once their fields are set. Queue.Run and Recorder.Run are for goroutines of the
// caller. The package starts none, but for the timer of RotatingFile.SyncEvery and
// that of the messages of a Queue.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// The JSON is that of package event.
package sink
