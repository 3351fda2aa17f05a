package parser

import (
	"github.com/tlspeek/tlspeek/internal/tlsrecord"
	"github.com/tlspeek/tlspeek/internal/varint"
)

// A Field is a named range of bytes of a message, and the fields in it. The
// leaves (fields without children) of [Dissect]'s tree cover the message in
// order, without gaps or overlaps.
type Field struct {
	Name   string // the RFC's name, such as "cipher_suites"
	Offset int    // in the message
	Bytes  []byte // aliases the message

	// Value is a uint64 for a number. It is a string for text that the client
	// chose, in the form of [Text], and for an object identifier. It is nil for
	// other bytes and for a field with children.
	Value any

	// ValueName is the registered name of Value: "TLS_AES_128_GCM_SHA256".
	ValueName string

	Note     string  // "GREASE", "duplicate" or an error, else empty
	List     bool    // Children are elements of one kind, after a length if there is one
	Children []Field // nil for a leaf
}

// undecoded is the name of a leaf of bytes that could not be read.
const undecoded = "undecoded"

// Dissect returns the message of h as a tree of fields. It never fails: bytes
// that cannot be read become a leaf "undecoded", with the error in its Note.
// Bytes after the end of a structure become a leaf "trailing", and those after
// the end of the message "after_message".
//
// A vector has a child "length", and then its elements, or one child "opaque"
// if its bytes have no structure. The tree aliases h.Raw.
func Dissect(h *ClientHello) Field {
	d := dissector{reader: reader{h.Raw, len(h.Raw)}, raw: h.Raw, fields: make([]Field, 0, fieldBlock)}
	if len(h.Raw) > 0 && h.Raw[0]&0x80 != 0 {
		d.clientHelloSSLv2()
	} else {
		d.clientHello(h.Transport)
	}
	return Field{Name: "client_hello", Bytes: h.Raw, Children: d.children(0)}
}

// check returns the first error in an extension's body, or nil.
func (h *ClientHello) check(e *Extension) *Error {
	if h.scratch == nil {
		h.scratch = new(dissector)
	}
	*h.scratch = dissector{reader: reader{e.Data, e.Offset + 4 + len(e.Data)}, checkOnly: true}
	h.scratch.extensionBody(e.Type)
	return h.scratch.err
}

// A dissector reads fields one after another. When it cannot read one, it makes
// a leaf of the rest of the enclosing field, and stops.
type dissector struct {
	reader
	raw       []byte
	fields    []Field // read so far of the current field and of those around it
	block     []Field // memory for children
	checkOnly bool    // only find err, keep no fields
	err       *Error  // the first error
	stop      bool    // nothing more can be read
}

// addError records an error after which reading continues.
func (d *dissector) addError(err *Error) {
	if d.err == nil {
		d.err = err
	}
}

// stopAt records an error after which nothing can be read.
func (d *dissector) stopAt(err *Error) {
	d.addError(err)
	d.stop = true
	if f := d.leaf(undecoded, len(d.String)); f != nil {
		f.Note = errorText(err)
	}
}

// remainder makes a leaf of the unread bytes, if any.
func (d *dissector) remainder(name, note string) {
	if n := len(d.String); n > 0 {
		if f := d.leaf(name, n); f != nil {
			f.Note = note
		}
	}
}

// more reports whether there are bytes to read.
func (d *dissector) more() bool { return !d.stop && len(d.String) > 0 }

// leaf makes a leaf of the next n bytes, which must be there. It returns the
// leaf, which is valid until the next one is made, or nil if d keeps no fields.
func (d *dissector) leaf(name string, n int) *Field {
	at := d.offset()
	d.String = d.String[n:]
	if d.checkOnly {
		return nil
	}
	d.fields = append(d.fields, Field{Name: name, Offset: at, Bytes: d.raw[at : at+n]})
	return &d.fields[len(d.fields)-1]
}

// group makes a field whose children are the fields that body reads. It returns
// the field like leaf.
func (d *dissector) group(name string, body func(*dissector)) *Field {
	if d.stop {
		return nil
	}
	if d.checkOnly {
		body(d)
		return nil
	}
	at, first := d.offset(), len(d.fields)
	body(d)
	children := d.children(first)
	d.fields = append(d.fields, Field{Name: name, Offset: at, Bytes: d.raw[at:d.offset()], Children: children})
	return &d.fields[len(d.fields)-1]
}

// fieldBlock is for how many fields memory is allocated at a time. A hello of a
// browser has about 200.
const fieldBlock = 64

// children takes the fields from d.fields[first] on, which are the children of one
// field, and returns them in memory of their own, or nil if there are none.
func (d *dissector) children(first int) []Field {
	n := len(d.fields) - first
	if n == 0 {
		return nil
	}
	if len(d.block) < n {
		d.block = make([]Field, max(n, fieldBlock))
	}
	children := d.block[:n:n]
	d.block = d.block[n:]
	copy(children, d.fields[first:])
	d.fields = d.fields[:first]
	return children
}

// list is group for a list that ends where d does. Each call of element reads
// one element.
func (d *dissector) list(name string, element func(*dissector)) {
	f := d.group(name, func(d *dissector) {
		for d.more() {
			element(d)
		}
	})
	if f != nil {
		f.List = true
	}
}

// number reads a number of n bytes. names returns the name of a value, and may
// be nil.
func (d *dissector) number(name string, n int, names func(uint64) string) uint64 {
	if d.stop {
		return 0
	}
	if len(d.String) < n {
		d.stopAt(d.truncated(name))
		return 0
	}
	var v uint64
	for _, b := range d.String[:n] {
		v = v<<8 | uint64(b)
	}
	d.value(d.leaf(name, n), v, names)
	return v
}

// value sets the value of f and its name. f may be nil.
func (d *dissector) value(f *Field, v uint64, names func(uint64) string) {
	if f == nil {
		return
	}
	f.Value = v
	if names == nil {
		return
	}
	if s := names(v); s == grease {
		f.Note = grease
	} else {
		f.ValueName = s
	}
}

// varint reads a variable-length integer (RFC 9000, section 16).
func (d *dissector) varint(name string, names func(uint64) string) uint64 {
	if d.stop {
		return 0
	}
	v, n := varint.Parse(d.String)
	if n == 0 {
		d.stopAt(d.truncated(name))
		return 0
	}
	d.value(d.leaf(name, n), v, names)
	return v
}

// bytes reads n bytes without structure.
func (d *dissector) bytes(name string, n int) {
	switch {
	case d.stop:
	case len(d.String) < n:
		d.stopAt(d.truncated(name))
	default:
		d.leaf(name, n)
	}
}

// text makes a leaf of the next n bytes, which must be there and are text that
// the client chose.
func (d *dissector) text(name string, n int) {
	if f := d.leaf(name, n); f != nil {
		f.Value = Text(f.Bytes)
	}
}

// vector reads a vector (RFC 8446, section 3.4) whose length takes width bytes
// and is at least least. body reads the content. A truncated vector is read as
// far as it goes.
func (d *dissector) vector(name string, width, least int, body func(*dissector)) *Field {
	truncated := false
	f := d.group(name, func(d *dissector) {
		if len(d.String) < width {
			d.stopAt(d.truncated(name))
			return
		}
		n := int(d.number("length", width, nil))
		if n > len(d.String) {
			d.addError(d.truncated(name))
			n, truncated = len(d.String), true
		}
		after, end := d.String[n:], d.end
		d.String, d.end = d.String[:n], end-len(after)
		if n < least {
			d.addError(d.tooShort(name))
		}
		body(d)
		d.remainder(undecoded, "")
		d.String, d.end = after, end
		d.stop = d.stop || truncated
	})
	if f != nil && truncated {
		f.Note = errorText(d.truncated(name))
	}
	return f
}

// opaque reads a vector of bytes without structure.
func (d *dissector) opaque(name string, width, least int) {
	d.vector(name, width, least, func(d *dissector) { d.remainder("opaque", "") })
}

// string reads a vector whose bytes are text that the client chose.
func (d *dissector) string(name string, width, least int) {
	d.vector(name, width, least, func(d *dissector) {
		if n := len(d.String); n > 0 {
			d.text("opaque", n)
		}
	})
}

// vectorOf reads a vector of elements. Each call of element reads one.
func (d *dissector) vectorOf(name string, width, least int, element func(*dissector)) {
	f := d.vector(name, width, least, func(d *dissector) {
		for d.more() {
			element(d)
		}
	})
	if f != nil {
		f.List = true
	}
}

// numbers reads a vector of numbers of size bytes each. The error of a
// truncated number names the vector, because most RFCs do not name its
// elements.
func (d *dissector) numbers(name string, width, least int, element string, size int, names func(uint64) string) {
	f := d.vector(name, width, least, func(d *dissector) {
		for d.more() {
			if len(d.String) < size {
				d.stopAt(d.truncated(name))
				return
			}
			d.number(element, size, names)
		}
	})
	if f != nil {
		f.List = true
	}
}

// clientHello reads a handshake message (RFC 8446, section 4.1.2).
func (d *dissector) clientHello(transport Transport) {
	if d.more() && d.String[0] != tlsrecord.ClientHello {
		d.stopAt(&Error{Offset: 0, Field: "msg_type", Err: ErrNotHello})
		return
	}
	d.number("msg_type", 1, handshakeTypeName)
	length := int(d.number("length", 3, nil))
	var trailing int
	if n := len(d.String) - length; n > 0 && !d.stop {
		trailing = n
		d.String, d.end = d.String[:length], d.end-n
	}
	d.number("legacy_version", 2, versionName)
	d.bytes("random", 32)
	d.opaque("legacy_session_id", 1, 0)
	if transport == DTLS {
		d.opaque("cookie", 1, 0)
	}
	d.numbers("cipher_suites", 2, 0, "cipher_suite", 2, suiteName)
	d.numbers("legacy_compression_methods", 1, 0, "compression_method", 1, compressionName)
	if d.more() {
		d.extensions()
	}
	d.remainder("trailing", errorText(&Error{Offset: d.offset(), Field: "client_hello", Err: ErrTrailing}))
	if trailing > 0 {
		d.String, d.end = d.raw[d.end:], len(d.raw)
		d.remainder("after_message", errorText(&Error{Offset: d.offset(), Field: "length", Err: ErrTrailing}))
	}
}

// extensions reads the extension block (RFC 8446, section 4.2).
func (d *dissector) extensions() {
	seen := make([]uint64, 1<<16/64) // a set of types: a hello may have 16,000 extensions
	d.vectorOf("extensions", 2, 0, func(d *dissector) {
		var t ExtensionType
		f := d.group("extension", func(d *dissector) {
			t = ExtensionType(d.number("extension_type", 2, extensionName))
			d.err = nil
			body := d.vector("extension_data", 2, 0, func(d *dissector) {
				d.extensionBody(t)
				d.stop = false // the extension's end is known, even if its body is malformed
			})
			if d.err != nil && !d.stop && body != nil {
				body.Note = "malformed: " + errorText(d.err)
			}
		})
		if f == nil || d.stop {
			return
		}
		if seen[t/64]&(1<<(t%64)) != 0 {
			f.Note = "duplicate"
		}
		seen[t/64] |= 1 << (t % 64)
	})
}

// clientHelloSSLv2 reads a hello in SSLv2 format (RFC 5246, appendix E.2). All
// its lengths come before the fields.
func (d *dissector) clientHelloSSLv2() {
	if n := len(d.String); n > 2 && d.String[2] != tlsrecord.ClientHello {
		d.stopAt(&Error{Offset: 2, Field: "msg_type", Err: ErrNotHello})
		return
	}
	d.number("msg_length", 2, nil)
	if len(d.fields) > 0 && d.fields[0].Value != nil {
		d.fields[0].Value = d.fields[0].Value.(uint64) & 0x7fff // the high bit says that the header has no padding length
	}
	d.number("msg_type", 1, handshakeTypeName)
	d.number("version", 2, versionName)
	specs := int(d.number("cipher_spec_length", 2, nil))
	session := int(d.number("session_id_length", 2, nil))
	challenge := int(d.number("challenge_length", 2, nil))
	if !d.stop && len(d.String) < specs {
		d.stopAt(d.truncated("cipher_specs"))
	}
	if specs > 0 {
		f := d.group("cipher_specs", func(d *dissector) {
			for end := len(d.String) - specs; len(d.String) > end; {
				if len(d.String) < end+3 {
					d.stop = true
					return
				}
				d.number("cipher_spec", 3, cipherSpecName)
			}
		})
		if f != nil {
			f.List = true
		}
		if d.stop && len(d.String) > 0 {
			d.stopAt(d.fail("cipher_specs", ErrTruncated))
		}
	}
	d.bytes("session_id", session)
	d.bytes("challenge", challenge)
	d.remainder("trailing", errorText(&Error{Offset: d.offset(), Field: "msg_length", Err: ErrTrailing}))
}
