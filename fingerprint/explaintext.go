package fingerprint

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// Explain explains a fingerprint of which there is only the text, of any kind
// that this package makes. The error says what is wrong with text that is none.
func Explain(text string) (Explanation, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return Explanation{}, fmt.Errorf("fingerprint: nothing to explain")
	case strings.HasPrefix(text, "tls/"), strings.HasPrefix(text, "dtls/"), strings.HasPrefix(text, "quic/"):
		return explainNPF(text)
	case strings.Contains(text, "|"):
		return explainHTTP2(text)
	case strings.HasPrefix(text, "s1"):
		return explainStableText(text)
	case isHex(strings.ToLower(text), 32):
		return explainMD5(strings.ToLower(text)), nil
	case isHex(strings.ToLower(text), 16):
		return Explanation{Name: "tlsfp_id", Text: strings.ToLower(text), Notes: []string{
			"16 hex digits: an id of tlsfingerprint.io, of a hello, of QUIC's header or of its transport parameters. It is the start of a SHA-1: nothing can be read from it.",
		}}, nil
	case strings.Contains(text, "_"), len(text) > 1 && strings.IndexByte("tqd", text[0]) >= 0 && strings.IndexByte("01sd", text[1]) >= 0:
		v, err := ParseJA4(text)
		if err != nil {
			return Explanation{}, err
		}
		return explainJA4(v), nil
	case strings.Contains(text, ","):
		return explainJA3Checked(text)
	}
	return Explanation{}, fmt.Errorf("fingerprint: %q is no fingerprint that is known here: JA4 looks like %s, JA3 is 32 hex digits or its text, like 771,4865-4866,0-23,29-23,0", text, ja4Form)
}

// explainJA4 explains a JA4 in any form. That a hashed one is JA4_o cannot be
// seen; that a raw one is JA4_ro can, nearly always.
func explainJA4(v JA4Value) Explanation {
	if !v.Raw() {
		e := explainJA4Value("ja4", v)
		e.Notes = append(e.Notes, "JA4_o has the same form: then the digests are of the lists in wire order, server_name and ALPN among them.")
		if v.CipherSuites == 0 != (v.SuitesDigest == "000000000000") {
			e.Notes = append(e.Notes, "The number of cipher suites and their digest do not go together: one of them is 0.")
		}
		return e
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
	return e
}

func explainMD5(text string) Explanation {
	e := Explanation{Name: "ja3", Text: text, Notes: []string{
		"32 hex digits: JA3 or JA3N, which are an MD5, or the hash of an HTTP/2 fingerprint or of NPF. Nothing can be read from it; the text it was made from can be explained.",
	}}
	if text == "d41d8cd98f00b204e9800998ecf8427e" {
		e.Notes = append(e.Notes, "It is the MD5 of nothing.")
	}
	return e
}

// explainJA3Checked explains the text of a JA3 that someone else made.
func explainJA3Checked(text string) (Explanation, error) {
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
	if types := decimals[parser.ExtensionType](fields[2]); len(types) > 1 && slices.IsSorted(types) {
		name = "ja3n_full"
	}
	e := explainJA3Text(name, text)
	for _, p := range e.Parts {
		if slices.ContainsFunc(p.Values, func(v Value) bool { return v.Name == "GREASE" }) {
			e.Notes = append(e.Notes, "GREASE is in "+p.Name+": a tool made this that keeps it, and the value differs on each connection.")
		}
	}
	return e, nil
}

// explainJA3Text explains a text that is well formed.
func explainJA3Text(name, text string) Explanation {
	f := strings.Split(text, ",")
	version, _ := strconv.ParseUint(f[0], 10, 16)
	return Explanation{Name: name, Text: text, Parts: []Part{
		{Name: "legacy_version", Text: f[0], Words: legacyVersionWords(parser.Version(version))},
		decimalPart("cipher_suites", f[1], decimals[parser.CipherSuite](f[1])),
		decimalPart("extensions", f[2], decimals[parser.ExtensionType](f[2])),
		decimalPart("supported_groups", f[3], decimals[parser.NamedGroup](f[3])),
		decimalPart("ec_point_formats", f[4], decimals[pointFormat](f[4])),
		md5Part(text),
	}}
}

// legacyVersionWords returns what a legacy_version means. TLS 1.3 and DTLS 1.3
// keep that of 1.2 (RFC 8446, section 4.1.2; RFC 9147, section 5.3).
func legacyVersionWords(v parser.Version) string {
	words := v.String() + ", as legacy_version has it"
	switch v {
	case parser.VersionTLS12:
		words += ": TLS 1.3 has the same"
	case parser.VersionDTLS12:
		words += ": DTLS 1.3 has the same"
	}
	return words
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

// decimals reads numbers with hyphens between, which are known to be right.
func decimals[T ~uint16](text string) (list []T) {
	if text == "" {
		return nil
	}
	for value := range strings.SplitSeq(text, "-") {
		n, _ := strconv.ParseUint(value, 10, 16)
		list = append(list, T(n))
	}
	return list
}

func decimalPart[T named](name, text string, list []T) Part {
	p := listPart(name, list)
	p.Text = text
	for i, v := range list {
		p.Values[i].Text = strconv.Itoa(int(v))
	}
	return p
}

// explainStableText explains a text of [Stable] or [StableFull].
func explainStableText(text string) (Explanation, error) {
	head, rest, ok := strings.Cut(text, "_")
	if !ok || len(head) != 5 || strings.IndexByte("tqd", head[2]) < 0 || ja4VersionWords(head[3:]) == "" {
		return Explanation{}, fmt.Errorf("fingerprint: stable %q: it begins with %q (one looks like s1t13_ and 24 hex digits)", text, head)
	}
	if isHex(rest, 24) {
		return explainStable(text), nil
	}
	lists := strings.Split(rest, "_")
	if len(lists) != 6 {
		return Explanation{}, fmt.Errorf("fingerprint: stable %q: %q is neither 24 lower-case hex digits nor 6 lists", text, rest)
	}
	versions, err1 := parseHexList[parser.Version](lists[0])
	suites, err2 := parseHexList[parser.CipherSuite](lists[1])
	types, err3 := parseHexList[parser.ExtensionType](lists[2])
	groups, err4 := parseHexList[parser.NamedGroup](lists[3])
	algorithms, err5 := parseHexList[parser.SignatureScheme](lists[4])
	protocols, err6 := parseProtocols(lists[5])
	for i, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err != nil {
			return Explanation{}, fmt.Errorf("fingerprint: stable %q: list %d: %w", text, i+1, err)
		}
	}
	e := explainStable(head + "_" + string(foldSHA256([]byte(rest), 0, 24)))
	e.Notes = append(e.Notes, "Hashed, it is "+e.Text+".")
	e.Name, e.Text = "stable_full", text
	e.Parts = append(e.Parts[:3], listPart("supported_versions", versions), listPart("cipher_suites", suites),
		listPart("extensions", types), listPart("supported_groups", groups), listPart("signature_algorithms", algorithms),
		Part{Name: "alpn", Text: lists[5], Words: count(len(protocols), "value"), Values: protocols})
	return e, nil
}

func parseProtocols(text string) ([]Value, error) {
	if text == "" {
		return nil, nil
	}
	var list []Value
	for value := range strings.SplitSeq(text, ",") {
		name, err := hex.DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("%q is not a protocol in hex", value)
		}
		list = append(list, Value{value, parser.Text(name)})
	}
	return list, nil
}

// explainStable explains a text of [Stable] that is well formed.
func explainStable(text string) Explanation {
	carrier := map[byte]string{'t': "TLS over TCP", 'q': "QUIC", 'd': "DTLS"}[text[2]]
	return Explanation{Name: "stable", Text: text, Parts: []Part{
		{Name: "format", Text: text[:2], Words: "the stable form of this project, first format: the same for a fresh and a resumed connection"},
		{Name: "transport", Text: text[2:3], Words: carrier},
		{Name: "version", Text: text[3:5], Words: ja4VersionWords(text[3:5]) + " is the highest version offered"},
		{Name: "digest", Text: text[6:], Words: "first 24 digits of the SHA-256 of versions, cipher suites, extensions, groups, signature algorithms and ALPN"},
	}}
}
