package tally

import (
	"bytes"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

// The values of several columns are one text in a table: each but the last ends with
// valueEnd, and a NUL in one is followed by escaped. So no two combinations have one
// text, and the texts are in the order of the values.
const (
	valueEnd = "\x00\x01"
	escaped  = "\xff"
)

// appendCombination appends the values that e has in the columns as one text, which
// that of a single column is.
func appendCombination(dst []byte, first *output.Column, with []output.Column, e *event.Event) []byte {
	if len(with) == 0 {
		return first.Append(dst, e)
	}
	dst = escape(first.Append(dst, e), len(dst))
	for i := range with {
		dst = append(dst, valueEnd...)
		dst = escape(with[i].Append(dst, e), len(dst))
	}
	return dst
}

// escape escapes each NUL in dst[from:]. Few texts have one: programs in a user's file of
// clients may.
func escape(dst []byte, from int) []byte {
	if bytes.IndexByte(dst[from:], 0) < 0 {
		return dst
	}
	return append(dst[:from], bytes.ReplaceAll(dst[from:], []byte{0}, []byte("\x00"+escaped))...)
}

// splitCombination returns the values of a text that appendCombination has made: the
// first, and the others, of which there are so many.
func splitCombination(text []byte, others int) (first string, with []string) {
	if others == 0 {
		return string(text), nil
	}
	for part := range bytes.SplitSeq(text, []byte(valueEnd)) {
		with = append(with, string(bytes.ReplaceAll(part, []byte("\x00"+escaped), []byte{0})))
	}
	return with[0], with[1:]
}
