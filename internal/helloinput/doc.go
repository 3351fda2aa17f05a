// Package helloinput reads the hello that a user gives: as hex, a hexdump, base64 or
// bytes; of TLS or DTLS records, a handshake message, QUIC Initials, or a capture.
package helloinput
