package parser

import (
	"encoding/hex"
	"strconv"
)

// AppendJSON appends f as a JSON object to dst. It has "offset" and "size" in
// bytes, and "note" if there is one.
//
// A leaf has its bytes as "raw", in hex, and may have "value" and the value's
// registered "name". Text in "value" is in the form of [Text]. Any other field
// has its children by their names, but the elements of a list in an array
// called "list", which is there even if it is empty.
func (f *Field) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"offset":`...)
	dst = strconv.AppendInt(dst, int64(f.Offset), 10)
	dst = append(dst, `,"size":`...)
	dst = strconv.AppendInt(dst, int64(len(f.Bytes)), 10)
	if f.Children == nil {
		dst = append(dst, `,"raw":"`...)
		dst = hex.AppendEncode(dst, f.Bytes)
		dst = append(dst, '"')
	}
	switch v := f.Value.(type) {
	case uint64:
		dst = append(dst, `,"value":`...)
		dst = strconv.AppendUint(dst, v, 10)
	case string:
		dst = AppendQuoted(append(dst, `,"value":`...), v)
	}
	if f.ValueName != "" {
		dst = AppendQuoted(append(dst, `,"name":`...), f.ValueName)
	}
	if f.Note != "" {
		dst = AppendQuoted(append(dst, `,"note":`...), f.Note)
	}
	if f.List {
		return append(f.appendList(dst), '}')
	}
	for i := range f.Children {
		dst = f.Children[i].appendMember(dst)
	}
	return append(dst, '}')
}

// appendMember appends f as a member of an object.
func (f *Field) appendMember(dst []byte) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, f.Name...)
	dst = append(dst, '"', ':')
	return f.AppendJSON(dst)
}

// appendList appends the children of a list: what is no element by its name,
// and the elements in an array.
func (f *Field) appendList(dst []byte) []byte {
	isElement := func(c *Field) bool { return c.Name != "length" && c.Name != "undecoded" }
	for i := range f.Children {
		if c := &f.Children[i]; !isElement(c) {
			dst = c.appendMember(dst)
		}
	}
	dst = append(dst, `,"list":[`...)
	comma := false
	for i := range f.Children {
		c := &f.Children[i]
		if !isElement(c) {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = c.AppendJSON(dst)
	}
	return append(dst, ']')
}

// MarshalJSON returns what AppendJSON appends.
func (f Field) MarshalJSON() ([]byte, error) { return f.AppendJSON(nil), nil }
