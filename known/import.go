package known

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// maxImport is the number of bytes that are read of a list.
const maxImport = 1 << 30

// A MalformedError is about the clients of a list that were skipped because their
// fingerprint is malformed. The others were read.
type MalformedError struct {
	N     int   // how many clients were skipped
	First error // with the line of the first
}

// Error returns the text of the first error, and how many more there are.
func (e *MalformedError) Error() string {
	if e.N == 1 {
		return e.First.Error()
	}
	return fmt.Sprintf("%v, and %d more", e.First, e.N-1)
}

// Unwrap returns the first error.
func (e *MalformedError) Unwrap() error { return e.First }

// Import reads the clients of a list in one of these formats, which it recognises:
//
//   - a clients file, see [Entry];
//   - ja4db's JSON: an array of objects with application, library, os, device,
//     user_agent_string, ja4_fingerprint;
//   - mercury's fingerprint database: an object a line, with str_repr (NPF) and
//     process_info;
//   - CSV with a header, such as FoxIO's mapping (Application, Library, Device,
//     OS, ja4 and others) and SSLBL's JA3 list (ja3_md5, Firstseen, Lastseen,
//     Listingreason, behind a #).
//
// It reads at most 1 GiB, skips rows without a fingerprint of a ClientHello, and reads
// duplicates once. source becomes the entries' source. Errors name the line. A
// [*MalformedError] comes with the entries that are well formed, any other error with
// none.
func Import(r io.Reader, source string) ([]Entry, error) {
	b := bufio.NewReaderSize(io.LimitReader(r, maxImport), maxComments)
	l := list{source: source, seen: make(map[listKey]bool), line: 1}
	first, err := l.skipSpace(b)
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("an empty list")
	case err != nil:
		return nil, err
	}
	if first == '#' {
		first = firstAfterComments(b)
	}
	if first == '[' || first == '{' {
		err = l.readJSON(&commentBlanker{Reader: b}, first == '[')
	} else {
		err = l.readCSV(b)
	}
	switch {
	case err != nil:
		return nil, err
	case len(l.entries) == 0 && l.malformed.N == 0:
		return nil, errors.New("no client with a fingerprint of its hello: JA3, JA4 or NPF, or a hello")
	case l.malformed.N > 0:
		return l.entries, &l.malformed
	}
	return l.entries, nil
}

// A list is what has been read so far.
type list struct {
	source    string
	entries   []Entry
	seen      map[listKey]bool
	malformed MalformedError
	line      int // that is read, counted from 1
}

// A listKey identifies an entry: two entries of a list must not share it.
type listKey struct{ name, version, ja3, ja4, npf, hello, signature string }

// skipSpace skips white space and a byte order mark, and returns the next byte
// without consuming it.
func (l *list) skipSpace(b *bufio.Reader) (byte, error) {
	for {
		c, err := b.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			l.line++
		case ' ', '\t', '\r', 0xef, 0xbb, 0xbf:
		default:
			return c, b.UnreadByte()
		}
	}
}

// A listed has the fields of all known JSON lists, by their names.
type listed struct {
	Entry

	Application string `json:"application"` // ja4db
	Device      string `json:"device"`
	OS          string `json:"os"`
	UserAgent   string `json:"user_agent_string"`
	JA4DB       string `json:"ja4_fingerprint"`

	StrRepr string `json:"str_repr"` // mercury
	Process []struct {
		Process string `json:"process"`
	} `json:"process_info"`
}

// A lineReader counts the lines that are read through it.
type lineReader struct {
	io.Reader
	n    int64
	ends []int64 // offsets of line feeds
}

func (r *lineReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			r.ends = append(r.ends, r.n+int64(i))
		}
	}
	r.n += int64(n)
	return n, err
}

// before returns the number of line feeds before an offset.
func (r *lineReader) before(offset int64) int {
	n, _ := slices.BinarySearch(r.ends, offset)
	return n
}

// readJSON reads an array of objects, or a sequence of objects.
func (l *list) readJSON(r io.Reader, array bool) error {
	lines := &lineReader{Reader: r}
	d := json.NewDecoder(lines)
	first := l.line
	at := func(err error) error {
		offset := d.InputOffset()
		if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
			offset = max(offset, e.Offset)
		}
		if endedEarly(err) {
			offset, err = max(0, lines.n-1), io.ErrUnexpectedEOF // a line feed at the end ends the last line
		}
		return fmt.Errorf("line %d: %w", first+lines.before(offset), err)
	}
	if array {
		if _, err := d.Token(); err != nil {
			return at(err)
		}
	}
	for !array || d.More() {
		var raw json.RawMessage
		switch err := d.Decode(&raw); {
		case errors.Is(err, io.EOF) && !array:
			return nil
		case err != nil:
			return at(err)
		}
		l.line = first + lines.before(d.InputOffset()-int64(len(raw)))
		var v listed
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("line %d: %w", l.line, err)
		}
		if err := l.addListed(&v); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return at(err)
	}
	return nil
}

// endedEarly reports whether err says that the input ends inside a value. Go
// 1.27 has a SyntaxError without a distinct type for some of these.
func endedEarly(err error) bool {
	if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
		return e.Error() == "unexpected end of JSON input"
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (l *list) addListed(v *listed) error {
	e := v.Entry
	if e.JA4 == "" {
		e.JA4 = v.JA4DB
	}
	if e.Name == "" {
		e.Name = nameOf(v.Application, e.Library, v.Device, v.OS, v.UserAgent)
	}
	if v.StrRepr == "" {
		return l.add(e)
	}
	e.NPF = v.StrRepr
	for _, p := range v.Process {
		e.Name = p.Process
		if err := l.add(e); err != nil {
			return err
		}
	}
	return nil
}

// nameOf returns the first non-empty text, as the name of a client.
func nameOf(texts ...string) string {
	for _, s := range texts {
		if s = strings.TrimSpace(s); s != "" {
			return s
		}
	}
	return ""
}

// add adds an entry that has a name and a fingerprint, unless the list already has
// it.
func (l *list) add(e Entry) error {
	e.JA3, e.JA4 = strings.ToLower(strings.TrimSpace(e.JA3)), strings.TrimSpace(e.JA4)
	if !isJA4(e.JA4) {
		l.passOver("ja4", &e.JA4)
	}
	if !isHex(e.JA3, 32) {
		l.passOver("ja3", &e.JA3)
	}
	if e.Name == "" && e.Learned {
		return fmt.Errorf("line %d: %w", l.line, errUnnamed)
	}
	if e.Name == "" || e.JA3 == "" && e.JA4 == "" && e.NPF == "" && e.Hello == "" && e.Signature == "" {
		return nil
	}
	for _, s := range []*string{&e.Name, &e.Version, &e.Library, &e.Family} {
		*s = parser.Text([]byte(*s))
	}
	k := listKey{e.Name, e.Version, e.JA3, e.JA4, e.NPF, e.Hello, e.Signature}
	if l.seen[k] {
		return nil
	}
	l.seen[k] = true
	if _, err := e.ModelHello(); err != nil {
		return fmt.Errorf("line %d: %w", l.line, err)
	}
	if e.Source == "" {
		e.Source = l.source
	}
	l.entries = append(l.entries, e)
	return nil
}

// passOver empties a malformed fingerprint and remembers that.
func (l *list) passOver(name string, text *string) {
	if *text == "" {
		return
	}
	if l.malformed.N++; l.malformed.N == 1 {
		l.malformed.First = fmt.Errorf("line %d: %q is no %s", l.line, (*text)[:min(len(*text), 80)], name)
	}
	*text = ""
}

func isJA4(s string) bool {
	return len(s) == 36 && s[10] == '_' && s[23] == '_' && isHex(s[11:23], 12) && isHex(s[24:], 12)
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// column returns the field that a CSV column fills, by the column's name in lower
// case, or nil. Of two columns for one field, the first non-empty one fills it.
func (e *Entry) column(name string) *string {
	switch name {
	case "application", "client", "name", "process", "listingreason":
		return &e.Name
	case "version":
		return &e.Version
	case "family":
		return &e.Family
	case "library":
		return &e.Library
	case "ja3", "ja3_md5", "ja3_hash":
		return &e.JA3
	case "ja4", "ja4_fingerprint":
		return &e.JA4
	case "npf":
		return &e.NPF
	case "lastseen", "date":
		return &e.Date
	case "source":
		return &e.Source
	case "flags":
		return &e.Flags
	}
	return nil
}

// readCSV reads CSV. The header is the first line with a column for a fingerprint;
// it may be a comment.
func (l *list) readCSV(r *bufio.Reader) error {
	var header []string
	for header == nil {
		line, err := r.ReadString('\n')
		names := strings.Split(strings.ToLower(strings.TrimLeft(strings.TrimSpace(line), "# \t")), ",")
		for i := range names {
			names[i] = strings.Trim(names[i], "\" \t")
			switch names[i] {
			case "ja3", "ja3_md5", "ja3_hash", "ja4", "ja4_fingerprint", "npf":
				header = names
			}
		}
		if err != nil && header == nil {
			return errors.New("neither JSON nor CSV with a header that names a column ja3, ja3_md5, ja4, ja4_fingerprint or npf")
		}
		l.line++
	}
	before := l.line - 1
	c := csv.NewReader(r)
	c.Comment, c.FieldsPerRecord, c.ReuseRecord = '#', -1, true
	for {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if e := (*csv.ParseError)(nil); errors.As(err, &e) {
			return fmt.Errorf("line %d: %w", before+e.StartLine, e.Err)
		}
		if err != nil {
			return err
		}
		l.line, _ = c.FieldPos(0)
		l.line += before
		if err := l.add(entryOfRecord(header, record)); err != nil {
			return err
		}
	}
}

func entryOfRecord(header, record []string) Entry {
	var e Entry
	other := ""
	for i, text := range record[:min(len(record), len(header))] {
		if f := e.column(header[i]); f != nil {
			if *f == "" {
				*f = strings.TrimSpace(text)
			}
			continue
		}
		switch header[i] {
		case "kind":
			e.Kind = ParseKind(strings.ToLower(text))
		case "device", "os", "user_agent", "user_agent_string":
			other = nameOf(other, text)
		}
	}
	e.Name = nameOf(e.Name, e.Library, other)
	return e
}
