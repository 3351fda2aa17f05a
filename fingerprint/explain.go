package fingerprint

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// An Explanation is one fingerprint in words.
type Explanation struct {
	Name     string    `json:"name"` // as an Event has it: "ja4", "ja3_full"
	Text     string    `json:"text"` // the fingerprint
	Parts    []Part    `json:"parts,omitempty"`
	Dialects []Dialect `json:"dialects,omitempty"`
	Notes    []string  `json:"notes,omitempty"`
}

// A Part is one piece of a fingerprint, or one field of a hello.
type Part struct {
	Name   string  `json:"name"`
	Text   string  `json:"text"`             // as it stands in the fingerprint
	Words  string  `json:"words,omitempty"`  // what it says
	Values []Value `json:"values,omitempty"` // of a list, in its order

	// Hashed is the exact text that Text is the digest of, and Digest the whole
	// digest in hex, where they are known.
	Hashed string `json:"hashed,omitempty"`
	Digest string `json:"digest,omitempty"`
}

// A Value is one value of a list.
type Value struct {
	Text string `json:"text"`           // as it stands in the fingerprint
	Name string `json:"name,omitempty"` // IANA's
}

// ExplainHello explains the fingerprints of h: first those whose text tells
// something, each with the text that was hashed, then the bare digests. With
// the QUIC packet q that brought it, if it is not nil, those of QUIC too.
func ExplainHello(h *parser.ClientHello, q *QUICInitial) []Explanation {
	if h.SSLv2 {
		return []Explanation{{
			Name:  "sslv2",
			Notes: []string{"A hello in SSLv2 format has no extensions, and its cipher specs are three bytes long: neither JA3 nor JA4 is defined for it, nor any other fingerprint here."},
		}}
	}
	list := []Explanation{explainJA3(h), explainJA3N(h), explainJA4Hello(h), explainJA4OHello(h), explainStableHello(h)}
	if h.Transport == parser.QUIC {
		if q != nil {
			list = append(list, wellFormedNPF(NPFQUIC(h, q.Version)), wellFormedNPF(NPFQUIC1(h, q.Version)),
				Explanation{Name: "quic_header_id", Text: QUICHeaderID(q), Notes: []string{"tlsfingerprint.io: the header and the frame types of the client's first Initial packet."}})
		}
		list = append(list, Explanation{Name: "quic_params_id", Text: QUICParamsID(h), Notes: []string{"tlsfingerprint.io: the transport parameters, sorted, and the values of eleven of them."}})
	} else {
		list = append(list, wellFormedNPF(NPF1(h)))
	}
	list = append(list,
		Explanation{Name: "tlsfp_id", Text: TLSFP(h), Notes: []string{"tlsfingerprint.io: the lists of the hello, extensions in wire order."}},
		Explanation{Name: "tlsfp_norm_id", Text: TLSFPNorm(h), Notes: []string{"tlsfingerprint.io: the lists of the hello, extensions sorted."}},
		Explanation{Name: "session", Text: SessionOf(h).String(), Notes: []string{sessionWords(SessionOf(h))}})
	if h.HasExtension(parser.ExtEncryptedClientHello) {
		list = append(list, Explanation{Name: "ech", Text: "present", Notes: []string{
			"encrypted_client_hello was sent. Whether it is real or GREASE cannot be told from outside; all fingerprints here are those of the outer hello."}})
	}
	return list
}

func sessionWords(s Session) string {
	switch s {
	case SessionTicket:
		return "A session ticket is offered: the client was here before. It may change JA3 and JA4, but not the stable form."
	case SessionPSK:
		return "A pre-shared key is offered: the client was here before, or has one by other means. JA3 and JA4 count the extension; the stable form does not."
	case SessionEarlyData:
		return "Data are sent before the handshake is over, under a pre-shared key. JA3 and JA4 count both extensions; the stable form does not."
	}
	return "No session is offered."
}

func explainJA3(h *parser.ClientHello) Explanation {
	e := explainJA3Digest("ja3", JA3Full(h))
	e.Dialects = JA3Dialects(h)
	e.Notes = append(e.Notes, "A client that permutes its extensions, as Chrome does, has another JA3 on each connection, but the same JA3N.")
	return e
}

func explainJA3N(h *parser.ClientHello) Explanation {
	e := explainJA3Digest("ja3n", JA3NFull(h))
	e.Notes = append(e.Notes, "It is JA3 with its extensions sorted.")
	return e
}

// explainJA3Digest explains the digest of a text that is at hand.
func explainJA3Digest(name, full string) Explanation {
	e := explainJA3Text(name, full)
	digest := &e.Parts[len(e.Parts)-1]
	e.Text, digest.Hashed, digest.Digest = digest.Text, full, digest.Text
	return e
}

func explainJA4Hello(h *parser.ClientHello) Explanation {
	v, _ := ParseJA4(JA4(h)) // which is well formed
	e := explainJA4Value("ja4", v)
	addHashed(&e, JA4R(h))
	describeNames(&e, h)
	e.Dialects = JA4Dialects(h)
	if n := len(appendPlain(nil, h.CipherSuites)); n > 99 {
		e.Notes = append(e.Notes, fmt.Sprintf("%d cipher suites are sent: the count stops at 99, the digest covers all.", n))
	}
	if h.Transport == parser.DTLS && h.HasExtension(parser.ExtSupportedVersions) {
		e.Notes = append(e.Notes, "DTLS versions count down on the wire, and the text asks for the highest number: d2 may well offer DTLS 1.3.")
	}
	return e
}

func explainJA4OHello(h *parser.ClientHello) Explanation {
	v, _ := ParseJA4(JA4O(h))
	e := explainJA4Value("ja4_o", v)
	addHashed(&e, JA4RO(h))
	describeNames(&e, h)
	if v.ExtensionsDigest != "000000000000" && strings.HasSuffix(JA4(h), "_000000000000") {
		e.Dialects = append(e.Dialects, Dialect{
			Name: "nothing where JA4 has nothing", Tools: "FoxIO's Python", Text: v.String()[:len(v.String())-12] + "000000000000",
			Why: "it looks at the list without server_name and ALPN, which JA4_o keeps",
		})
	}
	return e
}

// addHashed gives the digests of a JA4 or JA4_o their texts, from the raw form.
func addHashed(e *Explanation, raw string) {
	_, lists, _ := strings.Cut(raw, "_")
	suites, extensions, _ := strings.Cut(lists, "_")
	for i := range e.Parts {
		p := &e.Parts[i]
		switch p.Name {
		case "cipher_suites_digest":
			p.Hashed = suites
		case "extensions_digest":
			p.Hashed = extensions
		}
		if p.Hashed != "" {
			sum := sha256.Sum256([]byte(p.Hashed))
			p.Digest = hex.EncodeToString(sum[:])
		}
	}
}

// describeNames says what the characters of a JA4 stand for that tell of the
// server's name and of ALPN.
func describeNames(e *Explanation, h *parser.ClientHello) {
	for i := range e.Parts {
		switch p := &e.Parts[i]; p.Name {
		case "sni":
			switch {
			case len(h.ServerName) > 0:
				p.Words += ": " + parser.Text(h.ServerName)
			case h.HasExtension(parser.ExtServerName):
				p.Words += ", without a name"
			}
		case "alpn":
			if words := alpnWords(h); words != "" {
				p.Words = words
			}
		}
	}
}

func alpnWords(h *parser.ClientHello) string {
	name := firstALPN(h)
	switch {
	case len(name) == 0 && h.HasExtension(parser.ExtALPN):
		return "ALPN is there, but has no first protocol"
	case len(name) == 0:
		return ""
	case !isAlphanumeric(name[0]) || !isAlphanumeric(name[len(name)-1]):
		return fmt.Sprintf("first and last digit of %x, which is the first ALPN protocol, %s, in hex", name, parser.Text(name))
	case len(name) == 1:
		return "the first ALPN protocol, " + parser.Text(name) + ", is one character, which stands twice"
	}
	return "first and last character of the first ALPN protocol, " + parser.Text(name)
}

func explainStableHello(h *parser.ClientHello) Explanation {
	e := explainStable(Stable(h))
	_, lists, _ := strings.Cut(StableFull(h), "_")
	for i := range e.Parts {
		if e.Parts[i].Name == "digest" {
			sum := sha256.Sum256([]byte(lists))
			e.Parts[i].Hashed, e.Parts[i].Digest = lists, hex.EncodeToString(sum[:])
		}
	}
	return e
}

// explainJA4Value explains a value read from text.
func explainJA4Value(name string, v JA4Value) Explanation {
	e := Explanation{Name: name, Text: v.String()}
	add := func(name, text, words string) {
		e.Parts = append(e.Parts, Part{Name: name, Text: text, Words: words})
	}
	switch v.Transport {
	case parser.TLS:
		add("transport", "t", "TLS over TCP")
	case parser.QUIC:
		add("transport", "q", "QUIC")
	case parser.DTLS:
		add("transport", "d", "DTLS")
	}
	add("version", v.Version, ja4VersionWords(v.Version)+" is the highest version offered")
	if v.SNI {
		add("sni", "d", "server_name was sent")
	} else {
		add("sni", "i", "no server_name was sent, as by a client that has only an address")
	}
	add("cipher_suites", fmt.Sprintf("%02d", v.CipherSuites), count(v.CipherSuites, "cipher suite")+orMore(v.CipherSuites))
	add("extensions", fmt.Sprintf("%02d", v.Extensions), count(v.Extensions, "extension")+orMore(v.Extensions))
	if v.ALPN == "00" {
		add("alpn", v.ALPN, "no ALPN")
	} else {
		add("alpn", v.ALPN, "first and last character of the first ALPN protocol"+guessALPN(v.ALPN))
	}
	if v.Raw() {
		e.Parts = append(e.Parts, listPart("cipher_suites_list", v.Suites), listPart("extensions_list", v.Types))
		if len(v.SignatureAlgorithms) > 0 {
			e.Parts = append(e.Parts, listPart("signature_algorithms_list", v.SignatureAlgorithms))
		}
		return e
	}
	add("cipher_suites_digest", v.SuitesDigest, digestWords(v.SuitesDigest, "the cipher suites"))
	add("extensions_digest", v.ExtensionsDigest, digestWords(v.ExtensionsDigest, "the extensions and the signature algorithms"))
	return e
}

// guessALPN names the registered protocol that the characters stand for, where
// there is a common one.
func guessALPN(ends string) string {
	switch ends {
	case "h2":
		return ": h2 is HTTP/2"
	case "h1":
		return ": as http/1.1 has"
	case "h3":
		return ": h3 is HTTP/3"
	}
	return ""
}

// digestWords says what a part of JA4 is the digest of, and knows those of
// nothing.
func digestWords(digest, of string) string {
	switch digest {
	case "000000000000":
		return "there are none"
	case "e3b0c44298fc":
		return "the SHA-256 of nothing, which a tool prints that does not follow the text: an empty list is 000000000000"
	case "d2e2adf7177b":
		return "the SHA-256 of an underscore, which a tool prints that does not follow the text: no extensions, no signature algorithms"
	}
	return "first 12 digits of the SHA-256 of " + of
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// orMore tells of the limit that JA4 has for its counts.
func orMore(n int) string {
	if n == 99 {
		return " or more"
	}
	return ""
}

// named is a code point that knows its name.
type named interface {
	~uint16
	fmt.Stringer
}

// listPart returns a part of a list, whose values have four hex digits.
func listPart[T named](name string, list []T) Part {
	p := Part{Name: name, Text: string(appendHexList(nil, list)), Words: count(len(list), "value")}
	for _, v := range list {
		p.Values = append(p.Values, Value{string(appendHex(nil, uint16(v))), v.String()})
	}
	return p
}

// md5Part returns the part of a JA3 text that is its digest.
func md5Part(full string) Part {
	sum := md5.Sum([]byte(full))
	return Part{Name: "digest", Text: hex.EncodeToString(sum[:]), Words: "the MD5 of the text"}
}
