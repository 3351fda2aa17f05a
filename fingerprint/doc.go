// Package fingerprint computes the fingerprints of TLS clients from a ClientHello:
// JA3, JA4, Cisco's NPF, the ids of tlsfingerprint.io and a stable form of its own.
// [HTTP2] computes the one of a client's HTTP/2 connection, and [AppendHTTP3] that of an
// HTTP/3 connection. Each follows its
// specification, which its documentation names.
//
// Most fingerprints have two functions. JA4(h) returns a string, and AppendJA4(dst,
// h) appends it to a buffer. [Methods] lists all of them in one form; see the
// examples of [JA4], [JA3] and [HTTP2]. Package explain says what a fingerprint is
// made of.
//
// # Terms
//
//   - A fingerprint is a short text that is equal for all hellos of a client with
//     one configuration, as far as its method can tell.
//   - A method is one definition of a fingerprint. Its full or raw form is the text
//     behind a digest: [JA3Full] behind [JA3], [JA4R] behind [JA4].
//   - GREASE is a value that RFC 8701 reserves. Clients draw it at random, so methods
//     leave it out or replace all such values by one.
//   - The wire order is the order in which the client sent the values of a list.
//
// # Absent fingerprints
//
// A method that does not apply returns the empty string, or appends nothing: one of
// QUIC to a hello over TCP, or any to a hello in SSLv2 format. For a hello that could
// be read only in part the values are those of the part, which is of no use:
// check the error of Unmarshal first.
//
// # Concurrency and memory
//
// The functions have no state, change nothing that they read, and may be called by
// several goroutines at once. An [HTTP2], an [HTTP3Control] and
// an [HTTP3Request] are for one goroutine.
//
// Functions that append use dst[len(dst):cap(dst)] as scratch memory. If it is large
// enough, and no list is longer than those of known clients, they allocate nothing.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// The value of a fingerprint for a given hello changes only where it deviated from
// its specification, and CHANGELOG.md names each such change. The keys of Methods
// stay; new versions may add methods.
package fingerprint
