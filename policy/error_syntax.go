package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A token is a part of an expression, for errors of its syntax.
type token struct {
	at   int // bytes before it
	text string
	kind tokenKind
}

type tokenKind uint8

const (
	tokenWord tokenKind = iota
	tokenNumber
	tokenText
	tokenSign
	tokenWrong // it has its error already
)

// ends reports whether an operand may end with t, and begins whether one may begin.
func (t token) ends() bool {
	return t.kind != tokenSign && t.kind != tokenWrong || t.text == ")" || t.text == "]" || t.text == "}"
}

func (t token) begins() bool {
	return t.kind != tokenSign && t.kind != tokenWrong || t.text == "(" || t.text == "[" || t.text == "{" || t.text == "!" || t.text == "-"
}

// wrongSigns are what other languages write, longer ones before those that they begin with.
var wrongSigns = []struct{ sign, hint string }{
	{"===", "write =="},
	{"!==", "write !="},
	{"<>", "write !="},
	{"=~", `for a regular expression write .matches, as in sni.matches(r"...")`},
	{"!~", `for a regular expression write .matches, as in !sni.matches(r"...")`},
	{"~=", `for a regular expression write .matches, as in sni.matches(r"...")`},
	{"??", `what is absent is empty, as in sni == ""`},
	{"?.", "write . alone: the fields of what is absent are empty"},
	{"=>", "write >="},
	{"=<", "write <="},
	{"=", "write =="},
	{"~", `for a regular expression write .matches, as in sni.matches(r"...")`},
	{"&", "write &&"},
	{"|", "write ||"},
	{";", "write && or || between conditions"},
	{"#", "a comment begins with //"},
	{"$", "keys are written as they are, as in sni"},
	{"@", "keys are written as they are, as in sni"},
	{"\\", ""},
}

// goodSigns are the signs of CEL of more than one character.
var goodSigns = []string{"==", "!=", "<=", ">=", "&&", "||"}

// wrongWords are operators of other languages, in lower case, between two operands.
var wrongWords = map[string]string{
	"and":         "write &&",
	"or":          "write ||",
	"xor":         "write != between the two in brackets",
	"is":          "write ==",
	"eq":          "write ==",
	"equals":      "write ==",
	"ne":          "write !=",
	"lt":          "write <",
	"le":          "write <=",
	"gt":          "write >",
	"ge":          "write >=",
	"in":          "write in",
	"not":         "write ! before the condition, as in !(ja4 in [\"...\"])",
	"like":        `write .contains, .startsWith, .endsWith or .matches, as in sni.endsWith(".example")`,
	"ilike":       `write .contains, .startsWith, .endsWith or .matches, as in sni.endsWith(".example")`,
	"rlike":       `for a regular expression write .matches, as in sni.matches(r"...")`,
	"regex":       `for a regular expression write .matches, as in sni.matches(r"...")`,
	"regexp":      `for a regular expression write .matches, as in sni.matches(r"...")`,
	"matches":     `write it with a dot and brackets, as in sni.matches(r"...")`,
	"contains":    `write it with a dot and brackets, as in sni.contains("...")`,
	"startswith":  `write it with a dot and brackets, as in sni.startsWith("...")`,
	"starts_with": `write it with a dot and brackets, as in sni.startsWith("...")`,
	"endswith":    `write it with a dot and brackets, as in sni.endsWith("...")`,
	"ends_with":   `write it with a dot and brackets, as in sni.endsWith("...")`,
	"then":        "a condition is true or false by itself: write the first one alone, or a ? b : c",
}

// curlyQuotes are those of word processors, and others that begin no text.
const curlyQuotes = "“”„‟‘’‚‛«»`´"

// A syntaxScan looks in an expression that does not parse for what people write who know
// other languages.
type syntaxScan struct {
	text   string
	tokens []token
	errs   []*ExprError
}

// syntaxErrors returns what is wrong with an expression that does not parse, or nil if
// that cannot be told.
func syntaxErrors(text string) []*ExprError {
	s := &syntaxScan{text: text}
	s.scan()
	s.words()
	if len(s.errs) == 0 {
		s.brackets()
	}
	return s.errs
}

func (s *syntaxScan) fail(at int, message, hint string) {
	line, column := lineAndColumn(s.text, at)
	s.errs = append(s.errs, &ExprError{text: s.text, Line: line, Column: column, Message: message, Hint: hint})
}

// lineAndColumn returns the place after a number of bytes.
func lineAndColumn(text string, at int) (line, column int) {
	before := text[:at]
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// scan finds the tokens, and the characters that are none.
func (s *syntaxScan) scan() {
	for at := 0; at < len(s.text); {
		rest := s.text[at:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case unicode.IsSpace(r):
			at += size
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				return
			}
			at += end
		case prefixOfText(rest) >= 0:
			n, ok := s.quoted(at)
			if !ok {
				return
			}
			s.add(at, n, tokenText)
			at += n
		case r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
			n := lengthOf(rest, isWord)
			s.add(at, n, tokenWord)
			at += n
		case '0' <= r && r <= '9':
			n := s.number(at)
			s.add(at, n, tokenNumber)
			at += n
		case strings.ContainsRune(curlyQuotes, r):
			s.fail(at, fmt.Sprintf("%c does not begin a text", r), `write the straight quotes " or '`)
			at += s.curly(rest, r)
			s.add(at, 0, tokenText)
		default:
			at += s.sign(at, r, size)
		}
	}
}

// curly returns the length of a text in curly quotes.
func (s *syntaxScan) curly(rest string, r rune) int {
	size := utf8.RuneLen(r)
	if end := strings.IndexFunc(rest[size:], func(r rune) bool { return strings.ContainsRune(curlyQuotes, r) || r == '\n' }); end >= 0 {
		_, last := utf8.DecodeRuneInString(rest[size+end:])
		return size + end + last
	}
	return len(rest)
}

func (s *syntaxScan) add(at, n int, kind tokenKind) {
	s.tokens = append(s.tokens, token{at, s.text[at : at+n], kind})
}

// sign reads a sign, and returns its length.
func (s *syntaxScan) sign(at int, r rune, size int) int {
	rest := s.text[at:]
	for _, w := range wrongSigns {
		if !strings.HasPrefix(rest, w.sign) || isGoodSign(rest) && len(w.sign) < 3 {
			continue
		}
		message := fmt.Sprintf("there is no operator %s", w.sign)
		if strings.ContainsAny(w.sign, "$@#;\\") {
			message = fmt.Sprintf("%s cannot stand here", w.sign)
		}
		s.fail(at, message, w.hint)
		s.add(at, len(w.sign), tokenWrong)
		return len(w.sign)
	}
	n := size
	if isGoodSign(rest) {
		n = 2
	} else if !strings.ContainsRune("()[]{}.,:?!<>+-*/%", r) {
		s.fail(at, fmt.Sprintf("%q cannot stand here", r), "")
		s.add(at, n, tokenWrong)
		return n
	}
	s.add(at, n, tokenSign)
	return n
}

func isGoodSign(rest string) bool {
	for _, g := range goodSigns {
		if strings.HasPrefix(rest, g) {
			return true
		}
	}
	return false
}

func isWord(r rune) bool {
	return r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func lengthOf(text string, is func(rune) bool) int {
	if end := strings.IndexFunc(text, func(r rune) bool { return !is(r) }); end >= 0 {
		return end
	}
	return len(text)
}

// inBefore matches what ends in a key and the operator in.
var inBefore = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.]*)\s+in\s*$`)

// number returns the length of a number. What looks like an address or a network is
// an error: it must be in quotes.
func (s *syntaxScan) number(at int) int {
	rest := s.text[at:]
	n := lengthOf(rest, func(r rune) bool { return isWord(r) || r == '.' || r == ':' || r == '/' })
	if _, err := parseRange(rest[:n]); err == nil && strings.ContainsAny(rest[:n], ".:") {
		hint := fmt.Sprintf("write it in quotes: %q", rest[:n])
		if m := inBefore.FindStringSubmatch(s.text[:at]); m != nil && strings.Contains(rest[:n], "/") {
			hint = fmt.Sprintf("write cidr(%q).containsIP(%s)", rest[:n], m[1])
		}
		s.fail(at, "an address is a text", hint)
		return n
	}
	return lengthOf(rest, func(r rune) bool { return isWord(r) || r == '.' })
}

// prefixOfText returns the length of what stands before the quote of the text at the
// beginning of rest, or -1 if there is no text.
func prefixOfText(rest string) int {
	for n := 0; n < len(rest) && n < 3; n++ {
		switch rest[n] {
		case '"', '\'':
			return n
		case 'r', 'R', 'b', 'B':
		default:
			return -1
		}
	}
	return -1
}

// quoted reads the text at a place, and returns its length. It returns false after an
// error that leaves the rest without meaning.
func (s *syntaxScan) quoted(at int) (n int, ok bool) {
	rest := s.text[at:]
	prefix := prefixOfText(rest)
	raw := strings.ContainsAny(rest[:prefix], "rR")
	quote := rest[prefix : prefix+1]
	long := strings.HasPrefix(rest[prefix:], strings.Repeat(quote, 3))
	if long {
		quote = strings.Repeat(quote, 3)
	}
	told := false
	for n = prefix + len(quote); n < len(rest); {
		switch {
		case strings.HasPrefix(rest[n:], quote):
			return n + len(quote), true
		case rest[n] == '\n' && !long:
			s.unclosed(at, quote)
			return n, false
		case rest[n] != '\\' || raw:
			n++
		case n+1 == len(rest):
			n++
		default:
			_, size := utf8.DecodeRuneInString(rest[n+1:])
			if escape := rest[n : n+1+size]; !told && !isEscape(escape) {
				told = true
				s.fail(at+n, escape+" is no escape", fmt.Sprintf(`write \%s, or r before the text, as in r%s%s%s`, escape, quote, escape, quote))
			}
			n += 1 + size
		}
	}
	s.unclosed(at, quote)
	return n, false
}

func (s *syntaxScan) unclosed(at int, quote string) {
	s.fail(at, "the text that begins here is not closed", "write "+quote+" at its end")
}

// isEscape reports whether CEL has an escape that begins so.
func isEscape(escape string) bool { return strings.ContainsAny(escape[1:], "abfnrtv\\?\"'`xXuU0123") }

// words finds words that are operators in other languages.
func (s *syntaxScan) words() {
	for i, t := range s.tokens {
		if t.kind != tokenWord || i > 0 && s.tokens[i-1].text == "." || i+1 == len(s.tokens) {
			continue
		}
		hint, word := wrongWords[strings.ToLower(t.text)], strings.ToLower(t.text)
		between := i > 0 && s.tokens[i-1].ends() && !isOperatorWord(s.tokens[i-1].text) && s.tokens[i+1].begins()
		switch {
		case t.text == "in":
		case word == "if" && i == 0:
			s.fail(t.at, "there is no if", "write the condition alone")
		case word == "not" && (!between || s.tokens[i+1].text == "in"):
			if !between {
				hint = "write !, as in !(sni == \"\")"
			}
			s.fail(t.at, "there is no operator "+t.text, hint)
		case between && hint != "":
			s.fail(t.at, "there is no operator "+t.text, hint)
		}
	}
	sortByPlace(s.errs)
}

// isOperatorWord reports whether a word is an operator here or elsewhere, after which an
// operand begins.
func isOperatorWord(word string) bool { return word == "in" || wrongWords[strings.ToLower(word)] != "" }

// sortByPlace sorts errors by where they are.
func sortByPlace(errs []*ExprError) {
	slices.SortStableFunc(errs, func(a, b *ExprError) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// brackets finds brackets without their counterpart, and lists in round brackets.
func (s *syntaxScan) brackets() {
	closing := map[string]string{"(": ")", "[": "]", "{": "}"}
	var open []int // tokens
	for i, t := range s.tokens {
		switch {
		case t.kind != tokenSign:
		case closing[t.text] != "":
			open = append(open, i)
		case strings.Contains(")]}", t.text):
			if len(open) == 0 {
				s.fail(t.at, fmt.Sprintf("the %s closes no bracket", t.text), "")
				return
			}
			begin := s.tokens[open[len(open)-1]]
			if want := closing[begin.text]; want != t.text {
				s.fail(t.at, fmt.Sprintf("the %s closes a %s", t.text, begin.text), "write "+want)
				return
			}
			open = open[:len(open)-1]
		case t.text == "," && len(open) > 0:
			if first := open[len(open)-1]; s.isList(first, i) {
				s.fail(s.tokens[first].at, "a list is in square brackets", `as in sni in ["a.example", "b.example"]`)
				return
			}
		}
	}
	if len(open) > 0 {
		t := s.tokens[open[len(open)-1]]
		s.fail(t.at, fmt.Sprintf("the %s here is not closed", t.text), "")
	}
}

// isList reports whether what stands between a bracket and a comma is the first element
// of a list in the wrong brackets.
func (s *syntaxScan) isList(first, comma int) bool {
	switch s.tokens[first].text {
	case "(":
		return first == 0 || s.tokens[first-1].kind != tokenWord || s.tokens[first-1].text == "in"
	case "{":
		return !slices.ContainsFunc(s.tokens[first:comma], func(t token) bool { return t.text == ":" })
	}
	return false
}
