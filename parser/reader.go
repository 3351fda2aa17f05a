package parser

import "golang.org/x/crypto/cryptobyte"

// A reader is a cryptobyte.String that knows its position in the message. The
// position is derived, so that reading pays nothing for it.
type reader struct {
	cryptobyte.String
	end int // offset in the message of the byte after String
}

func (r *reader) offset() int { return r.end - len(r.String) }

// fail returns an error of field at the next byte of r.
func (r *reader) fail(field string, err error) *Error {
	return &Error{Offset: r.offset(), Field: field, Err: err}
}

// truncated returns an error of field at the end of r.
func (r *reader) truncated(field string) *Error {
	return &Error{Offset: r.end, Field: field, Err: ErrTruncated}
}

// tooShort returns an error of field, whose content ends where r does.
func (r *reader) tooShort(field string) *Error {
	return &Error{Offset: r.end, Field: field, Err: ErrTooShort}
}

// vector8 and vector16 read a vector with a length of 1 or 2 bytes. If they
// fail, r stays where it is.
func (r *reader) vector8(v *[]byte) bool {
	content, rest, ok := vector8(r.String)
	if ok {
		*v, r.String = content, rest
	}
	return ok
}

func (r *reader) vector16(v *[]byte) bool {
	content, rest, ok := vector16(r.String)
	if ok {
		*v, r.String = content, rest
	}
	return ok
}

// sub16 is vector16 for a vector to be read by a reader of its own.
func (r *reader) sub16(v *reader) bool {
	ok := r.vector16((*[]byte)(&v.String))
	v.end = r.offset()
	return ok
}

// vector8 and vector16 return the vector that s begins with, whose length takes 1
// or 2 bytes (RFC 8446, section 3.4), and what follows it. They are written
// without cryptobyte's ReadBytes, which keeps s in memory and made Unmarshal
// 1.24 times as slow: there are twenty vectors in a hello.
func vector8(s cryptobyte.String) (v, rest cryptobyte.String, ok bool) {
	if len(s) < 1 || len(s) < 1+int(s[0]) {
		return nil, nil, false
	}
	n := 1 + int(s[0])
	return s[1:n], s[n:], true
}

func vector16(s cryptobyte.String) (v, rest cryptobyte.String, ok bool) {
	if len(s) < 2 || len(s) < 2+(int(s[0])<<8|int(s[1])) {
		return nil, nil, false
	}
	n := 2 + (int(s[0])<<8 | int(s[1]))
	return s[2:n], s[n:], true
}
