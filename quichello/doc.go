// Package quichello extracts the TLS ClientHello from the UDP datagrams that a
// QUIC client sends. It opens the Initial packets, puts their CRYPTO frames in
// order, and returns the handshake message byte for byte.
//
// Anyone who sees a client's first Initial can open it, because its keys derive
// from its own header (RFC 9001, section 5.2). Opening also authenticates the
// packet, so a datagram of another protocol is not mistaken for a hello.
//
// See the example of [Assembler].
//
// # Terms
//
//   - A datagram is the payload of a UDP packet. It may have several QUIC packets,
//     of which only the Initials are read.
//   - A hello is a ClientHello message. A client sends it in CRYPTO frames of one or
//     more Initials. It sends a second one after a HelloRetryRequest.
//   - A flow is what one client sends to one server, from one port to another. It
//     may have several connections, which differ in their connection IDs.
//   - DCID and SCID are the destination and the source connection ID.
//
// # Errors
//
// The errors of [Assembler.Next] are [ErrAuthentication], [ErrFrame],
// [ErrTooLarge] and [ErrNotHello]. None is final: a later datagram may still
// complete a hello. A datagram without an Initial is not an error.
//
// # Concurrency and memory
//
// The package has no state. An [Assembler] must not be used by several
// goroutines at once, and neither must an [Opener] nor the Assemblers that
// share it. Functions and the methods of other types may be called at any time.
//
// What a client can make an Assembler hold and do is bounded: 64 KiB of CRYPTO
// data and 256 Initials on each of four connections, in time linear in the
// bytes received. A [Hello] does not alias the datagrams or the Assembler.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// New versions may open Initials of more versions of QUIC.
package quichello
