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

// vector8, vector16 and vector24 read a vector with a length of 1, 2 or 3
// bytes (RFC 8446, section 3.4).
func (r *reader) vector8(v *reader) bool {
	ok := r.ReadUint8LengthPrefixed(&v.String)
	v.end = r.offset()
	return ok
}

func (r *reader) vector16(v *reader) bool {
	ok := r.ReadUint16LengthPrefixed(&v.String)
	v.end = r.offset()
	return ok
}

func (r *reader) vector24(v *reader) bool {
	ok := r.ReadUint24LengthPrefixed(&v.String)
	v.end = r.offset()
	return ok
}

// uint16s appends the rest of r to list, two bytes a value, and reports
// whether no odd byte is left.
func uint16s[T ~uint16](r *reader, list []T) ([]T, bool) {
	s := r.String
	for len(s) >= 2 {
		list = append(list, T(s[0])<<8|T(s[1]))
		s = s[2:]
	}
	r.String = s
	return list, len(s) == 0
}

// strings8 appends the rest of r to list, a byte of length before each value.
func strings8(r *reader, list [][]byte) ([][]byte, bool) {
	for !r.Empty() {
		var s cryptobyte.String
		if !r.ReadUint8LengthPrefixed(&s) {
			return list, false
		}
		list = append(list, s)
	}
	return list, true
}
