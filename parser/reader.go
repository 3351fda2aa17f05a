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

// vector16 reads a vector with a length of 2 bytes (RFC 8446, section 3.4). If
// it fails, r stands where it stood.
func (r *reader) vector16(v *reader) bool {
	content, rest := vector16(r.String)
	if content == nil {
		return false
	}
	v.String, v.end = content, r.end-len(rest)
	r.String = rest
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
