package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// noneDigest is what JA4 has instead of the digest of an empty list.
const noneDigest = "000000000000"

func explainJA4(h *parser.ClientHello) Explanation {
	v, _ := ParseJA4(fingerprint.JA4(h)) // which is well formed
	e := explainJA4Value("ja4", v)
	addHashed(&e, fingerprint.JA4R(h))
	describeNames(&e, h)
	e.Deviations = JA4Deviations(h)
	if n := len(withoutGREASE(h.CipherSuites)); n > 99 {
		e.Notes = append(e.Notes, fmt.Sprintf("%d cipher suites are sent: the count stops at 99, the digest covers all.", n))
	}
	if h.Transport == parser.DTLS && h.HasExtension(parser.ExtSupportedVersions) {
		e.Notes = append(e.Notes, "DTLS versions count down on the wire, and the text asks for the highest number: d2 may well offer DTLS 1.3.")
	}
	return e
}

func explainJA4O(h *parser.ClientHello) Explanation {
	v, _ := ParseJA4(fingerprint.JA4O(h))
	e := explainJA4Value("ja4_o", v)
	addHashed(&e, fingerprint.JA4RO(h))
	describeNames(&e, h)
	if v.ExtensionsDigest != noneDigest && strings.HasSuffix(fingerprint.JA4(h), "_"+noneDigest) {
		e.Deviations = append(e.Deviations, Deviation{
			Name: "nothing where JA4 has nothing", Tools: "FoxIO's Python", Text: v.String()[:len(v.String())-len(noneDigest)] + noneDigest,
			Why: "it looks at the list without server_name and ALPN, which JA4_o keeps",
		})
	}
	return e
}

// addHashed adds to the digests of a JA4 or JA4_o their texts, from the raw form.
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
			p.Digest = sha256Hex(p.Hashed)
		}
	}
}

// describeNames adds the server's name and the first ALPN protocol to the
// meaning of the characters of a JA4 that depend on them.
func describeNames(e *Explanation, h *parser.ClientHello) {
	for i := range e.Parts {
		switch p := &e.Parts[i]; p.Name {
		case "sni":
			switch {
			case len(h.ServerName) > 0:
				p.Meaning += ": " + parser.Text(h.ServerName)
			case h.HasExtension(parser.ExtServerName):
				p.Meaning += ", without a name"
			}
		case "alpn":
			if meaning := alpnMeaning(h); meaning != "" {
				p.Meaning = meaning
			}
		}
	}
}

func alpnMeaning(h *parser.ClientHello) string {
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

// isJA4 matches what is meant as a JA4, in any form and however it is damaged.
func isJA4(text string) bool {
	return strings.Contains(text, "_") ||
		len(text) > 1 && strings.IndexByte("tqd", text[0]) >= 0 && strings.IndexByte("01sd", text[1]) >= 0
}

// explainJA4Text explains a JA4 in any form. JA4_o looks like JA4, and is
// explained as that. JA4_ro differs from JA4_r in nearly all hellos.
func explainJA4Text(text string) (Explanation, error) {
	v, err := ParseJA4(text)
	if err != nil {
		return Explanation{}, err
	}
	if !v.Raw() {
		e := explainJA4Value("ja4", v)
		e.Notes = append(e.Notes, "JA4_o has the same form: then the digests are of the lists in wire order, server_name and ALPN among them.")
		if v.CipherSuites == 0 != (v.SuitesDigest == noneDigest) {
			e.Notes = append(e.Notes, "The number of cipher suites and their digest do not go together: one of them is 0.")
		}
		return e, nil
	}
	name := "ja4_r"
	if !slices.IsSorted(v.Suites) || !slices.IsSorted(v.Types) ||
		slices.Contains(v.Types, parser.ExtServerName) || slices.Contains(v.Types, parser.ExtALPN) {
		name = "ja4_ro"
	}
	e := explainJA4Value(name, v)
	e.Notes = append(e.Notes, "Hashed, it is "+v.Hashed().String()+".")
	if n := min(99, len(v.Suites)); n != v.CipherSuites {
		e.Notes = append(e.Notes, fmt.Sprintf("The list has %d cipher suites, the count says %d.", len(v.Suites), v.CipherSuites))
	}
	if slices.ContainsFunc(v.SignatureAlgorithms, parser.IsGREASE[parser.SignatureScheme]) {
		e.Notes = append(e.Notes, "GREASE is among the signature algorithms: a tool made this that keeps it, and the value differs on each connection.")
	}
	return e, nil
}

func explainJA4Value(name string, v JA4Value) Explanation {
	e := Explanation{Name: name, Text: v.String()}
	add := func(name, text, meaning string) {
		e.Parts = append(e.Parts, Part{Name: name, Text: text, Meaning: meaning})
	}
	add("transport", v.transportLetter(), transportMeaning(v.Transport))
	add("version", v.Version, ja4VersionMeaning(v.Version)+" is the highest version offered")
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
	add("cipher_suites_digest", v.SuitesDigest, digestMeaning(v.SuitesDigest, "the cipher suites"))
	add("extensions_digest", v.ExtensionsDigest, digestMeaning(v.ExtensionsDigest, "the extensions and the signature algorithms"))
	return e
}

func transportMeaning(t parser.Transport) string {
	switch t {
	case parser.QUIC:
		return "QUIC"
	case parser.DTLS:
		return "DTLS"
	}
	return "TLS over TCP"
}

// ja4VersionMeaning returns the version that two characters of JA4 stand for, or
// the empty string if they stand for none.
func ja4VersionMeaning(version string) string {
	switch version {
	case "13":
		return "TLS 1.3"
	case "12":
		return "TLS 1.2"
	case "11":
		return "TLS 1.1"
	case "10":
		return "TLS 1.0"
	case "s3":
		return "SSL 3.0"
	case "s2":
		return "SSL 2.0"
	case "d1":
		return "DTLS 1.0"
	case "d2":
		return "DTLS 1.2"
	case "d3":
		return "DTLS 1.3"
	case "00":
		return "a version without a name"
	}
	return ""
}

// guessALPN names a common protocol that has these first and last characters.
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

// digestMeaning says what a part of JA4 is the digest of. It knows the digests
// that tools print for empty lists.
func digestMeaning(digest, of string) string {
	switch digest {
	case noneDigest:
		return "there are none"
	case "e3b0c44298fc":
		return "the SHA-256 of nothing, which a tool prints that does not follow the text: an empty list is 000000000000"
	case "d2e2adf7177b":
		return "the SHA-256 of an underscore, which a tool prints that does not follow the text: no extensions, no signature algorithms"
	}
	return "first 12 digits of the SHA-256 of " + of
}

// orMore is for a count at the limit of JA4.
func orMore(n int) string {
	if n == 99 {
		return " or more"
	}
	return ""
}
