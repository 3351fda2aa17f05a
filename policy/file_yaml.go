package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// failYAML adds an error of the YAML library.
func (l *loader) failYAML(err error) {
	if errors.Is(err, io.EOF) {
		return
	}
	if len(l.source) > maxSearched {
		l.failAt(1, 1, "is not YAML: "+strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	line := l.yamlLine(yamlMessage(err))
	l.split()
	text := l.line(line)
	column := utf8.RuneCountInString(text) - utf8.RuneCountInString(strings.TrimLeft(text, " \t")) + 1
	message := plainYAML(yamlMessage(err))
	if indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]; strings.Contains(indent, "\t") {
		message = "a tab cannot indent: write spaces"
	}
	if at, hint := hintForCondition(text); hint != "" {
		column, message = at, hint
	}
	l.add(line, column, &FileError{File: l.name, Line: line, Column: column, Message: "is not YAML: " + message, Source: l.excerpt(line, column)})
}

// line returns a line of the file.
func (l *loader) line(number int) string {
	if number > len(l.starts) {
		return ""
	}
	text, _, _ := strings.Cut(l.text[l.starts[number-1]:], "\n")
	return strings.TrimRight(text, "\r")
}

// yamlLine returns the first line with which the file has an error. The line in the text
// of the error may be that where a list or an object begins, or the one before.
func (l *loader) yamlLine(message string) int {
	var ends []int
	for i, c := range l.source {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	return 1 + sort.Search(len(ends), func(i int) bool {
		d := yaml.NewDecoder(bytes.NewReader(l.source[:ends[i]]))
		for {
			var n yaml.Node
			if err := d.Decode(&n); err != nil {
				return yamlMessage(err) == message
			}
		}
	})
}

// maxSearched is how many bytes a file may have of which a line is searched.
const maxSearched = 1 << 20

// yamlMessage returns the text of an error of the YAML library, without a line.
func yamlMessage(err error) string {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		_, message, _ = strings.Cut(rest, ": ")
	}
	return message
}

// plainMessages are errors of the YAML library in other words, by how they begin.
var plainMessages = []struct{ begin, plain string }{
	{"did not find expected '-' indicator", "the line is indented like none before it: keys of one object begin in the same column"},
	{"did not find expected key", "there should be a key here, in the column of those before it"},
	{"mapping values are not allowed", "a colon and a space can stand here only after a key: is the line indented like those before it, and are values with \": \" quoted?"},
	{"could not find expected ':'", "there should be a key here, with a colon and a space after it"},
	{"block sequence entries are not allowed", "a list cannot begin here: write - in a line of its own"},
	{"mapping keys are not allowed", "? cannot begin a value: quote it"},
	{"found character that cannot start any token", "a value cannot begin with this character: quote it"},
	{"found a tab character", "a tab cannot indent: write spaces"},
	{"found unexpected end of stream", "a quote is not closed"},
	{"found unknown escape character", `in double quotes \ begins an escape, and this is none: write the value in single quotes`},
	{"did not find expected comment or line break", "after | or > the text begins in the next line: quote a value that begins so"},
	{"did not find expected ',' or '}'", "a comma or } is missing: is a value with quotes, brackets or a comma quoted?"},
	{"did not find expected ',' or ']'", "a comma or ] is missing: is a value with quotes, brackets or a comma quoted?"},
	{"did not find expected node content", "a value or a closing bracket is missing"},
}

// plainYAML returns an error of the YAML library in words of people who write YAML.
func plainYAML(message string) string {
	if name, ok := strings.CutPrefix(message, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		return fmt.Sprintf("* begins an alias, and there is no anchor %s: quote a value that begins so", clip(name))
	}
	for _, m := range plainMessages {
		if strings.HasPrefix(message, m.begin) {
			return m.plain
		}
	}
	return message
}

var whenInLine = regexp.MustCompile(`(?:^|[\s{,])when:[ \t]+`)

// hintForCondition says of a line that is not YAML why its condition must be quoted, and
// where that begins, in characters from 1.
func hintForCondition(line string) (column int, hint string) {
	at := whenInLine.FindStringIndex(line)
	if at == nil {
		return 0, ""
	}
	value := strings.TrimRight(line[at[1]:], " \t")
	s := syntaxScan{text: value}
	s.scan()
	for _, e := range s.errs {
		if strings.HasPrefix(e.Message, "# ") {
			value = strings.TrimRight(string([]rune(value)[:e.Column-1]), " \t")
			break
		}
	}
	if value == "" || isQuoted(value) {
		return 0, ""
	}
	inFlow := strings.Contains(line[:at[0]+1], "{")
	var why string
	switch first := value[:1]; {
	case strings.Contains("!\"'[{*&@`%|>-?", first):
		why = fmt.Sprintf("a condition that begins with %s must be quoted", first)
	case inFlow: // where its end cannot be told
		return 0, ""
	case strings.Contains(value, ": "):
		why = `a condition with ": " must be quoted`
	case strings.Contains(value, " #"):
		why = `a condition with " #" must be quoted`
	default:
		return 0, ""
	}
	if !inFlow && len(value) <= maxExcerpt {
		why += ": write when: " + quoteYAML(value)
	}
	return utf8.RuneCountInString(line[:at[1]]) + 1, why
}

// quoteYAML returns a text in single quotes of YAML.
func quoteYAML(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// isQuoted reports whether all of value is one text in quotes.
func isQuoted(value string) bool {
	quote := value[:1]
	if quote != `"` && quote != "'" {
		return false
	}
	for i := 1; i < len(value); i++ {
		switch {
		case quote == `"` && value[i] == '\\':
			i++
		case value[i:i+1] == quote && quote == "'" && strings.HasPrefix(value[i+1:], "'"):
			i++
		case value[i:i+1] == quote:
			return i+1 == len(value)
		}
	}
	return true // it has no end, which is another error
}

// tagged reports whether YAML took the beginning of a condition for a tag, as ! without
// quotes, and says so.
func (l *loader) tagged(n *yaml.Node, what string) bool {
	if n = follow(n); !l.beginsWithBang(n) {
		return false
	}
	line := l.line(n.Line)
	column, hint := hintForCondition(line)
	if hint == "" {
		column, hint = n.Column, "a condition that begins with ! must be quoted"
	}
	l.add(n.Line, column, &FileError{File: l.name, Line: n.Line, Column: column, Message: what + ": when: " + hint, Source: l.excerpt(n.Line, column)})
	return true
}

const anchorCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// maxBangLine is how many bytes of a line are searched: many rules may be in one.
const maxBangLine = 64 << 10

// beginsWithBang reports whether n begins with an exclamation mark that is not of a type
// of YAML, such as !!str. YAML says nothing of one with a space after it.
func (l *loader) beginsWithBang(n *yaml.Node) bool {
	l.split()
	w := walker{src: l.line(n.Line)}
	if len(w.src) > maxBangLine {
		return n.Style&yaml.TaggedStyle != 0 && !strings.HasPrefix(n.Tag, "!!")
	}
	w.skipRunes(n.Column - 1)
	if strings.HasPrefix(w.rest(), "&") { // an anchor
		w.at += len(w.rest()) - len(strings.TrimLeft(strings.TrimLeft(w.rest(), "&"+anchorCharacters), " \t"))
	}
	return strings.HasPrefix(w.rest(), "!") && !strings.HasPrefix(w.rest(), "!!") && !strings.HasPrefix(w.rest(), "!<")
}

// cutBy says what in the file may have ended the condition in n too early, or returns the
// empty text.
func (l *loader) cutBy(n *yaml.Node) string {
	if n = follow(n); n.Style&^yaml.FlowStyle != 0 || strings.Contains(n.Value, "\n") {
		return ""
	}
	l.split()
	w := walker{src: l.line(n.Line)}
	w.skipRunes(n.Column - 1)
	after, ok := strings.CutPrefix(w.rest(), n.Value)
	after = strings.TrimLeft(after, " \t")
	switch {
	case !ok:
		return ""
	case strings.HasPrefix(after, "#"):
		return `YAML ends the value at " #": quote the condition`
	case strings.HasPrefix(after, ","), strings.HasPrefix(after, "}"), strings.HasPrefix(after, "]"):
		return fmt.Sprintf("between { and } YAML ends the value at %s: quote the condition", after[:1])
	}
	return ""
}

// isCut reports whether an error of an expression may be that its end is missing.
func isCut(message string) bool {
	return strings.HasSuffix(message, "is not closed") || strings.HasSuffix(message, "ends too early")
}
