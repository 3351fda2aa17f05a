// Package grease replaces the values that RFC 8701 reserves, which a client draws
// at random, by one of them.
package grease

import "github.com/tlspeek/tlspeek/parser"

// Value stands for all GREASE values of 16 bits.
const Value = 0x0a0a

// TransportParameter stands for all reserved IDs of QUIC transport parameters
// (RFC 9000, section 18.1). It is the first of them.
const TransportParameter = 27

// Normalize returns Value if v is a GREASE value, and otherwise v.
func Normalize[T ~uint16](v T) uint16 {
	if parser.IsGREASE(v) {
		return Value
	}
	return uint16(v)
}
