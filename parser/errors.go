// Package parser turns the bytes of a TLS ClientHello into a [ClientHello],
// byte for byte: nothing is dropped, reordered or guessed.
package parser

import (
	"errors"
	"strconv"
)

// What can be wrong with a message or a record. They are found in an [*Error]
// with [errors.Is].
var (
	ErrTruncated  = errors.New("truncated")
	ErrTrailing   = errors.New("trailing bytes")
	ErrTooShort   = errors.New("shorter than its RFC allows")
	ErrNotHello   = errors.New("not a ClientHello")
	ErrNotTLS     = errors.New("not TLS")
	ErrTooLarge   = errors.New("message over 65536 bytes")
	ErrRecordSize = errors.New("record over 18432 bytes")
	ErrAlert      = errors.New("alert in place of a ClientHello")

	ErrFragment         = errors.New("fragment outside its message")
	ErrTooManyFragments = errors.New("message in over 4096 pieces")
)

// An Error says what is wrong with which field, and where.
type Error struct {
	Offset int    // of the first byte that is wrong or missing, from the start of the input
	Field  string // in the terms of the RFC
	Err    error
}

// Error returns the text "parser: cipher_suites: truncated at byte 41".
func (e *Error) Error() string {
	return "parser: " + e.Field + ": " + e.Err.Error() + " at byte " + strconv.Itoa(e.Offset)
}

// Unwrap returns the kind of the error.
func (e *Error) Unwrap() error { return e.Err }
