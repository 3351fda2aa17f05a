package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

func explainJA3(h *parser.ClientHello) Explanation {
	e := explainJA3Digest("ja3", fingerprint.JA3Full(h))
	e.Deviations = JA3Deviations(h)
	e.Notes = append(e.Notes, "A client that permutes its extensions, as Chrome does, has another JA3 on each connection, but the same JA3N.")
	return e
}

func explainJA3N(h *parser.ClientHello) Explanation {
	e := explainJA3Digest("ja3n", fingerprint.JA3NFull(h))
	e.Notes = append(e.Notes, "It is JA3 with its extensions sorted.")
	return e
}

// explainJA3Digest explains the digest of a known text.
func explainJA3Digest(name, full string) Explanation {
	e := wellFormedJA3(name, full)
	digest := &e.Parts[len(e.Parts)-1]
	e.Text, digest.Hashed, digest.Digest = digest.Text, full, digest.Text
	return e
}

func isMD5(text string) bool { return isHex(strings.ToLower(text), 32) }

func explainMD5(text string) Explanation {
	text = strings.ToLower(text)
	e := Explanation{Name: "ja3", Text: text, Notes: []string{
		"32 hex digits: JA3 or JA3N, which are an MD5, or the hash of an HTTP/2 fingerprint or of NPF. Nothing can be read from it; the text it was made from can be explained.",
	}}
	if text == md5Hex("") {
		e.Notes = append(e.Notes, "It is the MD5 of nothing.")
	}
	return e
}

func isJA3Full(text string) bool { return strings.Contains(text, ",") }

// explainJA3FullText explains the text behind a JA3, which any tool may have made.
func explainJA3FullText(text string) (Explanation, error) {
	fail := func(format string, args ...any) (Explanation, error) {
		return Explanation{}, fmt.Errorf("fingerprint: JA3 %q: %w (one looks like 771,4865-4866,0-23,29-23,0)", text, fmt.Errorf(format, args...))
	}
	fields := strings.Split(text, ",")
	switch len(fields) {
	case 5:
	case 3:
		return fail("3 fields between commas, not 5; JA3S, of servers, has 3")
	default:
		return fail("%d fields between commas, not 5", len(fields))
	}
	names := [...]string{"the version", "cipher suites", "extensions", "groups", "point formats"}
	for i, f := range fields {
		limit := uint64(0xffff)
		if i == 4 {
			limit = 0xff
		}
		if f == "" && i > 0 {
			continue
		}
		for value := range strings.SplitSeq(f, "-") {
			if n, err := strconv.ParseUint(value, 10, 64); err != nil || n > limit || value != strconv.FormatUint(n, 10) {
				return fail("%s: %q is not a number up to %d", names[i], value, limit)
			}
		}
		if i == 0 && strings.Contains(f, "-") {
			return fail("the version: %q is not one number", f)
		}
	}
	name := "ja3_full"
	if types := parseDecimalList[parser.ExtensionType](fields[2]); len(types) > 1 && slices.IsSorted(types) {
		name = "ja3n_full"
	}
	e := wellFormedJA3(name, text)
	for _, p := range e.Parts {
		if slices.ContainsFunc(p.Values, func(v Value) bool { return v.Name == "GREASE" }) {
			e.Notes = append(e.Notes, "GREASE is in "+p.Name+": a tool made this that keeps it, and the value differs on each connection.")
		}
	}
	return e, nil
}

// wellFormedJA3 explains the text behind a JA3, which the caller has checked.
func wellFormedJA3(name, text string) Explanation {
	f := strings.Split(text, ",")
	version, _ := strconv.ParseUint(f[0], 10, 16)
	return Explanation{Name: name, Text: text, Parts: []Part{
		{Name: "legacy_version", Text: f[0], Meaning: legacyVersionMeaning(parser.Version(version))},
		decimalPart[parser.CipherSuite]("cipher_suites", f[1]),
		decimalPart[parser.ExtensionType]("extensions", f[2]),
		decimalPart[parser.NamedGroup]("supported_groups", f[3]),
		decimalPart[pointFormat]("ec_point_formats", f[4]),
		{Name: "digest", Text: md5Hex(text), Meaning: "the MD5 of the text"},
	}}
}

// A pointFormat is an ECPointFormat (RFC 8422, section 5.1.2).
type pointFormat uint16

func (f pointFormat) String() string {
	switch f {
	case 0:
		return "uncompressed"
	case 1:
		return "ansiX962_compressed_prime"
	case 2:
		return "ansiX962_compressed_char2"
	}
	return fmt.Sprintf("0x%02x", uint16(f))
}
