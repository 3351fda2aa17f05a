package known

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// An Entry is one hello that a client was seen to send: one line of a clients
// file, which has one JSON object a line. Unknown keys are ignored.
//
// Of some clients others have recorded what their hellos are made of, but not the bytes.
// Such an entry is recorded: it has a Signature in the place of a Hello.
type Entry struct {
	Name      string `json:"name"`                // of the program: "curl"; required
	Version   string `json:"version,omitempty"`   // of the program: "8.5.0"
	Family    string `json:"family,omitempty"`    // of clients whose hellos are made the same way
	Library   string `json:"library,omitempty"`   // TLS library and its version: "OpenSSL 3.0.13"
	Kind      Kind   `json:"kind"`                // what the program is
	Transport string `json:"transport,omitempty"` // tls, quic or dtls; tls if empty
	Permutes  bool   `json:"permutes,omitempty"`  // its extensions are in another order in each hello
	Scanner   bool   `json:"scanner,omitempty"`   // one of the many hellos of a scanner
	Learned   bool   `json:"learned,omitempty"`   // found in traffic, and named by a guess: see [Candidate.Learned]
	Flags     string `json:"flags,omitempty"`     // settings that are not the default
	HTTP2     string `json:"http2,omitempty"`     // in Akamai's format
	Source    string `json:"source,omitempty"`    // where the hello was captured, or the list that it is from
	Date      string `json:"date,omitempty"`      // when it was captured: "2026-07-29"
	OS        string `json:"os,omitempty"`        // system that it ran on, where that is known

	// What others say of a hello that was not captured for this project.
	Grade    string `json:"grade,omitempty"`    // capture, recorded (a record of its fields) or reported (values that a user published)
	Evidence string `json:"evidence,omitempty"` // how they know which client it was
	Doubt    string `json:"doubt,omitempty"`    // what is not certain

	// The fingerprints of the hello. An entry without a hello has at least one.
	JA3 string `json:"ja3,omitempty"`
	JA4 string `json:"ja4,omitempty"`
	NPF string `json:"npf,omitempty"` // Cisco's, in format tls, tls/1 or tls/2, or dtls

	Hello string `json:"hello,omitempty"` // the handshake message in hex, its header included

	// Signature is what a hello without bytes is made of; see [Entry.ModelHello].
	Signature string `json:"signature,omitempty"`

	line int // that it was read from, or 0
}

// fail returns err with the line that the entry was read from, if it was read.
func (e *Entry) fail(err error) error {
	if err == nil || e.line == 0 {
		return err
	}
	return fmt.Errorf("line %d: %w", e.line, err)
}

// IsRecorded reports whether others recorded what the hello is made of, but not its bytes.
func (e *Entry) IsRecorded() bool { return e.Hello == "" && e.Signature != "" }

// ParseHello returns the entry's hello, or nil and no error if it has none. An error
// names the entry, and wraps a [*parser.Error] if the message is malformed.
func (e *Entry) ParseHello() (*parser.ClientHello, error) {
	if e.Hello == "" {
		return nil, nil
	}
	h := new(parser.ClientHello)
	if err := e.readHello(h); err != nil {
		return nil, err
	}
	return h, nil
}

// ModelHello is [Entry.ParseHello], and returns for a recorded entry a hello of the same
// shape, which has zeros where a client has random bytes. Nobody sent that one.
func (e *Entry) ModelHello() (*parser.ClientHello, error) {
	if e.Hello == "" && e.Signature == "" {
		return nil, nil
	}
	h := new(parser.ClientHello)
	if err := e.readHello(h); err != nil {
		return nil, err
	}
	return h, nil
}

// readHello is [Entry.ModelHello] for an entry that has a hello or a signature. It reuses
// the memory of h, also that of its message.
func (e *Entry) readHello(h *parser.ClientHello) error {
	var msg []byte
	var err error
	if e.IsRecorded() {
		msg, err = appendModel(h.Raw[:0], e.Signature)
	} else {
		msg, err = hex.AppendDecode(h.Raw[:0], []byte(e.Hello))
	}
	if err != nil {
		return fmt.Errorf("hello of %s: %w", e.Name, err)
	}
	transport, ok := parser.ParseTransport(e.Transport)
	if !ok && e.Transport != "" {
		return fmt.Errorf("transport %q of %s is none of tls, quic, dtls", e.Transport, e.Name)
	}
	h.Transport = transport
	if err := h.Unmarshal(msg); err != nil {
		return fmt.Errorf("hello of %s: %w", e.Name, err)
	}
	return nil
}

// Fingerprint sets JA3 and JA4 of an entry that has a hello or a signature; JA3 to the
// empty string if the client permutes its extensions. The error is that
// of [Entry.ModelHello], and names the line, as that of [NewDatabase] does.
func (e *Entry) Fingerprint() error {
	h, err := e.ModelHello()
	if err != nil || h == nil {
		return e.fail(err)
	}
	e.JA3, e.JA4 = fingerprint.JA3(h), fingerprint.JA4(h)
	if e.Permutes {
		e.JA3 = "" // another one in each hello
	}
	return nil
}

// candidate returns the entry as a candidate at distance 0.
func (e *Entry) candidate() Candidate {
	return Candidate{Name: e.Name, Version: e.Version, Family: e.Family, Library: e.Library, Kind: e.Kind,
		Recorded: e.IsRecorded(), Learned: e.Learned}
}

// errUnnamed is the error for an entry that nobody has reviewed.
var errUnnamed = errors.New("a learned client without a name: name it, or delete the line")

// maxLine is the longest line of a clients file in bytes: a hello of 64 KiB in
// hex, and the other keys.
const maxLine = 1 << 18

// ReadEntries reads a clients file. It skips empty lines and lines that begin with #,
// and ignores unknown keys. Lines may have 256 KiB. An error names the line. Hellos and
// fingerprints are not checked: see [NewDatabase].
func ReadEntries(r io.Reader) ([]Entry, error) {
	var entries []Entry
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 1<<14), maxLine)
	n := 1
	for ; s.Scan(); n++ {
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		var e Entry
		if !e.readPlain(line) {
			e = Entry{}
			if err := json.Unmarshal(line, &e); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, plainTypeError(err))
			}
		}
		switch {
		case e.Name == "" && e.Learned:
			return nil, fmt.Errorf("line %d: %w", n, errUnnamed)
		case e.Name == "":
			return nil, fmt.Errorf("line %d: client without a name", n)
		}
		e.line = n
		entries = append(entries, e)
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d: over %d bytes", n, maxLine)
	} else if err != nil {
		return nil, err
	}
	return entries, nil
}

// plainTypeError returns an error of encoding/json without the types of Go.
func plainTypeError(err error) error {
	bad := (*json.UnmarshalTypeError)(nil)
	switch {
	case !errors.As(err, &bad):
		return err
	case bad.Field == "":
		return fmt.Errorf("a JSON %s, not an object", bad.Value)
	}
	return fmt.Errorf("%s: a JSON %s, not a %s", bad.Field, bad.Value, bad.Type)
}

// AppendLine appends e to dst as a line of a clients file, with its line feed. An error
// is that of encoding/json.
func (e *Entry) AppendLine(dst []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(e)
	return b.Bytes(), err
}

// NewDatabase builds a Database from entries, of which it keeps nothing. An error names
// the entry whose hello, signature, transport or fingerprint is malformed, and the line
// that [ReadEntries] read it from.
func NewDatabase(entries []Entry) (*Database, error) {
	db := &Database{id: rand.Uint64(), named: make(map[string]uint32)}
	b := newBuilder(db)
	var learned *builder // of db.learned
	var h parser.ClientHello
	var s shape
	for i := range entries {
		e := &entries[i]
		if e.Learned {
			if learned == nil {
				db.learned = new(Database)
				learned = newBuilder(db.learned)
			}
			if e.Hello == "" && e.Signature == "" {
				return nil, e.fail(fmt.Errorf("client %s is learned, but has no hello", e.Name))
			}
			if err := e.readHello(&h); err != nil {
				return nil, e.fail(err)
			}
			s.read(&h)
			learned.add(&s, e.Permutes, e.Scanner, e.candidate())
			continue
		}
		if e.Hello == "" && e.Signature == "" {
			if err := db.name(e); err != nil {
				return nil, e.fail(err)
			}
			continue
		}
		if err := e.readHello(&h); err != nil {
			return nil, e.fail(err)
		}
		s.read(&h)
		db.addVersion(e)
		b.add(&s, e.Permutes, e.Scanner, e.candidate())
	}
	b.finish()
	if learned != nil {
		learned.finish()
	}
	return db, nil
}
