// Package preflight finds what would keep a server from working before it is
// started: certificates, files, folders, ports and environment variables. It reads
// only, and changes nothing on disk.
package preflight

import (
	"fmt"
	"io"
	"strings"
)

// A Level says what a [Finding] means for the server.
type Level int

// OK is for what works, Warning for what works but not for long or not for all, and
// Problem for what the server or its clients fail on.
const (
	OK Level = iota
	Warning
	Problem
)

func (l Level) String() string { return [...]string{"ok", "warning", "problem"}[l] }

// A Finding is one result of a check.
type Finding struct {
	Level   Level
	Subject string // what was checked, such as a flag
	Text    string // what was found
	Advice  string // what to do about it; empty if nothing
}

// A Report has the findings of all checks, in order.
type Report []Finding

// OK adds what works.
func (r *Report) OK(subject, text string) { *r = append(*r, Finding{OK, subject, text, ""}) }

// Warn adds what works, but not for long or not for all.
func (r *Report) Warn(subject, text, advice string) {
	*r = append(*r, Finding{Warning, subject, text, advice})
}

// Fail adds a problem.
func (r *Report) Fail(subject, text, advice string) {
	*r = append(*r, Finding{Problem, subject, text, advice})
}

// Count returns how many findings have the level.
func (r Report) Count(level Level) (n int) {
	for _, f := range r {
		if f.Level == level {
			n++
		}
	}
	return n
}

// lineWidth is how long a line of a table becomes, unless a word of it is longer.
const lineWidth = 100

// WriteTo writes a table with a row for each finding, its advice below, and a last
// line that counts problems and warnings.
func (r Report) WriteTo(w io.Writer) (int64, error) {
	width := 0
	for _, f := range r {
		width = max(width, len(f.Subject))
	}
	var b strings.Builder
	indent := strings.Repeat(" ", width+11)
	for _, f := range r {
		fmt.Fprintf(&b, "%-7s  %-*s  %s\n", f.Level, width, f.Subject, wrap(f.Text, indent))
		if f.Advice != "" {
			fmt.Fprintf(&b, "%s-> %s\n", indent, wrap(f.Advice, indent+"   "))
		}
	}
	b.WriteString(count(r.Count(Problem), "problem") + ", " + count(r.Count(Warning), "warning") + "\n")
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func count(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun + "s"
	case 1:
		return "1 " + noun
	}
	return fmt.Sprint(n, " ", noun, "s")
}

// wrap breaks text into lines that end at lineWidth if they begin with indent, which
// it puts before each but the first. It never breaks a word.
func wrap(text, indent string) string {
	var b strings.Builder
	used := len(indent)
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case used+1+len(word) > lineWidth:
			b.WriteString("\n" + indent)
			used = len(indent)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	return b.String()
}
