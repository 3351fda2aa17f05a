package known

import (
	"time"

	"github.com/tlspeek/tlspeek/parser"
)

// An Observation is what is known of one connection when its hello is judged.
// Only Hello is required.
type Observation struct {
	Hello *parser.ClientHello // not kept and not changed

	// Index is 2 for the hello after a HelloRetryRequest, and otherwise 1; 0 means 1.
	Index int
	// RecordVersion is the legacy_record_version of the record in which the
	// hello begins, or 0 if it is not known.
	RecordVersion parser.Version

	// Time is when the hello was complete; zero means now. It says which versions of
	// browsers may exist.
	Time time.Time

	// JA3 and JA4 are needed only for databases with entries that have no hello
	// but a fingerprint. Empty values are not looked up.
	JA3, JA4 string

	// HTTP2Wire is how HTTP/2 is written, as [fingerprint.HTTP2.Wire] returns it, or
	// empty.
	HTTP2Wire string

	HTTP2   string  // in Akamai's format, or empty
	HTTP3   string  // as fingerprint.AppendHTTP3 appends it, or empty
	Request Request // what the HTTP request says of the client

	// Tells are those that several connections of the client show: see [Tracker]. They
	// refute a browser's claim as those of the hello do.
	Tells []Tell
}

// A Candidate is a client that may have sent a hello.
type Candidate struct {
	Name    string `json:"name"`              // "Chromium"; or that of its family, where its library sends the same
	Version string `json:"version,omitempty"` // one, "92.0.4512.0"; or several, "92 to 117"; or "newer than 156"
	Family  string `json:"family"`            // of clients whose hellos are made the same way
	Library string `json:"library,omitempty"` // TLS library
	Kind    Kind   `json:"kind"`              // what it is

	// Learned is set for a client that was found in traffic and whose name is a guess.
	// It is a candidate only for exactly its shape, and no evidence: neither tells nor
	// claims depend on it.
	Learned bool `json:"learned,omitempty"`

	// Distance is in thousandths: 0 for the shape of a known hello, 1000 for
	// nothing in common.
	Distance uint16 `json:"distance"`
	// Differs are the fields in which the hello differs from the known one.
	Differs Fields `json:"differs,omitempty"`

	// Recorded is set if what the client sends is known only from records of others,
	// which lack the bytes; see [Entry.IsRecorded].
	Recorded bool `json:"recorded,omitempty"`
}

// A Claim is what a client says it is, compared with what it sent.
type Claim struct {
	Verdict Verdict  `json:"verdict"`
	Program string   `json:"program,omitempty"` // "Chrome 133"
	Reasons []string `json:"reasons,omitempty"` // for the verdict, each a phrase in English

	// Proxy is the name of a program that ends the TLS of its clients, such as a
	// firewall or a virus scanner, if it explains alone why the verdict is inconsistent. Then
	// the client may be what it says it is. Anyone can send such a hello, too.
	Proxy string `json:"proxy,omitempty"`
}

// A Verdict is the result of checking a claim.
type Verdict uint8

// The verdicts. VerdictUnknown means that nothing confirms or refutes the claim.
const (
	VerdictUnknown Verdict = iota
	VerdictConsistent
	VerdictInconsistent
)

// String returns "unknown", "consistent" or "inconsistent".
func (v Verdict) String() string {
	switch v {
	case VerdictConsistent:
		return "consistent"
	case VerdictInconsistent:
		return "inconsistent"
	}
	return "unknown"
}

// A Kind says what kind of program a client is.
type Kind uint8

// The kinds of clients. KindOther is for entries, such as imported ones, that name no
// kind.
const (
	KindOther Kind = iota
	KindBrowser
	KindLibrary
	KindTool
	KindImpersonator // of a browser
	KindProxy        // ends the TLS of other clients, and sends hellos of its own for them
	KindMalware      // never a candidate for a hello that others send, too
)

// String returns the kind in lower case.
func (k Kind) String() string {
	switch k {
	case KindBrowser:
		return "browser"
	case KindLibrary:
		return "library"
	case KindTool:
		return "tool"
	case KindImpersonator:
		return "impersonator"
	case KindProxy:
		return "proxy"
	case KindMalware:
		return "malware"
	}
	return "other"
}

// ParseKind returns the kind whose String is s, or KindOther.
func ParseKind(s string) Kind {
	for k := KindBrowser; k <= KindMalware; k++ {
		if k.String() == s {
			return k
		}
	}
	return KindOther
}

// Fields is a set of the fields of a hello in which shapes are compared.
type Fields uint16

// The fields, in the order of their names in [Fields.Names].
const (
	FieldCipherSuites Fields = 1 << iota
	FieldExtensions
	FieldExtensionOrder
	FieldSupportedGroups
	FieldSignatureAlgorithms
	FieldSupportedVersions
	FieldALPN
	FieldKeyShare
	FieldOther // session id, compression, point formats, GREASE, certificate compression, limits

	fieldEnd
)

// Names returns the names of the fields in f, as in JSON. The caller owns the list.
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
	case FieldSupportedGroups:
		return "supported_groups"
	case FieldSignatureAlgorithms:
		return "signature_algorithms"
	case FieldSupportedVersions:
		return "supported_versions"
	case FieldALPN:
		return "application_layer_protocol_negotiation"
	case FieldKeyShare:
		return "key_share"
	}
	return "other"
}

// A Result is what [Identify] finds. It belongs to the caller.
type Result struct {
	Candidates []Candidate // best first
	Tells      []Tell      // in the order of [TellKinds]
	Claim      Claim       // VerdictUnknown for a request without a User-Agent
}

// Identify returns the clients that may have sent a hello, its tells, and whether the
// claim of the request is consistent with it. It knows the built-in clients. For many
// hellos, or for clients of your own, use a [Matcher], which reuses its memory.
func Identify(o *Observation) Result {
	var m Matcher
	r := Result{Candidates: m.AppendCandidates(nil, o), Tells: AppendTells(nil, o)}
	if IsEvidence(r.Tells) {
		PreferImitations(r.Candidates)
	}
	r.Claim = CheckClaim(o, r.Candidates)
	return r
}
