package known

import (
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
	if key == "" {
		key = strings.ToLower(e.JA3)
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
	db.named[key] = append(db.named[key], e.candidate())
	return nil
}

// appendNamed appends the clients that are known by a fingerprint only.
func (db *Database) appendNamed(dst []Candidate, o *Observation) []Candidate {
	if len(db.named) == 0 {
		return dst
	}
	if o.JA4 != "" {
		dst = append(dst, db.named[o.JA4]...)
	}
	if o.JA3 != "" {
		dst = append(dst, db.named[o.JA3]...)
	}
	if db.formats == 0 || o.Hello.Transport == parser.QUIC {
		return dst
	}
	var buf [4096]byte // longer than any known; append spills if not
	for f := npfPlain; f <= npf2; f <<= 1 {
		if db.formats&f == 0 {
			continue
		}
		text := buf[:0]
		switch f {
		case npfPlain:
			text = fingerprint.AppendNPF(text, o.Hello)
		case npf1:
			text = fingerprint.AppendNPF1(text, o.Hello)
		case npf2:
			text = fingerprint.AppendNPF2(text, o.Hello)
		}
		dst = append(dst, db.named[string(text)]...)
	}
	return dst
}
