// Package known says which client sent a ClientHello, as far as the hello can
// tell, and whether it is what it says it is.
//
// Programs that share a TLS stack and its settings send the same hello. So the
// answer to "who" is a set of candidates, and the answer to "is it" is a list of
// tells, each with its evidence: bytes that the client whose shape the hello has
// does not send.
package known

import (
	"strconv"

	"github.com/tlspeek/tlspeek/parser"
)

// An Observation is what is known of one connection when its hello is judged.
// Only Hello is needed.
type Observation struct {
	Hello *parser.ClientHello

	// Index is 2 for the hello after a HelloRetryRequest; 0 is as 1.
	Index int
	// RecordVersion is the legacy_record_version of the record in which the
	// hello begins, or 0 if it was not seen.
	RecordVersion parser.Version

	// JA3 and JA4 in text, for entries of which only these are known. They may
	// be empty, and are then not looked up.
	JA3, JA4 string

	HTTP2 string // in Akamai's format, or empty
	Agent Agent  // who the client says it is
}

// A Candidate is a client that a hello may come from.
type Candidate struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // or several, as 92.0.4512.0-117.0.5938.0
	Family  string `json:"family"`            // clients whose hellos are made the same way: a program that leaves its library's settings as they are is of the library's
	Library string `json:"library,omitempty"` // of TLS
	Kind    Kind   `json:"kind"`

	// Distance is in thousandths: 0 for the shape of a known hello, 1000 for
	// nothing in common.
	Distance uint16 `json:"distance"`
	// Differs has the fields in which the hello is not as the known one.
	Differs Fields `json:"differs,omitempty"`
}

// AppendJSON appends c to dst as a JSON object, as encoding/json has it.
func (c *Candidate) AppendJSON(dst []byte) []byte {
	dst = parser.AppendQuoted(append(dst, `{"name":`...), c.Name)
	if c.Version != "" {
		dst = parser.AppendQuoted(append(dst, `,"version":`...), c.Version)
	}
	dst = parser.AppendQuoted(append(dst, `,"family":`...), c.Family)
	if c.Library != "" {
		dst = parser.AppendQuoted(append(dst, `,"library":`...), c.Library)
	}
	dst = parser.AppendQuoted(append(dst, `,"kind":`...), c.Kind.String())
	dst = strconv.AppendUint(append(dst, `,"distance":`...), uint64(c.Distance), 10)
	if c.Differs != 0 {
		dst = c.Differs.appendJSON(append(dst, `,"differs":`...))
	}
	return append(dst, '}')
}

// A Tell is a sign that a hello was not made by the client whose shape it has,
// with the evidence.
type Tell struct {
	Name    string `json:"name"`
	Field   string `json:"field"`            // as the tree of parser.Dissect calls it, or http2
	Offset  int    `json:"offset,omitempty"` // in the handshake message; 0 if it is not of one place
	Found   string `json:"found"`
	Genuine string `json:"genuine"` // what the genuine client has there
}

// AppendJSON appends t to dst as a JSON object, as encoding/json has it.
func (t *Tell) AppendJSON(dst []byte) []byte {
	dst = parser.AppendQuoted(append(dst, `{"name":`...), t.Name)
	dst = parser.AppendQuoted(append(dst, `,"field":`...), t.Field)
	if t.Offset != 0 {
		dst = strconv.AppendInt(append(dst, `,"offset":`...), int64(t.Offset), 10)
	}
	dst = parser.AppendQuoted(append(dst, `,"found":`...), t.Found)
	dst = parser.AppendQuoted(append(dst, `,"genuine":`...), t.Genuine)
	return append(dst, '}')
}

// A Claim is who a client says it is, held against what it sent.
type Claim struct {
	Verdict Verdict  `json:"verdict"`
	Says    string   `json:"says,omitempty"` // "Chrome 133"
	Reasons []string `json:"reasons,omitempty"`
}

// A Verdict is what a claim came to.
type Verdict uint8

// The verdicts. An unknown one says that nothing speaks for the claim or against it.
const (
	Unknown Verdict = iota
	Consistent
	Inconsistent
)

// String returns "unknown", "consistent" or "inconsistent".
func (v Verdict) String() string {
	switch v {
	case Consistent:
		return "consistent"
	case Inconsistent:
		return "inconsistent"
	}
	return "unknown"
}

// A Kind is what kind of a program a client is.
type Kind uint8

// The kinds of clients. An imported entry may be of no known kind.
const (
	Other Kind = iota
	Browser
	Library
	Tool
	Impersonator // of a browser
)

// String returns the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Browser:
		return "browser"
	case Library:
		return "library"
	case Tool:
		return "tool"
	case Impersonator:
		return "impersonator"
	}
	return "other"
}

// ParseKind returns the kind whose text is s, or Other.
func ParseKind(s string) Kind {
	for k := Browser; k <= Impersonator; k++ {
		if k.String() == s {
			return k
		}
	}
	return Other
}

// Fields is a set of the fields of a hello that are compared.
type Fields uint16

// The fields, in the order of their names in [Fields.Names].
const (
	FieldCipherSuites Fields = 1 << iota
	FieldExtensions
	FieldExtensionOrder
	FieldGroups
	FieldSignatureAlgorithms
	FieldVersions
	FieldALPN
	FieldKeyShares
	FieldOther // session id, compression, point formats, GREASE, certificate compression, limits

	fieldEnd
)

// Names returns the names of the fields in f.
func (f Fields) Names() []string {
	var names []string
	for b := FieldCipherSuites; b < fieldEnd; b <<= 1 {
		if f&b != 0 {
			names = append(names, b.name())
		}
	}
	return names
}

// name returns the name of a set of one field.
func (f Fields) name() string {
	switch f {
	case FieldCipherSuites:
		return "cipher_suites"
	case FieldExtensions:
		return "extensions"
	case FieldExtensionOrder:
		return "extension_order"
	case FieldGroups:
		return "supported_groups"
	case FieldSignatureAlgorithms:
		return "signature_algorithms"
	case FieldVersions:
		return "supported_versions"
	case FieldALPN:
		return "application_layer_protocol_negotiation"
	case FieldKeyShares:
		return "key_share"
	}
	return "other"
}
