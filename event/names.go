package event

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// addLists fills the lists of names of e, which share one array.
func (e *Event) addLists(h *parser.ClientHello) {
	all := make([]string, 0, len(h.CipherSuites)+len(h.Extensions)+len(h.SupportedGroups)+len(h.SignatureAlgorithms)+
		len(h.SupportedVersions)+len(h.ECPointFormats)+len(h.KeyShares))
	// since returns the names that were added after the first n, or nil.
	since := func(n int) []string {
		if n == len(all) {
			return nil
		}
		return all[n:len(all):len(all)]
	}
	all, e.CipherSuites = appendListNames(all, h.CipherSuites, parser.CipherSuite.String)
	n := len(all)
	for i := range h.Extensions {
		all = append(all, codePoint(h.Extensions[i].Type, parser.ExtensionType.String))
	}
	e.Extensions = since(n)
	all, e.SupportedGroups = appendListNames(all, h.SupportedGroups, parser.NamedGroup.String)
	all, e.SignatureAlgorithms = appendListNames(all, h.SignatureAlgorithms, parser.SignatureScheme.String)
	all, e.SupportedVersions = appendListNames(all, h.SupportedVersions, parser.Version.String)
	n = len(all)
	for _, f := range h.ECPointFormats {
		all = append(all, pointFormat(f))
	}
	e.ECPointFormats = since(n)
	n = len(all)
	for i := range h.KeyShares {
		all = append(all, codePoint(h.KeyShares[i].Group, parser.NamedGroup.String))
	}
	e.KeyShareGroups = since(n)
}

// appendListNames appends the names of list to all, and returns these, too, or nil if
// there are none.
func appendListNames[T ~uint16](all []string, list []T, name func(T) string) (longer, names []string) {
	if len(list) == 0 {
		return all, nil
	}
	from := len(all)
	for _, v := range list {
		all = append(all, codePoint(v, name))
	}
	return all, all[from:len(all):len(all)]
}

// greaseNames are the names of the values of RFC 8701 by their first digit.
var greaseNames = [16]string{
	"GREASE (0a0a)", "GREASE (1a1a)", "GREASE (2a2a)", "GREASE (3a3a)", "GREASE (4a4a)", "GREASE (5a5a)", "GREASE (6a6a)", "GREASE (7a7a)",
	"GREASE (8a8a)", "GREASE (9a9a)", "GREASE (aaaa)", "GREASE (baba)", "GREASE (caca)", "GREASE (dada)", "GREASE (eaea)", "GREASE (fafa)",
}

// codePoint returns the name of v, or the value where IANA has no name for it.
func codePoint[T ~uint16](v T, nameOf func(T) string) string {
	if parser.IsGREASE(v) {
		return greaseNames[v>>12]
	}
	name := nameOf(v)
	if strings.HasPrefix(name, "0x") {
		return fmt.Sprintf("unknown (%04x)", uint16(v))
	}
	return name
}

// pointFormat returns the name of an ECPointFormat (RFC 8422, section 5.1.2).
func pointFormat(v byte) string {
	switch v {
	case 0:
		return "uncompressed"
	case 1:
		return "ansiX962_compressed_prime"
	case 2:
		return "ansiX962_compressed_char2"
	}
	return fmt.Sprintf("unknown (%02x)", v)
}
