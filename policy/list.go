package policy

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A ListType says what the entries of a [List] are, and so how they are compared.
type ListType uint8

// The types of lists.
const (
	// ListAuto takes the type from the entries, which must all look alike.
	ListAuto ListType = iota

	// ListValues has texts, such as fingerprints, that are compared as they are.
	// The upper-case hex digits of a digest also stand for lower-case ones.
	ListValues

	// ListAddresses has IP addresses and prefixes. Addresses in a prefix are in the
	// list. An IPv4 address and its form in IPv6 (::ffff:192.0.2.1) are the same.
	ListAddresses

	// ListNames has server names, in any case. "*.example" has all names under
	// example, at any depth, and ".example" has example itself, too.
	ListNames
)

var listTypes = [...]string{"auto", "values", "addresses", "names"}

// ParseListType returns the type with the text s.
func ParseListType(s string) (ListType, error) {
	for i, name := range listTypes {
		if s == name {
			return ListType(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no type of list: write values, addresses, names or auto", s)
}

// String returns the text that ParseListType reads.
func (t ListType) String() string {
	if int(t) < len(listTypes) {
		return listTypes[t]
	}
	return strconv.Itoa(int(t))
}

// Bounds of a list that is read.
const (
	MaxListSize = 64 << 20 // bytes of a file
	MaxListLine = 16 << 10 // bytes of a line

	maxListErrors = 10 // in one error
)

// A List is a set of texts, of server names or of addresses. It never changes and is safe for
// use by several goroutines. The zero List is empty.
type List struct {
	listType ListType
	values   map[string]struct{}
	names    nameSet
	ranges   rangeTable
	size     int
}

// A ListError is the error of an entry of a list.
type ListError struct {
	File string // the name given to ReadList; empty for NewList
	Line int    // from 1; of the value for NewList
	Text string // the entry, at most 64 bytes of it
	Err  error
}

func (e *ListError) Error() string {
	where := "value " + strconv.Itoa(e.Line)
	if e.File != "" {
		where = e.File + ":" + strconv.Itoa(e.Line)
	}
	if e.Text == "" {
		return where + ": " + e.Err.Error()
	}
	return where + ": " + strconv.Quote(e.Text) + ": " + e.Err.Error()
}

func (e *ListError) Unwrap() error { return e.Err }

// ReadList reads a list with an entry a line. Space around an entry, blank lines, and
// comments from # on count for nothing; the # begins the line or follows a space. So does
// a semicolon that begins the line or follows an address and a space. The error joins a [*ListError] for each of the first broken lines. name is for errors.
func ReadList(r io.Reader, name string, t ListType) (*List, error) {
	b := listBuilder{file: name, declared: t}
	data, err := io.ReadAll(io.LimitReader(r, MaxListSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case len(data) > MaxListSize:
		return nil, fmt.Errorf("%s: a list has at most %d bytes", name, MaxListSize)
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return nil, fmt.Errorf("%s: is in UTF-16: a list must be in UTF-8", name)
	}
	lines := strings.Count(text, "\n") + 1
	b.entries = make([]entry, 0, lines)
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if len(line) > MaxListLine {
			b.fail(entry{line, n}, fmt.Errorf("the line has %d bytes, and may have %d", len(line), MaxListLine))
			continue
		}
		if line = withoutComment(line); line != "" {
			b.entries = append(b.entries, entry{line, n})
		}
	}
	return b.build()
}

// NewList returns a list of values. The error joins a [*ListError] for each of the
// first broken ones.
func NewList(t ListType, values ...string) (*List, error) {
	b := listBuilder{declared: t, entries: make([]entry, 0, len(values))}
	for i, v := range values {
		switch e := (entry{v, i + 1}); {
		case v == "":
			b.fail(e, errors.New("is empty"))
		case len(v) > MaxListLine:
			b.fail(e, fmt.Errorf("has %d bytes, and may have %d", len(v), MaxListLine))
		default:
			b.entries = append(b.entries, e)
		}
	}
	return b.build()
}

// withoutComment returns line without the space around it and without a comment.
func withoutComment(line string) string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, ";") {
		return ""
	}
	for i := 0; i < len(line); i++ {
		j := strings.IndexByte(line[i:], '#')
		if j < 0 {
			break
		}
		if i += j; i == 0 || line[i-1] == ' ' || line[i-1] == '\t' {
			line = strings.TrimRight(line[:i], " \t")
			break
		}
	}
	// Lists of networks to drop have "192.0.2.0/24 ; SBL1". Other values may have semicolons.
	if before, _, found := strings.Cut(line, ";"); found {
		before, space := strings.TrimRight(before, " \t"), before
		if _, err := parseRange(before); err == nil && len(before) < len(space) {
			return before
		}
	}
	return line
}

// Contains reports whether value is in the list. It allocates nothing for a value of
// the list's type.
func (l *List) Contains(value string) bool {
	switch l.listType {
	case ListAddresses:
		return l.ranges.containsText(value)
	case ListNames:
		return l.names.contains(value)
	}
	_, ok := l.values[value]
	return ok
}

// Len returns how many entries the list has. Entries that others repeat or cover may count.
func (l *List) Len() int { return l.size }

// Type returns the type of the entries: never ListAuto.
func (l *List) Type() ListType { return max(l.listType, ListValues) }

// some reports whether what is true of a text or a name of the list.
func (l *List) some(what func(s string) bool) bool {
	for s := range l.values {
		if what(s) {
			return true
		}
	}
	for s := range l.names.kinds {
		if what(s) {
			return true
		}
	}
	return false
}

// An entry is one of a list that is being read.
type entry struct {
	text string
	line int
}

// A listBuilder makes a List.
type listBuilder struct {
	file     string
	declared ListType
	entries  []entry
	errs     []error
	failed   int
}

func (b *listBuilder) fail(e entry, err error) {
	if b.failed++; b.failed > maxListErrors {
		return
	}
	text := e.text
	if len(text) > 64 {
		text = strings.ToValidUTF8(text[:64], "") + "..."
	}
	b.errs = append(b.errs, &ListError{File: b.file, Line: e.line, Text: text, Err: err})
}

func (b *listBuilder) build() (*List, error) {
	l := &List{listType: b.declared}
	if b.declared == ListAuto {
		l.listType = b.detect()
	}
	if len(b.errs) == 0 || b.declared != ListAuto {
		b.fill(l)
	}
	if b.failed > maxListErrors {
		where := "the list"
		if b.file != "" {
			where = b.file
		}
		b.errs = append(b.errs, fmt.Errorf("%s: and %d more entries are broken", where, b.failed-maxListErrors))
	}
	if len(b.errs) > 0 {
		return nil, errors.Join(b.errs...)
	}
	return l, nil
}

// detect returns the type that all entries have.
func (b *listBuilder) detect() ListType {
	if len(b.entries) == 0 {
		return ListValues
	}
	first := b.entries[0]
	t := typeOf(first.text)
	for _, e := range b.entries {
		if err := brokenAddress(e.text); err != nil {
			b.fail(e, err)
			continue
		}
		if found := typeOf(e.text); found != t && len(b.errs) == 0 {
			where := "" // the values of a policy may be in one line
			if b.file != "" {
				where = fmt.Sprintf(" in line %d", first.line)
			}
			b.fail(e, fmt.Errorf("looks like %s, and %q%s like %s: set the list's type to values, addresses or names",
				describeType(found), clip(first.text), where, describeType(t)))
		}
	}
	return t
}

func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "..."
	}
	return s
}

func describeType(t ListType) string {
	switch t {
	case ListAddresses:
		return "an address"
	case ListNames:
		return "a server name"
	}
	return "a value"
}

// typeOf returns what text looks like.
func typeOf(text string) ListType {
	if _, err := parseRange(text); err == nil {
		return ListAddresses
	}
	if strings.Contains(text, ".") {
		if _, _, err := parseName(text); err == nil && !isVersion(text) {
			return ListNames
		}
	}
	return ListValues
}

// isVersion reports whether the last part of text, after a dot, is a number, as in no
// name of a host.
func isVersion(text string) bool {
	text = strings.TrimSuffix(text, ".")
	last := text[strings.LastIndexByte(text, '.')+1:]
	return strings.Trim(last, "0123456789") == ""
}

func (b *listBuilder) fill(l *List) {
	l.size = len(b.entries)
	switch l.listType {
	case ListAddresses:
		ranges := make([]addressRange, 0, len(b.entries))
		for _, e := range b.entries {
			r, err := parseRange(e.text)
			if err != nil {
				b.fail(e, err)
				continue
			}
			ranges = append(ranges, r)
		}
		l.ranges = newRangeTable(ranges)
	case ListNames:
		l.names.init(len(b.entries))
		for _, e := range b.entries {
			name, kind, err := parseName(e.text)
			if err != nil {
				b.fail(e, err)
				continue
			}
			l.names.add(name, kind)
		}
		l.size = len(l.names.kinds)
	default:
		l.values = make(map[string]struct{}, len(b.entries))
		for _, e := range b.entries {
			if err := checkValue(e.text); err != nil {
				b.fail(e, err)
				continue
			}
			l.values[e.text] = struct{}{}
		}
		l.size = len(l.values)
		for _, e := range b.entries { // later, so that they do not count
			if lower, ok := lowerDigest(e.text); ok {
				l.values[lower] = struct{}{}
			}
		}
	}
}

// checkValue returns the error of a value that nothing can equal.
func checkValue(text string) error {
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			return errors.New("is not in UTF-8")
		case unicode.IsControl(r) && r != '\t':
			return fmt.Errorf("has the control character %U", r)
		}
	}
	if i := strings.IndexAny(text, " \t,;|"); i > 0 {
		if _, isDigest := digestStart(strings.Trim(text[:i], `"'`)); isDigest {
			return errors.New("has more than a fingerprint: a comment begins with #")
		}
	}
	return nil
}

// lowerDigest returns a text of the form of a digest with lower-case hex digits, and
// whether that differs from text.
func lowerDigest(text string) (string, bool) {
	start, ok := digestStart(text)
	if !ok {
		return "", false
	}
	lower := strings.ToLower(text)
	if start > 0 {
		lower = lower[:8] + text[8:10] + lower[10:] // the ALPN of a JA4 is in any case
	}
	return lower, lower != text
}

// digestStart returns where the hex digits of a digest begin in text: an MD5, SHA-1 or
// SHA-256, or a JA4, whose first part has letters of the client in any case.
func digestStart(text string) (start int, ok bool) {
	const ja4Length, ja4Digests = 36, 11
	switch len(text) {
	case 32, 40, 64:
		return 0, isHex(text)
	case ja4Length:
		return ja4Digests, text[10] == '_' && text[23] == '_' && isHex(text[11:23]) && isHex(text[24:])
	}
	return 0, false
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdefABCDEF") == "" }
