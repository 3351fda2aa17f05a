package known

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// maxImport is how much of a list is read, in bytes.
const maxImport = 1 << 30

// Import reads the clients of somebody else's list, whose shape it recognises:
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
// What has no fingerprint of a ClientHello is passed over, and what the list has
// twice is taken once. Source becomes the entries' source.
func Import(r io.Reader, source string) ([]Entry, error) {
	b := bufio.NewReader(io.LimitReader(r, maxImport))
	first, err := firstByte(b)
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("an empty list")
	case err != nil:
		return nil, err
	}
	var entries []Entry
	if first == '[' || first == '{' {
		entries, err = importJSON(b)
	} else {
		entries, err = importCSV(b)
	}
	if err != nil {
		return nil, err
	}
	type id struct{ name, version, ja3, ja4, npf, hello string }
	seen := make(map[id]bool)
	kept := entries[:0]
	for _, e := range entries {
		k := id{e.Name, e.Version, e.JA3, e.JA4, e.NPF, e.Hello}
		if seen[k] {
			continue
		}
		seen[k] = true
		if _, err := e.ParseHello(); err != nil {
			return nil, err
		}
		if e.Source == "" {
			e.Source = source
		}
		kept = append(kept, e)
	}
	if len(kept) == 0 {
		return nil, errors.New("no client with a fingerprint of its hello: JA3, JA4 or NPF, or a hello")
	}
	return kept, nil
}

// firstByte returns the first byte that is not white space or of a byte order
// mark, and leaves it to be read.
func firstByte(b *bufio.Reader) (byte, error) {
	for {
		c, err := b.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case ' ', '\t', '\r', '\n', 0xef, 0xbb, 0xbf:
			continue
		}
		return c, b.UnreadByte()
	}
}

// A listed has the fields of all JSON lists that are known, by their names.
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

func importJSON(r io.Reader) ([]Entry, error) {
	d := json.NewDecoder(r)
	var entries []Entry
	add := func(l *listed) {
		e := l.Entry
		if e.JA4 == "" {
			e.JA4 = l.JA4DB
		}
		if e.Name == "" {
			e.Name = nameOf(l.Application, e.Library, l.Device, l.OS, l.UserAgent)
		}
		if l.StrRepr != "" {
			e.NPF = l.StrRepr
			for _, p := range l.Process {
				e.Name = p.Process
				entries = appendListed(entries, e)
			}
			return
		}
		entries = appendListed(entries, e)
	}
	for n := 1; ; n++ {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", n, err)
		}
		var list []listed
		if raw[0] == '[' {
			err = json.Unmarshal(raw, &list)
		} else {
			list = make([]listed, 1)
			err = json.Unmarshal(raw, &list[0])
		}
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", n, err)
		}
		for i := range list {
			add(&list[i])
		}
	}
}

// nameOf returns the first text that is not empty, as the name of a client.
func nameOf(texts ...string) string {
	for _, s := range texts {
		if s = strings.TrimSpace(s); s != "" {
			return s
		}
	}
	return ""
}

// appendListed appends an entry that has a name and a fingerprint.
func appendListed(entries []Entry, e Entry) []Entry {
	e.JA3, e.JA4 = strings.ToLower(strings.TrimSpace(e.JA3)), strings.TrimSpace(e.JA4)
	if !isJA4(e.JA4) {
		e.JA4 = ""
	}
	if len(e.JA3) != 32 {
		e.JA3 = ""
	}
	if e.Name == "" || e.JA3 == "" && e.JA4 == "" && e.NPF == "" && e.Hello == "" {
		return entries
	}
	for _, s := range []*string{&e.Name, &e.Version, &e.Library, &e.Family} {
		*s = parser.Text([]byte(*s))
	}
	return append(entries, e)
}

func isJA4(s string) bool {
	return len(s) == 36 && s[10] == '_' && s[23] == '_'
}

// column returns the field that a column of a CSV list fills, by the column's
// name in lower case, or nil. Of two columns for one field, the first that is
// not empty fills it.
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

// importCSV reads CSV. The header is the first line with a column for a
// fingerprint, and may be a comment.
func importCSV(r *bufio.Reader) ([]Entry, error) {
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
			return nil, errors.New("neither JSON nor CSV with a header that names a column ja3, ja3_md5, ja4, ja4_fingerprint or npf")
		}
	}
	c := csv.NewReader(r)
	c.Comment, c.FieldsPerRecord, c.LazyQuotes, c.ReuseRecord = '#', -1, true, true
	var entries []Entry
	for {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
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
		entries = appendListed(entries, e)
	}
}
