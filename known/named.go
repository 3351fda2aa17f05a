package known

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// An npfFormat is a set of the formats of Cisco's NPF.
type npfFormat uint8

const (
	npfPlain npfFormat = 1 << iota // tls/(...)
	npf1                           // tls/1/(...)
	npf2                           // tls/2/(...)
)

// name adds a client that has a fingerprint but no hello: under its JA4, or else
// its JA3, or else its NPF.
func (db *Database) name(e *Entry) error {
	key := e.JA4
	if key == "" && e.JA3 != "" {
		key = strings.ToLower(e.JA3)
		db.byJA3 = true
	}
	if key == "" {
		_, rest, ok := strings.Cut(e.NPF, "/")
		switch {
		case e.NPF == "":
			return fmt.Errorf("client %s has neither hello nor fingerprint", e.Name)
		case !ok || strings.HasPrefix(e.NPF, "quic"):
			return nil // a form that is not computed here
		case strings.HasPrefix(rest, "1/"):
			db.formats |= npf1
		case strings.HasPrefix(rest, "2/"):
			db.formats |= npf2
		default:
			db.formats |= npfPlain
		}
		key = e.NPF
	}
	n, ok := db.named[key]
	if !ok {
		n = uint32(len(db.namedClients))
		db.named[key] = n
		db.namedClients = append(db.namedClients, nil)
	}
	db.namedClients[n] = append(db.namedClients[n], e.candidate())
	return nil
}

// appendNamed appends the clients that are known by a fingerprint only.
func (db *Database) appendNamed(dst []Candidate, o *Observation) []Candidate {
	if len(db.named) == 0 {
		return dst
	}
	for _, text := range [...]string{o.JA4, o.JA3} {
		if n, ok := db.named[text]; ok && text != "" {
			dst = append(dst, db.namedClients[n]...)
		}
	}
	if db.formats == 0 {
		return dst
	}
	return db.appendNamedByNPF(dst, o)
}

// appendNamedByNPF is not inlined, because its buffer would stand in the frame of a caller that
// has no use for it: the stack of each connection would have to grow for that.
//
//go:noinline
func (db *Database) appendNamedByNPF(dst []Candidate, o *Observation) []Candidate {
	var buf [4096]byte // longer than any known; append spills if not
	for f := npfPlain; f <= npf2; f <<= 1 {
		if n, ok := db.named[string(db.appendNPF(buf[:0], o.Hello, f))]; ok && db.formats&f != 0 {
			dst = append(dst, db.namedClients[n]...)
		}
	}
	return dst
}

// appendNPF appends the NPF of h in one format, or nothing if db has none in that
// format.
func (db *Database) appendNPF(dst []byte, h *parser.ClientHello, f npfFormat) []byte {
	switch db.formats & f {
	case npfPlain:
		return fingerprint.AppendNPF(dst, h)
	case npf1:
		return fingerprint.AppendNPF1(dst, h)
	case npf2:
		return fingerprint.AppendNPF2(dst, h)
	}
	return dst
}

// AppendKey appends to dst what distinguishes the answers of Matchers whose Clients
// are db for hellos of one shape and one JA4: a number that no other Database has, and
// which of the clients that db knows by JA3 or NPF alone have that of h. Who remembers
// the answers must keep those with different keys apart. All keys of db have the same
// length.
func (db *Database) AppendKey(dst []byte, h *parser.ClientHello) []byte {
	dst = binary.BigEndian.AppendUint64(dst, db.id)
	if db.byJA3 {
		var buf [32]byte
		dst = db.appendNumber(dst, fingerprint.AppendJA3(buf[:0], h))
	}
	if db.formats == 0 {
		return dst
	}
	return db.appendKeyOfNPF(dst, h)
}

// appendKeyOfNPF is not inlined for the same reason as appendNamedByNPF.
//
//go:noinline
func (db *Database) appendKeyOfNPF(dst []byte, h *parser.ClientHello) []byte {
	var buf [4096]byte
	for f := npfPlain; f <= npf2; f <<= 1 {
		if db.formats&f != 0 {
			dst = db.appendNumber(dst, db.appendNPF(buf[:0], h, f))
		}
	}
	return dst
}

// appendNumber appends a number for the clients that are known by a fingerprint: 0
// for none.
func (db *Database) appendNumber(dst, text []byte) []byte {
	n, ok := db.named[string(text)]
	if ok {
		n++
	}
	return binary.BigEndian.AppendUint32(dst, n)
}
