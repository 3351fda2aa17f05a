// Package parser decodes the TLS ClientHello from its bytes. Nothing is
// dropped, reordered or guessed: GREASE, unknown and duplicate values are all
// kept, and [Dissect] returns a tree of fields that covers each byte of the
// message once.
//
// [Parse] reads a message that is complete. See the examples of [RecordAssembler],
// [Dissect] and [ClientHello.Clone].
//
// # Terms
//
//   - A message is a TLS handshake message with its 4-byte header of msg_type and
//     length (RFC 8446, section 4). A hello is a ClientHello message.
//   - The transport is what carried the message: TLS records over a stream, DTLS
//     fragments in datagrams, or QUIC CRYPTO frames. [RecordAssembler] and
//     [DTLSAssembler] put messages together from the first two; package quichello
//     does it for QUIC.
//   - GREASE is a value that RFC 8701 reserves, sent to keep servers tolerant.
//   - The first and the second hello are those before and after a
//     HelloRetryRequest or HelloVerifyRequest.
//
// # Errors
//
// A message whose framing is wrong results in an [*Error] with the name of the
// field and the offset of the byte. A malformed extension body is no error of
// the message, because the extension's end is known: see [Extension.Err].
//
// # Concurrency and memory
//
// The package has no state. A value must not be changed by several goroutines
// at once; what only reads may run at once. Decoding into a used [ClientHello]
// allocates nothing.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// The keys of the JSON of [Field] stay within a major version. Names of fields in
// the tree are those of the RFCs; new extensions add fields. The texts of errors
// may change; the Err variables, and the fields that errors name, stay.
package parser
