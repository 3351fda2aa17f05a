package known

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// An Entry is one hello that a client was seen to send: one line of a clients
// file, which has one JSON object a line. Unknown keys are ignored.
type Entry struct {
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"`
	Family    string `json:"family,omitempty"`
	Library   string `json:"library,omitempty"`
	Kind      Kind   `json:"kind"`
	Transport string `json:"transport,omitempty"` // tls, quic or dtls; tls if empty
	Permutes  bool   `json:"permutes,omitempty"`  // its extensions are in another order in each hello
	Scanner   bool   `json:"scanner,omitempty"`   // one of the many hellos of a scanner
	Flags     string `json:"flags,omitempty"`     // settings that are not the default
	HTTP2     string `json:"http2,omitempty"`     // in Akamai's format
	Source    string `json:"source,omitempty"`
	Date      string `json:"date,omitempty"`

	// JA3 and JA4 are those of the hello. An entry without a hello has at least one
	// of these three.
	JA3 string `json:"ja3,omitempty"`
	JA4 string `json:"ja4,omitempty"`
	NPF string `json:"npf,omitempty"` // Cisco's, in format tls, tls/1 or tls/2, or dtls

	Hello string `json:"hello,omitempty"` // the handshake message in hex, its header included
}

// ParseHello returns the entry's hello, or nil if it has none.
func (e *Entry) ParseHello() (*parser.ClientHello, error) {
	if e.Hello == "" {
		return nil, nil
	}
	msg, err := hex.DecodeString(e.Hello)
	if err != nil {
		return nil, fmt.Errorf("hello of %s: %w", e.Name, err)
	}
	transport, ok := parser.ParseTransport(e.Transport)
	if !ok && e.Transport != "" {
		return nil, fmt.Errorf("transport %q of %s is none of tls, quic, dtls", e.Transport, e.Name)
	}
	h := &parser.ClientHello{Transport: transport}
	if err := h.Unmarshal(msg); err != nil {
		return nil, fmt.Errorf("hello of %s: %w", e.Name, err)
	}
	return h, nil
}

// Fingerprint sets JA3 and JA4 of an entry that has a hello.
func (e *Entry) Fingerprint() error {
	h, err := e.ParseHello()
	if err != nil || h == nil {
		return err
	}
	e.JA3, e.JA4 = fingerprint.JA3(h), fingerprint.JA4(h)
	if e.Permutes {
		e.JA3 = "" // another one in each hello
	}
	return nil
}

// candidate returns the entry as a candidate at distance 0.
func (e *Entry) candidate() Candidate {
	return Candidate{Name: e.Name, Version: e.Version, Family: e.Family, Library: e.Library, Kind: e.Kind}
}

// maxLine is the longest line of a clients file in bytes: a hello of 64 KiB in
// hex, and the other keys.
const maxLine = 1 << 18

// ReadEntries reads a clients file. It skips empty lines and lines that begin
// with #. Errors name the line.
func ReadEntries(r io.Reader) ([]Entry, error) {
	var entries []Entry
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 1<<14), maxLine)
	for n := 1; s.Scan(); n++ {
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if e.Name == "" {
			return nil, fmt.Errorf("line %d: client without a name", n)
		}
		entries = append(entries, e)
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("line over %d bytes", maxLine)
	} else if err != nil {
		return nil, err
	}
	return entries, nil
}

// AppendLine appends e to dst as a line of a clients file.
func (e *Entry) AppendLine(dst []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(e)
	return b.Bytes(), err
}

// NewDatabase builds a Database from entries.
func NewDatabase(entries []Entry) (*Database, error) {
	db := &Database{named: make(map[string][]Candidate)}
	var all []sample
	for i := range entries {
		e := &entries[i]
		h, err := e.ParseHello()
		if err != nil {
			return nil, err
		}
		if h == nil {
			if err := db.name(e); err != nil {
				return nil, err
			}
			continue
		}
		s := sample{permutes: e.Permutes, scanner: e.Scanner, client: e.candidate()}
		s.shape.read(h)
		all = append(all, s)
	}
	db.build(all)
	return db, nil
}
