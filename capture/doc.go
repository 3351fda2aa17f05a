// Package capture finds TLS ClientHellos in packet captures: over TCP, QUIC, DTLS
// and SCTP, and in EAP, on any port, in any encapsulation, however they are
// fragmented. A million random datagrams, and as many random segments, give none.
//
// [Read] reads a pcap, pcapng or snoop file or stream, also a compressed one.
// [Reader.ReadPackets] reads packets from a source of gopacket's, such as a live
// interface. Both read the packets once, in order, and call a function with each
// [Hello]. [Hello.Observation] turns it into what package event takes. See the
// example of Read.
//
// # Terms
//
//   - A hello is a ClientHello message; parser's documentation has more terms.
//   - The link type says what the packets of an interface begin with.
//   - A layer is an encapsulation between the link layer and the hello, such as a
//     VLAN tag or a tunnel.
//   - A flow is what goes from one address and port to another over UDP, a stream of
//     SCTP, or a login over EAP.
//   - A connection is awaited while its hello, or its second one, may still come. Of
//     other connections nothing is kept.
//   - A stream holds the bytes of an awaited connection whose hello is incomplete or
//     whose segments are out of order. Its head is the part from the possible start
//     of the hello to the first hole.
//   - A hello is confirmed when its first bytes leave no doubt that it is one.
//   - The preface is what a client sends before the hello, as with STARTTLS.
//   - A framing is a protocol over TCP whose messages carry datagrams or records with
//     the hello, such as TURN.
//   - A transfer is a file or the body of a message in a TCP stream. A hello in it is
//     not one of the connection.
//
// # Concurrency and memory
//
// A [Reader] has no state, so several goroutines may use one. Each call of Read runs
// in the goroutine of its caller and starts no other.
//
// State is kept only for awaited connections and flows, and for the last hellos, in
// tables and lists that are bounded in bytes by [Reader.MaxMemory], whatever the
// capture has. Beyond it the oldest state is dropped and counted in [Stats]. The time
// is linear in the size of the capture.
//
// A Hello and all that it refers to are valid only during the call that receives it.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// The names of layers and link types, which are printed, stay within a major
// version. New link types, layers and counters of Stats may be added, and hellos
// may be found where none were found before. The texts of errors and of
// [Stats.Notes] may change.
package capture
