package policy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	ops "cel.dev/cel-go/common/operators"
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
	noField    = regexp.MustCompile(`^type '([^']*)' does not support field selection`)
	notBool    = regexp.MustCompile(`^expected type 'bool' but found '([^']*)'`)
	identifier = regexp.MustCompile(`^[A-Za-z_]+$`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'`)
)

// errorsOf returns what CEL found, in words of people who know TLS, each error once.
func (v *Env) errorsOf(text string, issues *cel.Issues) error {
	var all []*ExprError
	syntax := false
	h := v.newHinter(text)
	for _, e := range issues.Errors() {
		x := &ExprError{text: text, Line: max(1, e.Location.Line()), Column: max(1, e.Location.Column()+1)}
		x.Message, _, _ = strings.Cut(e.Message, "\n")
		switch rest, isSyntax := strings.CutPrefix(x.Message, "Syntax error: "); {
		case strings.Contains(x.Message, "recursion limit exceeded"), strings.Contains(x.Message, "recursion depth exceeded"):
			x.Message = fmt.Sprintf("is nested too deep: more than %d brackets and operators in one another", maxDepth)
			return x
		case strings.HasPrefix(x.Message, "error recovery"):
			x.Message = "this is no expression"
			return x
		case isSyntax, strings.HasPrefix(x.Message, "reserved identifier"):
			if syntax {
				continue // what follows may be right
			}
			if syntax = true; isSyntax {
				x.Message = syntaxMessage(rest)
			}
		default:
			if !h.explain(x, e) {
				continue
			}
		}
		all = append(all, x)
	}
	if syntax {
		if found := syntaxErrors(text); len(found) > 0 {
			all = found
		}
	}
	sortByPlace(all)
	var errs []error
	for _, x := range all[:min(len(all), maxErrors)] {
		errs = append(errs, x)
	}
	return errors.Join(errs...)
}

// syntaxMessage returns a message of the parser without the names of its tokens.
func syntaxMessage(m string) string {
	m, _, _ = strings.Cut(m, " expecting ")
	for _, start := range []string{"mismatched input ", "extraneous input ", "no viable alternative at input ", "token recognition error at: "} {
		if what, ok := strings.CutPrefix(m, start); ok {
			if strings.Contains(what, "<EOF>") {
				return "the expression ends too early"
			}
			return clip(strings.TrimSpace(strings.Trim(what, "'"))) + " cannot stand here"
		}
	}
	return strings.ReplaceAll(m, "'<EOF>'", "the end")
}

// maxErrors is how many errors of an expression are told.
const maxErrors = 5

// operatorText returns what is written for an operator that CEL names "_==_", or "" for
// what is none.
func operatorText(name string) string {
	switch name {
	case ops.Index:
		return "[]"
	case ops.Conditional:
		return "?:"
	}
	text, _ := ops.FindReverse(name)
	return text
}

// functions returns the names of all functions and macros, in alphabetical order.
func (v *Env) functions() []string {
	names := make(map[string]bool)
	for name := range v.cel.Functions() {
		if identifier.MatchString(name) { // and no operator
			names[name] = true
		}
	}
	for _, m := range v.cel.Macros() {
		names[m.Function()] = true
	}
	return slices.Sorted(maps.Keys(names))
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
	case cel.StructKind:
		return `ask for a field, as in claim.verdict == "..."`
	}
	return ""
}
