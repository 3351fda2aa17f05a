package known

import (
	"bufio"
	"bytes"
	"io"
)

// maxComments is how many bytes of comments a clients file may begin with.
const maxComments = 64 << 10

// firstAfterComments returns the first byte of b, which begins with a comment, that is in
// no line of comment, or # if there is none.
func firstAfterComments(b *bufio.Reader) byte {
	text, _ := b.Peek(maxComments)
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return line[0]
		}
	}
	return '#'
}

// A commentBlanker reads blanks in place of the lines that begin with #. No line of JSON
// does.
type commentBlanker struct {
	io.Reader
	within, comment bool // the line has begun, and is a comment
}

func (r *commentBlanker) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	for i, c := range p[:n] {
		switch {
		case c == '\n':
			r.within, r.comment = false, false
			continue
		case !r.within && c != ' ' && c != '\t' && c != '\r':
			r.within, r.comment = true, c == '#'
		}
		if r.comment {
			p[i] = ' '
		}
	}
	return n, err
}
