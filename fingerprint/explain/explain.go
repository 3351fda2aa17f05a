package explain

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// An Explanation says what one fingerprint is made of.
type Explanation struct {
	Name       string      `json:"name"`                 // key of the method in fingerprint.Methods: "ja4", "ja3_full"
	Text       string      `json:"text"`                 // the fingerprint
	Parts      []Part      `json:"parts,omitempty"`      // in the order of the text
	Deviations []Deviation `json:"deviations,omitempty"` // of tools, from this text
	Notes      []string    `json:"notes,omitempty"`      // sentences about the whole

	// Clients were seen to have the fingerprint: see [Explanation.AddSamples].
	Clients []Client `json:"clients,omitempty"`
}

// A Part is one piece of a fingerprint, or one field of a hello.
type Part struct {
	Name    string  `json:"name"`              // "cipher_suites", "extensions_digest"
	Text    string  `json:"text"`              // as it stands in the fingerprint
	Meaning string  `json:"meaning,omitempty"` // in English
	Values  []Value `json:"values,omitempty"`  // of a list, in its order

	Hashed string `json:"hashed,omitempty"` // exact text that Text is a digest of; empty if unknown
	Digest string `json:"digest,omitempty"` // whole digest in hex; empty if unknown
}

// A Value is one value of a list.
type Value struct {
	Text string `json:"text"`           // as it stands in the fingerprint
	Name string `json:"name,omitempty"` // IANA's
}

// Hello explains the fingerprints of h: first those whose text says something,
// each with the text that was hashed, then bare digests, the session and ECH. q
// is the packet that carried h, or nil.
func Hello(h *parser.ClientHello, q *fingerprint.QUICInitial) []Explanation {
	if h.SSLv2 {
		return []Explanation{{
			Name:  "sslv2",
			Notes: []string{"A hello in SSLv2 format has no extensions, and its cipher specs are three bytes long: neither JA3 nor JA4 is defined for it, nor any other fingerprint here."},
		}}
	}
	in := &fingerprint.Input{Hello: h}
	if h.Transport == parser.QUIC {
		in.QUIC = q
	}
	var list []Explanation
	for _, m := range fingerprint.MethodsInOrder("ja3", "ja3n", "ja4", "ja4_o", "stable", "npf", "quic_header_id", "quic_params_id") {
		if m.Digest == "" { // the explanation of a digest has its text
			list = appendMethod(list, m, in)
		}
	}
	session := fingerprint.SessionOf(h)
	list = append(list, Explanation{Name: "session", Text: session.String(), Notes: []string{sessionMeaning(session)}})
	if h.HasExtension(parser.ExtEncryptedClientHello) {
		list = append(list, Explanation{Name: "ech", Text: "present", Notes: []string{
			"encrypted_client_hello was sent. Whether it is real or GREASE cannot be told from outside; all fingerprints here are those of the outer hello."}})
	}
	return list
}

// appendMethod appends the explanation of the fingerprint that in has by m, if it
// has one.
func appendMethod(list []Explanation, m *fingerprint.Method, in *fingerprint.Input) []Explanation {
	text := m.Of(in)
	if text == "" {
		return list
	}
	switch m.Key {
	case "ja3":
		return append(list, explainJA3(in.Hello))
	case "ja3n":
		return append(list, explainJA3N(in.Hello))
	case "ja4":
		return append(list, explainJA4(in.Hello))
	case "ja4_o":
		return append(list, explainJA4O(in.Hello))
	case "stable":
		return append(list, explainStable(in.Hello))
	case "npf":
		list = append(list, wellFormedNPF(text))
		if in.QUIC != nil {
			list = append(list, wellFormedNPF(fingerprint.NPFQUIC1(in.Hello, in.QUIC.Version)))
		}
		return list
	}
	return append(list, Explanation{Name: m.Key, Text: text, Notes: []string{m.About}})
}

func sessionMeaning(s fingerprint.Session) string {
	switch s {
	case fingerprint.SessionTicket:
		return "A session ticket is offered: the client was here before. It may change JA3 and JA4, but not the stable form."
	case fingerprint.SessionPSK:
		return "A pre-shared key is offered: the client was here before, or has one by other means. JA3 and JA4 count the extension; the stable form does not."
	case fingerprint.SessionEarlyData:
		return "Data are sent before the handshake is over, under a pre-shared key. JA3 and JA4 count both extensions; the stable form does not."
	}
	return "No session is offered."
}

// A form is a kind of text that fingerprints have.
type form struct {
	matches func(text string) bool
	explain func(text string) (Explanation, error)
}

// forms are tried in this order.
var forms = [...]form{
	{isNPF, explainNPFText},
	{isHTTP3, explainHTTP3Text},
	{isHTTP2, explainHTTP2Text},
	{isStable, explainStableText},
	{isMD5, func(text string) (Explanation, error) { return explainMD5(text), nil }},
	{isTLSFP, explainTLSFPText},
	{isJA4, explainJA4Text},
	{isJA3Full, explainJA3FullText},
}

// Text explains a fingerprint from its text alone, without the hello. It ignores white
// space around the text. An error says why the text is not a fingerprint.
func Text(text string) (Explanation, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Explanation{}, fmt.Errorf("fingerprint: nothing to explain")
	}
	for _, f := range forms {
		if f.matches(text) {
			return f.explain(text)
		}
	}
	return Explanation{}, fmt.Errorf("fingerprint: %q is no fingerprint that is known here: JA4 looks like %s, JA3 is 32 hex digits or its text, like 771,4865-4866,0-23,29-23,0", text, ja4Example)
}

// isTLSFP matches the ids of tlsfingerprint.io.
func isTLSFP(text string) bool { return isHex(strings.ToLower(text), 16) }

func explainTLSFPText(text string) (Explanation, error) {
	return Explanation{Name: "tlsfp_id", Text: strings.ToLower(text), Notes: []string{
		"16 hex digits: an id of tlsfingerprint.io, of a hello, of QUIC's header or of its transport parameters. It is the start of a SHA-1: nothing can be read from it.",
	}}, nil
}
