package explain

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

func explainStable(h *parser.ClientHello) Explanation {
	e := wellFormedStable(fingerprint.Stable(h))
	e.addStableText(fingerprint.StableFull(h))
	return e
}

// addStableText adds the text behind a stable form to its digest.
func (e *Explanation) addStableText(full string) {
	_, lists, _ := strings.Cut(full, "_")
	digest := &e.Parts[len(e.Parts)-1]
	digest.Hashed, digest.Digest = lists, sha256Hex(lists)
}

func isStable(text string) bool { return strings.HasPrefix(text, "s1") }

// explainStableText explains a stable form, or the text behind one.
func explainStableText(text string) (Explanation, error) {
	head, rest, ok := strings.Cut(text, "_")
	if !ok || len(head) != 5 || strings.IndexByte("tqd", head[2]) < 0 || ja4VersionMeaning(head[3:]) == "" {
		return Explanation{}, fmt.Errorf("fingerprint: stable %q: it begins with %q (one looks like s1t13_ and 24 hex digits)", text, head)
	}
	if isHex(rest, 24) {
		return wellFormedStable(text), nil
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
	e := wellFormedStable(stableOf(text))
	e.Notes = append(e.Notes, "Hashed, it is "+e.Text+".")
	e.Name, e.Text = "stable_full", text
	e.Parts = append(e.Parts[:3], listPart("supported_versions", versions), listPart("cipher_suites", suites),
		listPart("extensions", types), listPart("supported_groups", groups), listPart("signature_algorithms", algorithms),
		Part{Name: "alpn", Text: lists[5], Meaning: count(len(protocols), "value"), Values: protocols})
	return e, nil
}

// stableOf returns the stable form of the text behind it.
func stableOf(full string) string {
	head, lists, _ := strings.Cut(full, "_")
	return head + "_" + sha256Hex(lists)[:24]
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

// wellFormedStable explains a stable form that the caller has checked.
func wellFormedStable(text string) Explanation {
	transport := map[byte]parser.Transport{'t': parser.TLS, 'q': parser.QUIC, 'd': parser.DTLS}[text[2]]
	return Explanation{Name: "stable", Text: text, Parts: []Part{
		{Name: "format", Text: text[:2], Meaning: "the stable form of this project, first format: the same for a fresh and a resumed connection"},
		{Name: "transport", Text: text[2:3], Meaning: transportMeaning(transport)},
		{Name: "version", Text: text[3:5], Meaning: ja4VersionMeaning(text[3:5]) + " is the highest version offered"},
		{Name: "digest", Text: text[6:], Meaning: "first 24 digits of the SHA-256 of versions, cipher suites, extensions, groups, signature algorithms and ALPN"},
	}}
}
