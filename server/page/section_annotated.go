package page

import (
	"encoding/hex"
	"errors"

	"github.com/tlspeek/tlspeek/parser"
)

// annotated is a message with its bytes and fields side by side.
type annotated struct {
	Tree  *tree
	Dump  []dumpRow
	Size  int    // of the message, in bytes
	Shown int    // bytes of it in Tree and Dump
	Hex   string // of the message, for the clipboard
	Link  string // address of a page with the message in its fragment
}

// newAnnotated returns the message raw, of which root is the tree, or that of its
// beginning.
func newAnnotated(root *parser.Field, raw []byte, transport parser.Transport, index *clientIndex) *annotated {
	shown := *root
	shown.Note = "" // the template says that in its own words
	t := newTree(&shown, index)
	return &annotated{
		Tree:  t,
		Dump:  t.dump(root.Bytes),
		Size:  len(raw),
		Shown: len(root.Bytes),
		Hex:   hex.EncodeToString(raw),
		Link:  "/compare#" + linkText(raw, transport),
	}
}

// Rest returns how many bytes of the message are not shown.
func (a *annotated) Rest() int { return a.Size - a.Shown }

// leafAt returns the leaf with the byte at offset, or -1 if that is not shown.
func (a *annotated) leafAt(offset int) int {
	if offset >= a.Shown && a.Shown < a.Size {
		return -1
	}
	return a.Tree.At(offset)
}

// A messageError is an error of a message, and where it is.
type messageError struct {
	Text   string
	Offset int
	Leaf   int // -1 if it is not in the message, or not shown
}

// locate finds the place of err in the message.
func (a *annotated) locate(err error) *messageError {
	m := &messageError{Text: parser.Text([]byte(err.Error())), Leaf: -1}
	var at *parser.Error
	if errors.As(err, &at) && at.Offset <= a.Size {
		m.Offset, m.Leaf = at.Offset, a.leafAt(at.Offset)
		if err == error(at) {
			m.Text = at.Field + ": " + at.Err.Error() // the template says at which byte
		}
	}
	return m
}

// An annotatedData is an annotated message of a view.
type annotatedData struct {
	*annotated
	Mine  bool
	Error *messageError
}

func annotatedSection(v *view) any {
	if v.annotated == nil {
		return nil
	}
	return &annotatedData{v.annotated, v.mine, v.broken}
}
