package explain

import (
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// useDigestTexts puts lists in the place of the digests of two explanations of one kind,
// where the texts behind both digests are known.
func useDigestTexts(a, b *Explanation) {
	if a.Name == "ja3" && (len(a.Parts) == 0) != (len(b.Parts) == 0) {
		a.Parts, b.Parts = nil, nil
	}
	if a.Name != "ja4" {
		return
	}
	for _, name := range [...]string{"cipher_suites_digest", "extensions_digest"} {
		i, j := partIndex(a, name), partIndex(b, name)
		if i < 0 || j < 0 || a.Parts[i].Hashed == "" || b.Parts[j].Hashed == "" {
			continue
		}
		a.Parts = slices.Replace(a.Parts, i, i+1, listsOf(&a.Parts[i])...)
		b.Parts = slices.Replace(b.Parts, j, j+1, listsOf(&b.Parts[j])...)
	}
}

// partIndex returns the place of a part in e, or -1.
func partIndex(e *Explanation, name string) int {
	return slices.IndexFunc(e.Parts, func(p Part) bool { return p.Name == name })
}

// listsOf returns the lists that a digest of JA4 is made of, with the names that they
// have in JA4_r.
func listsOf(p *Part) []Part {
	first, algorithms, _ := strings.Cut(p.Hashed, "_")
	if p.Name == "cipher_suites_digest" {
		list, _ := parseHexList[parser.CipherSuite](first) // of a hello
		return []Part{listPart("cipher_suites_list", list)}
	}
	types, _ := parseHexList[parser.ExtensionType](first)
	schemes, _ := parseHexList[parser.SignatureScheme](algorithms)
	return []Part{listPart("extensions_list", types), listPart("signature_algorithms_list", schemes)}
}
