package policy

import (
	"errors"
	"strings"
)

// ErrorLines returns a line for each of the errors that err joins, as those of [Load] and
// of [Policy.TestErr], without the source that they show: for a log.
func ErrorLines(err error) (lines []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			lines = append(lines, ErrorLines(e)...)
		}
		return lines
	}
	if inner := errors.Unwrap(err); inner != nil {
		if _, ok := inner.(interface{ Unwrap() []error }); ok {
			return ErrorLines(inner)
		}
	}
	text := err.Error()
	if placed, ok := errors.AsType[*FileError](err); ok {
		text = strings.TrimSuffix(text, placed.Source)
	}
	head, rest, several := strings.Cut(strings.TrimSpace(text), ":\n")
	text = strings.ReplaceAll(head, "\n", "; ")
	if several {
		text += ": " + strings.ReplaceAll(rest, "\n", "; ")
	}
	return []string{text}
}
