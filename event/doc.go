// Package event makes Events. An [Event] is one ClientHello with all that follows
// from it: addresses, fingerprints, the clients that may have sent it, and signs that
// it is an imitation. It has the same form whether the hello came from a capture or
// from a live connection.
//
// An [Observer] makes the Event of an [Observation], which packages capture and
// server provide; see the example of Observer. [Fields] lists the keys of the JSON,
// and docs/event.md describes them.
//
// # Terms
//
//   - An observation is a hello with what its carrier shows: time, addresses, records
//     or datagrams. It may also be a connection without a hello, and the reason.
//   - The carrier is what the message arrived in: TLS records, DTLS records or QUIC
//     packets, and the TCP segments or datagrams below them.
//   - The size of an Event says how much it has: [Compact], [Full] or [Detail].
//   - The origin of an Event is live or offline: a server or a capture.
//   - A [Memo] remembers what Observers computed for hellos that differ only in random
//     bytes. It changes no result.
//
// # Concurrency and memory
//
// An Observer is for one goroutine, a Memo for several. An Event may be read by
// several goroutines. Its slices and pointers belong to the caller, except as
// [Observer.Event] says.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// The keys of the JSON and their meaning stay within a major version. New versions
// may add keys, also inside objects, and new tells and clients, so a reader must
// ignore keys that it does not know. Fingerprints change only as package
// fingerprint says. Texts in error are for people and may change.
package event
