package parser

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/tlspeek/tlspeek/internal/jsonw"
)

// The keys of a Field's JSON, besides the names of fields.
const (
	keyOffset jsonw.Key = `,"offset":`
	keySize   jsonw.Key = `,"size":`
	keyRaw    jsonw.Key = `,"raw":`
	keyValue  jsonw.Key = `,"value":`
	keyName   jsonw.Key = `,"name":`
	keyNote   jsonw.Key = `,"note":`
	keyList   jsonw.Key = `,"list":`
)

// AppendJSON appends f as a JSON object to dst. It has "offset" and "size" in
// bytes, and "note" if Note is not empty.
//
// A leaf has its bytes as "raw", in hex, and may have "value" and the value's
// registered "name". Text in "value" is in the form of [Text]. Any other field
// has its children by their names. A list has its elements in an array "list",
// which may be empty.
//
// The JSON does not have the names of f itself and of the elements of lists.
func (f *Field) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(keyOffset.Begin(append(dst, '{')), int64(f.Offset), 10)
	dst = strconv.AppendInt(append(dst, keySize...), int64(len(f.Bytes)), 10)
	if f.Children == nil {
		dst = append(append(dst, keyRaw...), '"')
		dst = append(hex.AppendEncode(dst, f.Bytes), '"')
	}
	switch v := f.Value.(type) {
	case uint64:
		dst = strconv.AppendUint(append(dst, keyValue...), v, 10)
	case string:
		dst = jsonw.AppendString(append(dst, keyValue...), v)
	}
	if f.ValueName != "" {
		dst = jsonw.AppendString(append(dst, keyName...), f.ValueName)
	}
	if f.Note != "" {
		dst = jsonw.AppendString(append(dst, keyNote...), f.Note)
	}
	if f.List {
		return append(f.appendList(dst), '}')
	}
	for i := range f.Children {
		dst = f.Children[i].appendMember(dst)
	}
	return append(dst, '}')
}

// appendMember appends f as a member of an object that has members. A name that
// UnmarshalJSON has read may need escapes.
func (f *Field) appendMember(dst []byte) []byte {
	dst = jsonw.AppendString(append(dst, ','), f.Name)
	return f.AppendJSON(append(dst, ':'))
}

// appendList appends the children of a list: the elements in an array, the
// others by their names.
func (f *Field) appendList(dst []byte) []byte {
	for i := range f.Children {
		if c := &f.Children[i]; !c.isElement() {
			dst = c.appendMember(dst)
		}
	}
	dst = append(append(dst, keyList...), '[')
	for i := range f.Children {
		if c := &f.Children[i]; c.isElement() {
			dst = c.AppendJSON(jsonw.Comma(dst))
		}
	}
	return append(dst, ']')
}

// isElement reports whether f, a child of a list, is an element of it.
func (f *Field) isElement() bool { return f.Name != "length" && f.Name != undecoded }

// MarshalJSON returns what AppendJSON appends.
func (f Field) MarshalJSON() ([]byte, error) { return f.AppendJSON(nil), nil }

// UnmarshalJSON reads what [Field.AppendJSON] writes into f. AppendJSON then
// writes the same again. As JSON has no names for f itself and for the elements
// of lists, their Name is empty; all else is as it was. Bytes are copies.
//
// It is an error if a size contradicts the bytes, or if there are gaps between
// fields. Members that AppendJSON does not write are ignored, except objects,
// which are fields.
func (f *Field) UnmarshalJSON(text []byte) error {
	d := fieldDecoder{Decoder: json.NewDecoder(bytes.NewReader(text))}
	d.UseNumber()
	got, err := d.decode()
	if err != nil {
		return fmt.Errorf("parser: JSON of a field: %w", err)
	}
	if got != nil {
		*f = *got
	}
	return nil
}

// maxFieldDepth bounds how deep fields are nested in JSON. Dissect nests them
// about ten deep.
const maxFieldDepth = 100

// A fieldDecoder reads fields from JSON token by token, which takes time linear
// in the text, however deeply the fields are nested.
type fieldDecoder struct {
	*json.Decoder
	depth int
}

// decode reads the whole text. It returns nil for a JSON null.
func (d *fieldDecoder) decode() (*Field, error) {
	var f *Field
	switch t, err := d.Token(); {
	case err != nil:
		return nil, err
	case t == json.Delim('{'):
		f = new(Field)
		if err := d.object(f); err != nil {
			return nil, err
		}
	case t != nil:
		return nil, errors.New("not an object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("text after the object")
	}
	return f, nil
}

// object reads the members of an object, whose brace has been read, into f.
func (d *fieldDecoder) object(f *Field) error {
	d.depth++
	defer func() { d.depth-- }()
	if d.depth > maxFieldDepth {
		return fmt.Errorf("more than %d fields inside each other", maxFieldDepth)
	}
	var parts fieldParts
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		value, err := d.Token()
		if err != nil {
			return err
		}
		name := key.(string)
		switch v := value.(type) {
		case json.Delim:
			err = d.nested(&parts, name, v)
		default:
			err = parts.scalar(f, name, v)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	return parts.assemble(f)
}

// nested reads an object or an array, whose first brace or bracket was read.
func (d *fieldDecoder) nested(parts *fieldParts, name string, opening json.Delim) error {
	if opening == '{' {
		child := Field{Name: name}
		err := d.object(&child)
		parts.members = append(parts.members, child)
		return err
	}
	if name != "list" {
		return errors.New("an array")
	}
	parts.list = true
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		if t != json.Delim('{') {
			return errors.New("an element that is not an object")
		}
		var element Field
		if err := d.object(&element); err != nil {
			return err
		}
		parts.elements = append(parts.elements, element)
	}
	_, err := d.Token()
	return err
}

// A fieldParts holds what the members of an object say of a field.
type fieldParts struct {
	size     int
	hasSize  bool
	raw      []byte
	leaf     bool // it has raw
	list     bool
	members  []Field
	elements []Field
}

// scalar reads the value of one member that is neither object nor array.
func (p *fieldParts) scalar(f *Field, name string, value json.Token) error {
	text, isText := value.(string)
	number, isNumber := value.(json.Number)
	var err error
	switch {
	case name == "offset" && isNumber:
		f.Offset, err = parseSize(number)
	case name == "size" && isNumber:
		p.hasSize = true
		p.size, err = parseSize(number)
	case name == "raw" && isText:
		p.leaf = true
		p.raw, err = hex.DecodeString(text)
	case name == "value" && isNumber:
		f.Value, err = strconv.ParseUint(number.String(), 10, 64)
	case name == "value" && isText:
		f.Value = text
	case name == "name" && isText:
		f.ValueName = text
	case name == "note" && isText:
		f.Note = text
	}
	return err
}

// parseSize reads a number that is not negative.
func parseSize(n json.Number) (int, error) {
	v, err := strconv.ParseUint(n.String(), 10, strconv.IntSize-1)
	return int(v), err
}

// assemble sets f's children and bytes. In a list, only undecoded bytes follow
// the elements.
func (p *fieldParts) assemble(f *Field) error {
	f.List = p.list
	children := p.members
	if p.list {
		at := slices.IndexFunc(children, func(c Field) bool { return c.Name == undecoded })
		if at < 0 {
			at = len(children)
		}
		children = slices.Insert(children, at, p.elements...)
	}
	switch {
	case p.leaf && len(children) > 0:
		return errors.New("both raw and fields")
	case p.leaf:
		f.Bytes = p.raw
	default:
		f.Children, f.Bytes = append([]Field{}, children...), []byte{}
		for i := range children {
			c := &children[i]
			if c.Offset != f.Offset+len(f.Bytes) {
				return fmt.Errorf("a field begins at byte %d, not %d", c.Offset, f.Offset+len(f.Bytes))
			}
			f.Bytes = append(f.Bytes, c.Bytes...)
		}
	}
	if !p.hasSize || p.size != len(f.Bytes) {
		return fmt.Errorf("%d bytes, which is not its size", len(f.Bytes))
	}
	return nil
}
