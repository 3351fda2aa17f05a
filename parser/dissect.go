package parser

import (
	"github.com/tlspeek/tlspeek/internal/tlsrecord"
	"github.com/tlspeek/tlspeek/internal/varint"
)

// A Field is a named range of bytes of a message, and the fields it is made of.
// Fields without children tile the message: in order, with no gap and no
// overlap.
type Field struct {
	Name   string // in the terms of the RFC: "cipher_suites"
	Offset int    // in the message
	Bytes  []byte // aliases the message

	// Value is a uint64 for a number, and a string for text that the client
	// chose, in the form of [Text], and for an object identifier. It is nil for
	// other bytes and for a field that has children.
	Value any

	// ValueName is what a registry calls Value: "TLS_AES_128_GCM_SHA256".
	ValueName string

	Note     string  // "GREASE", "duplicate", or what is wrong
	List     bool    // whether Children are of one kind, but for a length before them
	Children []Field // nil for a leaf
}

// undecoded is the name of a field of bytes that could not be read.
const undecoded = "undecoded"

// Dissect returns h's message as a tree of fields. It reads any message, also
// one that Unmarshal takes for wrong: what cannot be read is a leaf named
// "undecoded", and what follows the end of something is one named "trailing",
// or "after_message" if it follows the end of the message.
//
// A vector has a child "length" and then, if it holds bytes without form, one
// that is named "opaque" like the type in the RFC, and otherwise its elements.
func Dissect(h *ClientHello) Field {
	d := dissector{reader: reader{h.Raw, len(h.Raw)}, raw: h.Raw}
	if len(h.Raw) > 0 && h.Raw[0]&0x80 != 0 {
		d.clientHelloSSLv2()
	} else {
		d.clientHello(h.Transport)
	}
	return Field{Name: "client_hello", Bytes: h.Raw, Children: d.fields}
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

// A dissector reads fields one after the other and keeps them. At a field that
// cannot be read it makes the rest of the enclosing field a leaf, and stops.
type dissector struct {
	reader
	raw       []byte
	fields    []Field // of the field being read
	checkOnly bool    // find err only, keep no fields
	err       *Error  // the first error
	stop      bool    // nothing more can be read
}

// addError records an error after which reading goes on.
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

// remainder makes a leaf of the unread bytes, if there are any.
func (d *dissector) remainder(name, note string) {
	if n := len(d.String); n > 0 {
		if f := d.leaf(name, n); f != nil {
			f.Note = note
		}
	}
}

// more reports whether a list has another element.
func (d *dissector) more() bool { return !d.stop && len(d.String) > 0 }

// leaf makes the next n bytes a leaf, and returns it, or nil if d keeps no
// fields. It is valid up to the next field.
func (d *dissector) leaf(name string, n int) *Field {
	at := d.offset()
	d.String = d.String[n:]
	if d.checkOnly {
		return nil
	}
	d.fields = append(d.fields, Field{Name: name, Offset: at, Bytes: d.raw[at : at+n]})
	return &d.fields[len(d.fields)-1]
}

// group makes one field of the fields that body reads, and returns it as leaf
// does.
func (d *dissector) group(name string, body func(*dissector)) *Field {
	if d.stop {
		return nil
	}
	if d.checkOnly {
		body(d)
		return nil
	}
	at, outer := d.offset(), d.fields
	d.fields = nil
	body(d)
	d.fields = append(outer, Field{Name: name, Offset: at, Bytes: d.raw[at:d.offset()], Children: d.fields})
	return &d.fields[len(d.fields)-1]
}

// list is group for elements, each read by one call of element, up to the end
// of what is being read.
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

// number reads a number of n bytes, with names from name, which may be nil.
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

// value gives f, if there is one, a value and its name.
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

// bytes reads n bytes without form.
func (d *dissector) bytes(name string, n int) {
	switch {
	case d.stop:
	case len(d.String) < n:
		d.stopAt(d.truncated(name))
	default:
		d.leaf(name, n)
	}
}

// text makes the next n bytes, which are there, a leaf of text that the client
// chose.
func (d *dissector) text(name string, n int) {
	if f := d.leaf(name, n); f != nil {
		f.Value = Text(f.Bytes)
	}
}

// vector reads a vector with a length of width bytes, which body reads, and
// which the RFC wants to be of least bytes or more. One that is cut is read as
// far as it goes.
func (d *dissector) vector(name string, width, least int, body func(*dissector)) *Field {
	cut := false
	f := d.group(name, func(d *dissector) {
		if len(d.String) < width {
			d.stopAt(d.truncated(name))
			return
		}
		n := int(d.number("length", width, nil))
		if n > len(d.String) {
			d.addError(d.truncated(name))
			n, cut = len(d.String), true
		}
		after, end := d.String[n:], d.end
		d.String, d.end = d.String[:n], end-len(after)
		if n < least {
			d.addError(d.tooShort(name))
		}
		body(d)
		d.remainder(undecoded, "")
		d.String, d.end = after, end
		d.stop = d.stop || cut
	})
	if f != nil && cut {
		f.Note = errorText(d.truncated(name))
	}
	return f
}

// opaque reads a vector of bytes without form.
func (d *dissector) opaque(name string, width, least int) {
	d.vector(name, width, least, func(d *dissector) { d.remainder("opaque", "") })
}

// string reads a vector of text that the client chose.
func (d *dissector) string(name string, width, least int) {
	d.vector(name, width, least, func(d *dissector) {
		if n := len(d.String); n > 0 {
			d.text("opaque", n)
		}
	})
}

// vectorOf reads a vector of elements, each read by one call of element.
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

// numbers reads a vector of numbers, each of size bytes. One that is cut is
// the vector's fault, as it has no name of its own in most RFCs.
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
	seen := make([]uint64, 1<<16/64) // a set of types: a hello may have 16,000
	d.vectorOf("extensions", 2, 0, func(d *dissector) {
		var t ExtensionType
		f := d.group("extension", func(d *dissector) {
			t = ExtensionType(d.number("extension_type", 2, extensionName))
			d.err = nil
			body := d.vector("extension_data", 2, 0, func(d *dissector) {
				d.extensionBody(t)
				d.stop = false // the extension's end is known, whatever is in it
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

// clientHelloSSLv2 reads a hello in SSLv2 format (RFC 5246, appendix E.2). Its
// lengths stand apart from what they are lengths of.
func (d *dissector) clientHelloSSLv2() {
	if n := len(d.String); n > 2 && d.String[2] != tlsrecord.ClientHello {
		d.stopAt(&Error{Offset: 2, Field: "msg_type", Err: ErrNotHello})
		return
	}
	d.number("msg_length", 2, nil)
	if len(d.fields) > 0 && d.fields[0].Value != nil {
		d.fields[0].Value = d.fields[0].Value.(uint64) & 0x7fff // the bit above says that a byte of padding length is not there
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
