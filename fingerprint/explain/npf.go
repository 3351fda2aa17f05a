package explain

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// npfExample is what an error shows.
const npfExample = "tls/1/(0303)(13011302)[(0000)(000a000400020017)]"

// isNPF matches what is meant as an NPF fingerprint.
func isNPF(text string) bool {
	return strings.HasPrefix(text, "tls/") || strings.HasPrefix(text, "dtls/") || strings.HasPrefix(text, "quic/")
}

// explainNPFText explains an NPF fingerprint of any format, or the hash of one.
func explainNPFText(text string) (Explanation, error) {
	fail := func(format string, args ...any) (Explanation, error) {
		return Explanation{}, fmt.Errorf("fingerprint: NPF %q: %w (one looks like %s)", text, fmt.Errorf(format, args...), npfExample)
	}
	slash := strings.LastIndexByte(strings.SplitN(text, "(", 2)[0], '/')
	prefix, body := text[:slash], text[slash+1:]
	meaning := npfFormatMeaning(prefix)
	if meaning == "" {
		return fail("%q is no format of TLS, DTLS or QUIC", prefix)
	}
	e := Explanation{Name: "npf", Text: text, Parts: []Part{{Name: "format", Text: prefix + "/", Meaning: meaning}}}
	if isHex(body, 32) {
		e.Parts = append(e.Parts, Part{Name: "digest", Text: body, Meaning: "first 32 digits of the SHA-256 of the text from its first parenthesis on"})
		return e, nil
	}

	if strings.HasPrefix(prefix, "quic") {
		version, rest, ok := npfString(body)
		if !ok || len(version) != 8 {
			return fail("the QUIC version is not 8 hex digits in parentheses")
		}
		e.Parts = append(e.Parts, Part{Name: "quic_version", Text: version, Meaning: "0x" + version})
		body = rest
	}
	version, rest, ok := npfString(body)
	if !ok || len(version) != 4 {
		return fail("the version is not 4 hex digits in parentheses")
	}
	e.Parts = append(e.Parts, Part{Name: "legacy_version", Text: version, Meaning: legacyVersionMeaning(parser.Version(hexValue(version)))})
	suites, rest, ok := npfString(rest)
	if !ok || len(suites)%4 != 0 {
		return fail("the cipher suites are not groups of 4 hex digits in parentheses")
	}
	var list []parser.CipherSuite
	for s := suites; s != ""; s = s[4:] {
		list = append(list, parser.CipherSuite(hexValue(s[:4])))
	}
	p := listPart("cipher_suites", list)
	p.Text = suites
	e.Parts = append(e.Parts, p)

	open, shut := byte('('), byte(')')
	if prefix != "tls" && prefix != "dtls" {
		open, shut = '[', ']'
	}
	if len(rest) < 2 || rest[0] != open || rest[len(rest)-1] != shut {
		return fail("the extensions are not between %c and %c", open, shut)
	}
	p = Part{Name: "extensions", Text: rest}
	for inner := rest[1 : len(rest)-1]; inner != ""; {
		element, after, ok := npfElementText(inner)
		if !ok {
			return fail("the extension at %q is not hex digits in parentheses", inner)
		}
		t := hexValue(strings.TrimLeft(element, "(")[:4])
		p.Values = append(p.Values, Value{element, npfElementName(prefix, parser.ExtensionType(t))})
		inner = after
	}
	p.Meaning = count(len(p.Values), "extension")
	e.Parts = append(e.Parts, p)
	e.Notes = append(e.Notes, "Hashed, it is "+fingerprint.NPFHash(text)+".")
	for _, v := range p.Values {
		if strings.HasPrefix(v.Text, "000d") && npfHasGREASE(v.Text) {
			e.Notes = append(e.Notes, "GREASE is among the signature algorithms, where NPF keeps it: the value differs on each connection.")
		}
	}
	return e, nil
}

// npfFormat returns the format of an NPF fingerprint or of its hash: "tls/1/".
func npfFormat(text string) string {
	if format, _, raw := strings.Cut(text, "("); raw {
		return format
	}
	return text[:strings.LastIndexByte(text, '/')+1]
}

// wellFormedNPF explains a text of package fingerprint.
func wellFormedNPF(text string) Explanation {
	e, _ := explainNPFText(text)
	return e
}

// npfElementName returns the name of an extension. In the formats that select
// extensions, two of the numbers stand for many types.
func npfElementName(prefix string, t parser.ExtensionType) string {
	if prefix == "tls/2" || prefix == "dtls/2" || prefix == "quic/1" {
		switch t {
		case parser.ExtTLSFlags:
			return t.String() + ", or any that is not registered"
		case 0xff00:
			return "any of private use"
		}
	}
	return t.String()
}

func npfFormatMeaning(prefix string) string {
	switch prefix {
	case "tls", "dtls":
		return "Cisco NPF, extensions in wire order"
	case "tls/1", "dtls/1":
		return "Cisco NPF, extensions sorted"
	case "tls/2", "dtls/2":
		return "Cisco NPF, a selection of the extensions, sorted"
	case "quic":
		return "Cisco NPF of QUIC, extensions sorted"
	case "quic/1":
		return "Cisco NPF of QUIC, a selection of the extensions, sorted"
	}
	return ""
}

// npfString reads hex digits in parentheses from the start of text.
func npfString(text string) (digits, rest string, ok bool) {
	end := strings.IndexByte(text, ')')
	if end < 0 || text[0] != '(' || end%2 == 0 || !isHex(text[1:end], end-1) {
		return "", "", false
	}
	return text[1:end], text[end+1:], true
}

// npfElementText reads one extension from the start of text: hex digits in
// parentheses, or a type and a list of transport parameters.
func npfElementText(text string) (element, rest string, ok bool) {
	if digits, rest, ok := npfString(text); ok {
		return digits, rest, len(digits) >= 4
	}
	end := strings.Index(text, "])")
	if end < 0 || !strings.HasPrefix(text, "((") {
		return "", "", false
	}
	element, rest = text[1:end+1], text[end+2:]
	typ, ids, ok := npfString(element)
	if !ok || len(typ) != 4 || !strings.HasPrefix(ids, "[") {
		return "", "", false
	}
	for ids = ids[1 : len(ids)-1]; ids != ""; {
		if _, ids, ok = npfString(ids); !ok {
			return "", "", false
		}
	}
	return element, rest, true
}

// npfHasGREASE reports whether an extension in hex has GREASE in its list of
// 16-bit values, which follows the type and the lengths of body and list.
func npfHasGREASE(element string) bool {
	for i := 12; i+4 <= len(element); i += 4 {
		if parser.IsGREASE(hexValue(element[i : i+4])) {
			return true
		}
	}
	return false
}
