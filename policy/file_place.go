package policy

import (
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// failExpr adds the errors of the expression in n.
func (l *loader) failExpr(n *yaml.Node, what string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			l.failExpr(n, what, e)
		}
		return
	}
	var x *ExprError
	if !errors.As(err, &x) {
		l.fail(n, "%s: %v", what, err)
		return
	}
	message := x.Message
	hint := x.Hint
	if cut := l.cutBy(n); cut != "" && isCut(message) {
		hint = cut
	}
	if hint != "" {
		message += ": " + hint
	}
	line, column := l.place(n, x.Line, x.Column)
	l.add(line, column, &FileError{File: l.name, Line: line, Column: column, Message: what + ": " + message, Source: l.excerpt(line, column)})
}

// excerpt returns a line of the file with a mark below a column.
func (l *loader) excerpt(line, column int) string {
	if line > len(l.starts) {
		return ""
	}
	text, _, _ := strings.Cut(l.text[l.starts[line-1]:], "\n")
	trimmed := strings.TrimLeft(text, " \t")
	indent := len(text) - len(trimmed)
	return (&ExprError{text: trimmed, Line: 1, Column: max(1, column-indent)}).excerpt()
}

// split notes where the lines of the file begin.
func (l *loader) split() {
	if l.starts == nil {
		l.text = string(l.source)
		l.starts = []int{0}
		for i := range len(l.text) {
			if l.text[i] == '\n' {
				l.starts = append(l.starts, i+1)
			}
		}
	}
}

// place returns where in the file a line and column of the value of n are.
func (l *loader) place(n *yaml.Node, line, column int) (fileLine, fileColumn int) {
	l.split()
	n = follow(n)
	if n.Line < 1 || n.Line > len(l.starts) {
		return n.Line, n.Column
	}
	w := walker{style: n.Style, src: l.text[l.starts[n.Line-1]:]}
	w.skipRunes(n.Column - 1)
	if !w.begin() || !w.walk(n.Value, line, column) {
		return n.Line, n.Column
	}
	before := w.src[:w.at]
	start := strings.LastIndexByte(before, '\n') + 1
	return n.Line + strings.Count(before, "\n"), utf8.RuneCountInString(before[start:]) + 1
}

// A walker goes through the text of a YAML scalar in step with its value. YAML changes
// only the space in a text, and escapes of quoted ones.
type walker struct {
	src   string
	at    int
	style yaml.Style
}

func (w *walker) rest() string { return w.src[w.at:] }

func (w *walker) skipRunes(n int) {
	for ; n > 0 && w.at < len(w.src); n-- {
		_, size := utf8.DecodeRuneInString(w.rest())
		w.at += size
	}
}

// begin goes to the first character of the text, over an anchor, a tag, a quote or the
// line that announces a block.
func (w *walker) begin() bool {
	for strings.HasPrefix(w.rest(), "&") || strings.HasPrefix(w.rest(), "!") {
		end := strings.IndexAny(w.rest(), " \t\r\n")
		if end < 0 {
			return false
		}
		w.at += end
		w.skipSpace()
	}
	switch {
	case w.style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		end := strings.IndexByte(w.rest(), '\n')
		w.at += end + 1
		return end >= 0
	case w.style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		w.at++
	}
	return w.at < len(w.src)
}

// walk goes to a line and column of value, and reports whether src was as expected.
func (w *walker) walk(value string, line, column int) bool {
	for ; line > 1; line-- {
		before, after, found := strings.Cut(value, "\n")
		if !found {
			break
		}
		if !w.consume(before) {
			return false
		}
		value = after
	}
	end := 0
	for ; column > 1 && end < len(value); column-- {
		_, size := utf8.DecodeRuneInString(value[end:])
		end += size
	}
	if !w.consume(value[:end]) {
		return false
	}
	if next := strings.TrimLeft(value[end:], " \t\n"); next != "" {
		w.skipSpace()
	}
	return w.at <= len(w.src)
}

// consume goes over the characters of text that are no space.
func (w *walker) consume(text string) bool {
	for _, r := range text {
		if r == ' ' || r == '\t' || r == '\n' || r == '\r' {
			continue
		}
		w.skipSpace()
		if w.style&yaml.DoubleQuotedStyle != 0 && strings.HasPrefix(w.rest(), `\`) {
			w.at += min(escapeLength(w.rest()), len(w.rest()))
			continue
		}
		got, size := utf8.DecodeRuneInString(w.rest())
		if got != r {
			return false
		}
		w.at += size
		if r == '\'' && w.style&yaml.SingleQuotedStyle != 0 {
			w.at++
		}
	}
	return w.at <= len(w.src)
}

// skipSpace goes over space, and in double quotes over escapes of space.
func (w *walker) skipSpace() {
	for w.at < len(w.src) {
		switch c := w.src[w.at]; {
		case c == ' ', c == '\t', c == '\n', c == '\r':
			w.at++
		case c == '\\' && w.style&yaml.DoubleQuotedStyle != 0 && w.at+1 < len(w.src) && strings.IndexByte("nrt \t\r\n", w.src[w.at+1]) >= 0:
			w.at += 2
		default:
			return
		}
	}
}

// escapeLength returns how long the escape at the beginning of s is (YAML 1.2, section 5.7).
func escapeLength(s string) int {
	if len(s) < 2 {
		return 1
	}
	switch s[1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}
