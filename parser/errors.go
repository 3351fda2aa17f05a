package parser

import (
	"errors"
	"strconv"
)

// Errors in a message. An [*Error] wraps them, so [errors.Is] finds them.
var (
	ErrTruncated = errors.New("truncated")         // Unmarshal, Extension.Err and the assemblers: the input ends within a field
	ErrTrailing  = errors.New("trailing bytes")    // Unmarshal and Extension.Err: bytes follow the last field
	ErrNotHello  = errors.New("not a ClientHello") // Unmarshal and RecordAssembler: another msg_type

	// ErrTooShort is found in Extension.Err only: a vector has fewer bytes than
	// its RFC requires.
	ErrTooShort = errors.New("shorter than its RFC allows")
)

// Errors in the records that carry a message, found by the assemblers. They too
// are wrapped by an [*Error].
var (
	ErrNotTLS           = errors.New("not TLS")                         // RecordAssembler and DTLSAssembler
	ErrTooLarge         = errors.New("message over 65536 bytes")        // RecordAssembler and DTLSAssembler
	ErrRecordSize       = errors.New("record over 18432 bytes")         // RecordAssembler
	ErrAlert            = errors.New("alert in place of a ClientHello") // RecordAssembler
	ErrFragment         = errors.New("fragment outside its message")    // DTLSAssembler
	ErrTooManyFragments = errors.New("message in over 4096 pieces")     // DTLSAssembler
)

// An Error says which field of the input is wrong, and where.
type Error struct {
	Offset int    // of the first byte that is wrong or missing, from the start of the input
	Field  string // the RFC's name of the field
	Err    error  // one of the Err variables of this package
}

// Error returns a text such as "parser: cipher_suites: truncated at byte 41".
func (e *Error) Error() string { return "parser: " + errorText(e) }

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// errorText returns the text of err without the package's name.
func errorText(err *Error) string {
	return err.Field + ": " + err.Err.Error() + " at byte " + strconv.Itoa(err.Offset)
}
