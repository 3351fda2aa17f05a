package fingerprint

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/internal/http2setting"
	"github.com/tlspeek/tlspeek/parser"
)

// npfForm is what an error shows as an example.
const npfForm = "tls/1/(0303)(13011302)[(0000)(000a000400020017)]"

// explainNPF explains a text of [NPF] and its likes, or of [NPFHash].
func explainNPF(text string) (Explanation, error) {
	fail := func(format string, args ...any) (Explanation, error) {
		return Explanation{}, fmt.Errorf("fingerprint: NPF %q: %w (one looks like %s)", text, fmt.Errorf(format, args...), npfForm)
	}
	slash := strings.LastIndexByte(strings.SplitN(text, "(", 2)[0], '/')
	prefix, body := text[:slash], text[slash+1:]
	words := npfFormats(prefix)
	if words == "" {
		return fail("%q is no format of TLS, DTLS or QUIC", prefix)
	}
	e := Explanation{Name: "npf", Text: text, Parts: []Part{{Name: "format", Text: prefix + "/", Words: words}}}
	if isHex(body, 32) {
		e.Parts = append(e.Parts, Part{Name: "digest", Text: body, Words: "first 32 digits of the SHA-256 of the text from its first parenthesis on"})
		return e, nil
	}

	if strings.HasPrefix(prefix, "quic") {
		version, rest, ok := npfString(body)
		if !ok || len(version) != 8 {
			return fail("the QUIC version is not 8 hex digits in parentheses")
		}
		e.Parts = append(e.Parts, Part{Name: "quic_version", Text: version, Words: "0x" + version})
		body = rest
	}
	version, rest, ok := npfString(body)
	if !ok || len(version) != 4 {
		return fail("the version is not 4 hex digits in parentheses")
	}
	v, _ := strconv.ParseUint(version, 16, 16)
	e.Parts = append(e.Parts, Part{Name: "legacy_version", Text: version, Words: legacyVersionWords(parser.Version(v))})
	suites, rest, ok := npfString(rest)
	if !ok || len(suites)%4 != 0 {
		return fail("the cipher suites are not groups of 4 hex digits in parentheses")
	}
	var list []parser.CipherSuite
	for s := suites; s != ""; s = s[4:] {
		n, _ := strconv.ParseUint(s[:4], 16, 16)
		list = append(list, parser.CipherSuite(n))
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
		t, _ := strconv.ParseUint(strings.TrimLeft(element, "(")[:4], 16, 16)
		p.Values = append(p.Values, Value{element, npfElementName(prefix, parser.ExtensionType(t))})
		inner = after
	}
	p.Words = count(len(p.Values), "extension")
	e.Parts = append(e.Parts, p)
	e.Notes = append(e.Notes, "Hashed, it is "+NPFHash(text)+".")
	for _, v := range p.Values {
		if strings.HasPrefix(v.Text, "000d") && npfHasGREASE(v.Text) {
			e.Notes = append(e.Notes, "GREASE is among the signature algorithms, where NPF keeps it: the value differs on each connection.")
		}
	}
	return e, nil
}

// wellFormedNPF explains a text that this package made.
func wellFormedNPF(text string) Explanation {
	e, _ := explainNPF(text)
	return e
}

// npfElementName returns the name of an extension. The formats that select have
// two numbers that stand for many.
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

func npfFormats(prefix string) string {
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

// npfHasGREASE reports whether a list of 16-bit values in hex, of an extension
// with its type and length and the length of the list, has GREASE in it.
func npfHasGREASE(element string) bool {
	for i := 12; i+4 <= len(element); i += 4 {
		if n, _ := strconv.ParseUint(element[i:i+4], 16, 16); parser.IsGREASE(uint16(n)) {
			return true
		}
	}
	return false
}

// http2Form is what an error shows as an example.
const http2Form = "1:65536;2:0;4:6291456|15663105|0|m,a,s,p"

// explainHTTP2 explains a text of [HTTP2.Fingerprint].
func explainHTTP2(text string) (Explanation, error) {
	fail := func(format string, args ...any) (Explanation, error) {
		return Explanation{}, fmt.Errorf("fingerprint: HTTP/2 %q: %w (one looks like %s)", text, fmt.Errorf(format, args...), http2Form)
	}
	fields := strings.Split(text, "|")
	if len(fields) != 4 {
		return fail("%d fields between bars, not 4", len(fields))
	}
	settings := Part{Name: "settings", Text: fields[0], Words: "an empty SETTINGS frame"}
	if fields[0] != "" {
		for setting := range strings.SplitSeq(fields[0], ";") {
			id, value, _ := strings.Cut(setting, ":")
			if !isDecimal(id, 16) || !isDecimal(value, 32) {
				return fail("the setting %q is not an id and a value", setting)
			}
			settings.Values = append(settings.Values, Value{setting, cmp.Or(http2setting.Name(id), "unknown")})
		}
		settings.Words = count(len(settings.Values), "setting")
	}
	window := Part{Name: "window_update", Text: fields[1], Words: "bytes, added to the window of the connection"}
	switch {
	case fields[1] == "00" || fields[1] == "0":
		window.Words = "no WINDOW_UPDATE of the connection"
	case !isDecimal(fields[1], 31):
		return fail("the window update %q is not a number", fields[1])
	}
	priority := Part{Name: "priority", Text: fields[2], Words: "no PRIORITY frame"}
	if fields[2] != "0" {
		for p := range strings.SplitSeq(fields[2], ",") {
			n := strings.Split(p, ":")
			if len(n) != 4 || !isDecimal(n[0], 31) || n[1] != "0" && n[1] != "1" || !isDecimal(n[2], 31) || !isDecimal(n[3], 16) {
				return fail("the priority %q is not stream:exclusive:dependency:weight", p)
			}
			priority.Values = append(priority.Values, Value{p, fmt.Sprintf("stream %s depends on %s with weight %s", n[0], n[2], n[3])})
		}
		priority.Words = count(len(priority.Values), "PRIORITY frame")
	}
	pseudo := Part{Name: "pseudo_headers", Text: fields[3], Words: "none"}
	if fields[3] != "" {
		names := map[string]string{"m": ":method", "a": ":authority", "s": ":scheme", "p": ":path"}
		for letter := range strings.SplitSeq(fields[3], ",") {
			if names[letter] == "" {
				return fail("the pseudo-header field %q is none of m, a, s and p", letter)
			}
			pseudo.Values = append(pseudo.Values, Value{letter, names[letter]})
		}
		pseudo.Words = "the order of the pseudo-header fields in the first request"
	}
	return Explanation{Name: "http2", Text: text, Parts: []Part{settings, window, priority, pseudo},
		Notes: []string{"Its MD5, which others print as akamai_hash, is " + md5Part(text).Text + "."}}, nil
}

func isDecimal(text string, bits int) bool {
	n, err := strconv.ParseUint(text, 10, bits)
	return err == nil && text == strconv.FormatUint(n, 10)
}
