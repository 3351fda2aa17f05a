package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"

	"github.com/tlspeek/tlspeek/internal/nearest"
)

// An ExprError says where an expression is wrong.
type ExprError struct {
	Line, Column int    // from 1; columns are characters
	Message      string // what is wrong
	Hint         string // what may be meant, or ""

	text string
}

// Error returns the message, the line of the expression and a mark below the place.
func (e *ExprError) Error() string {
	b := fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message)
	if e.Hint != "" {
		b += ": " + e.Hint
	}
	return b + e.excerpt()
}

// maxExcerpt is how many characters of a line are shown.
const maxExcerpt = 100

// excerpt returns the line of the error with a mark below, or "".
func (e *ExprError) excerpt() string {
	lines := strings.Split(e.text, "\n")
	if e.text == "" || e.Line < 1 || e.Line > len(lines) {
		return ""
	}
	line := []rune(strings.ReplaceAll(strings.TrimRight(lines[e.Line-1], "\r"), "\t", " "))
	at := min(max(e.Column-1, 0), len(line))
	first := max(0, at-maxExcerpt/2)
	last := min(len(line), first+maxExcerpt)
	return fmt.Sprintf("\n  %s\n  %s^", string(line[first:last]), strings.Repeat(" ", at-first))
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'`)
)

// errorsOf returns what CEL found, in words of people who know TLS.
func (v *Env) errorsOf(text string, issues *cel.Issues) error {
	var errs []error
	for _, e := range issues.Errors() {
		x := &ExprError{text: text, Line: e.Location.Line(), Column: e.Location.Column() + 1, Message: e.Message}
		if m := undeclared.FindStringSubmatch(e.Message); m != nil {
			v.explainUndeclared(x, m[1])
		} else if m := undefined.FindStringSubmatch(e.Message); m != nil {
			x.Message = fmt.Sprintf("there is no field %s", m[1])
			x.Hint = nearest.Hint(m[1], v.fields())
		} else if m := noOverload.FindStringSubmatch(e.Message); m != nil {
			explainOverload(x, m[1], m[2])
		}
		switch x.Message, _, _ = strings.Cut(x.Message, "\n"); {
		case strings.Contains(x.Message, "recursion limit exceeded"), strings.Contains(x.Message, "recursion depth exceeded"):
			x.Message = fmt.Sprintf("is nested too deep: more than %d brackets and operators in one another", maxDepth)
		case strings.HasPrefix(x.Message, "error recovery"):
			x.Message = "Syntax error: this is no expression"
		case strings.HasPrefix(x.Message, "Syntax error: "):
			x.Message = "Syntax error: " + syntaxMessage(strings.TrimPrefix(x.Message, "Syntax error: "))
		}
		x.Line, x.Column = max(1, x.Line), max(1, x.Column)
		errs = append(errs, x)
	}
	// CEL reports a name that it does not know once more for what is made of it.
	if len(errs) > maxErrors {
		errs = errs[:maxErrors]
	}
	return errors.Join(errs...)
}

// syntaxMessage leaves out of a message of the parser the names of its tokens.
func syntaxMessage(m string) string {
	m, _, _ = strings.Cut(m, " expecting ")
	return strings.ReplaceAll(m, "'<EOF>'", "the end")
}

// maxErrors is how many errors of an expression are told.
const maxErrors = 5

func (v *Env) explainUndeclared(x *ExprError, name string) {
	// A function is reported where its bracket is.
	if after := runesFrom(x.text, x.Line, x.Column-1); strings.HasPrefix(after, "(") {
		x.Message = fmt.Sprintf("there is no function %s", name)
		x.Hint = nearest.Hint(name, functions)
		return
	}
	x.Message = fmt.Sprintf("there is no key %s", name)
	x.Hint = nearest.Hint(name, v.schema.names)
}

// operators are the names under which CEL reports them.
var operators = map[string]string{
	"_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_+_": "+", "_-_": "-",
	"_*_": "*", "_/_": "/", "_%_": "%", "_&&_": "&&", "_||_": "||", "!_": "!", "-_": "-", "@in": "in", "_[_]": "[]", "_?_:_": "?:",
}

func explainOverload(x *ExprError, function, args string) {
	if o, ok := operators[function]; ok {
		x.Message = fmt.Sprintf("%s cannot be applied to %s", o, strings.ReplaceAll(strings.Trim(args, "()"), ", ", " and "))
		return
	}
	x.Message = fmt.Sprintf("%s cannot be called as %s", function, args)
}

// runesFrom returns the text from a line and a number of characters in it.
func runesFrom(text string, line, column int) string {
	for ; line > 1; line-- {
		_, text, _ = strings.Cut(text, "\n")
	}
	for ; column > 0 && text != ""; column-- {
		_, n := utf8.DecodeRuneInString(text)
		text = text[n:]
	}
	return text
}

// functions are those that people may mean.
var functions = []string{
	"agg", "cidr", "contains", "containsCIDR", "containsIP", "duration", "endsWith", "header", "inList", "ip", "isCIDR", "isIP",
	"lowerAscii", "matches", "size", "startsWith", "timestamp", "exists", "all", "exists_one", "filter", "map", "has",
}

// fields returns the names of all fields of objects.
func (v *Env) fields() (all []string) {
	for _, t := range v.schema.types {
		all = append(all, t.keys...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// typeName returns the name of a type of CEL without that of the package.
func typeName(t *cel.Type) string { return strings.ReplaceAll(t.String(), "tlspeek.", "") }

// hintForType says how to make a condition of a value.
func hintForType(t *cel.Type) string {
	switch t.Kind() {
	case cel.StringKind:
		return `compare it, as in ja4 == "..."`
	case cel.ListKind:
		return "ask whether it has elements, as in size(tells) > 0"
	}
	return ""
}
