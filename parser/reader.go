package parser

import "golang.org/x/crypto/cryptobyte"

// A reader is a cryptobyte.String that knows where it stands in the message.
// The position is derived, so that reading pays nothing for it.
type reader struct {
	cryptobyte.String
	end int // offset in the message of the byte after String
}

func (r *reader) offset() int { return r.end - len(r.String) }

// fail blames field, at the byte where r stands.
func (r *reader) fail(field string, err error) *Error {
	return &Error{Offset: r.offset(), Field: field, Err: err}
}

// truncated blames field for ending at the end of r.
func (r *reader) truncated(field string) *Error {
	return &Error{Offset: r.end, Field: field, Err: ErrTruncated}
}

// tooShort blames field, of which r is the content, for its length.
func (r *reader) tooShort(field string) *Error {
	return &Error{Offset: r.end, Field: field, Err: ErrTooShort}
}

// trailing blames the body of an extension for what r has left, if that is
// anything.
func (r *reader) trailing() *Error {
	if len(r.String) == 0 {
		return nil
	}
	return r.fail("extension_data", ErrTrailing)
}

// vector8 and vector16 read a vector with a length of 1 or 2 bytes (RFC 8446,
// section 3.4). If they fail, r stands where it stood.
func (r *reader) vector8(v *reader) bool {
	s := r.String
	if len(s) < 1 || len(s) < 1+int(s[0]) {
		return false
	}
	n := 1 + int(s[0])
	v.String, r.String = s[1:n], s[n:]
	v.end = r.end - len(r.String)
	return true
}

func (r *reader) vector16(v *reader) bool {
	s := r.String
	if len(s) < 2 || len(s) < 2+(int(s[0])<<8|int(s[1])) {
		return false
	}
	n := 2 + (int(s[0])<<8 | int(s[1]))
	v.String, r.String = s[2:n], s[n:]
	v.end = r.end - len(r.String)
	return true
}

// varint reads a variable-length integer (RFC 9000, section 16).
func (r *reader) varint(v *uint64) bool {
	s := r.String
	if len(s) == 0 {
		return false
	}
	n := 1 << (s[0] >> 6)
	if len(s) < n {
		return false
	}
	x := uint64(s[0] & 0x3f)
	for _, b := range s[1:n] {
		x = x<<8 | uint64(b)
	}
	*v, r.String = x, s[n:]
	return true
}
