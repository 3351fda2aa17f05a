package page

import (
	"encoding/hex"
	"strings"
)

// A row of the dump has 16 bytes, in two halves. A narrow screen shows one below
// the other.
const (
	rowBytes  = 16
	halfBytes = rowBytes / 2

	// A leaf longer than longLeaf bytes shows this many rows at its beginning
	// and at its end. The rows between are folded.
	longLeaf = 256
	headRows = 4
	tailRows = 2
)

// A dumpRow is 16 bytes, or rows that are folded.
type dumpRow struct {
	Offset int
	Halves []dumpHalf

	Folded *dumpFold
}

type dumpHalf struct {
	Offset int
	Runs   []dumpRun
}

// A dumpRun is adjacent bytes that belong to one leaf.
type dumpRun struct {
	Leaf  int
	First bool   // it begins with the leaf's first byte
	Class string // for the style sheet
	Hex   string
	Text  string // the bytes as ASCII, with a dot for those that do not print
}

// A dumpFold is folded rows, which lie in one leaf.
type dumpFold struct {
	Leaf int
	Path string // of the leaf
	From int
	To   int    // exclusive
	Hex  string // in lines
}

// Length returns how many bytes are folded.
func (f *dumpFold) Length() int { return f.To - f.From }

// dump returns the rows of raw, the bytes of t.
func (t *tree) dump(raw []byte) []dumpRow {
	var rows []dumpRow
	leaf := 0
	for at := 0; at < len(raw); {
		for leaf < len(t.leaves)-1 && at >= t.leaves[leaf].offset+t.leaves[leaf].length {
			leaf++
		}
		if f := t.fold(raw, leaf, at); f != nil {
			rows = append(rows, dumpRow{Offset: at, Folded: f})
			at = f.To
			continue
		}
		row := dumpRow{Offset: at}
		for from := at; from < min(at+rowBytes, len(raw)); from += halfBytes {
			row.Halves = append(row.Halves, t.half(raw, leaf, from))
		}
		rows = append(rows, row)
		at += rowBytes
	}
	return rows
}

// fold returns the rows from at on that lie in the middle of a long leaf, or nil.
func (t *tree) fold(raw []byte, leaf, at int) *dumpFold {
	l := &t.leaves[leaf]
	if l.length <= longLeaf || at < l.offset+headRows*rowBytes {
		return nil
	}
	to := (l.offset + l.length) / rowBytes * rowBytes
	to -= tailRows * rowBytes
	if to-at < 2*rowBytes {
		return nil
	}
	return &dumpFold{Leaf: leaf, Path: l.path, From: at, To: to, Hex: hexLines(raw[at:to])}
}

func (t *tree) half(raw []byte, leaf, from int) dumpHalf {
	h := dumpHalf{Offset: from}
	end := min(from+halfBytes, len(raw))
	for at := from; at < end; leaf++ {
		l := &t.leaves[leaf]
		to := min(l.offset+l.length, end)
		if to <= at {
			continue
		}
		h.Runs = append(h.Runs, dumpRun{
			Leaf:  leaf,
			First: at == l.offset,
			Class: runClass(leaf, l.kind),
			Hex:   spaced(raw[at:to]),
			Text:  ascii(raw[at:to]),
		})
		at = to
	}
	return h
}

// runClass returns a class by the kind of a leaf's flag, and by whether the leaf
// is odd, so that neighbours look different.
func runClass(leaf int, kind string) string {
	if leaf%2 == 0 {
		return kind
	}
	if kind == "" {
		return "alt"
	}
	return "alt " + kind
}

func spaced(b []byte) string {
	text := make([]byte, 0, 3*len(b))
	for i := range b {
		if i > 0 {
			text = append(text, ' ')
		}
		text = hex.AppendEncode(text, b[i:i+1])
	}
	return string(text)
}

func ascii(b []byte) string {
	text := make([]byte, len(b))
	for i, c := range b {
		if c < ' ' || c > '~' {
			c = '.'
		}
		text[i] = c
	}
	return string(text)
}

func hexLines(b []byte) string {
	var text strings.Builder
	for len(b) > 0 {
		n := min(rowBytes, len(b))
		if text.Len() > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(spaced(b[:n]))
		b = b[n:]
	}
	return text.String()
}
