package event

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// addLists fills the lists of names of e.
func (e *Event) addLists(h *parser.ClientHello) {
	e.CipherSuites = namesOf(h.CipherSuites, parser.CipherSuite.String)
	for i := range h.Extensions {
		t := h.Extensions[i].Type
		e.Extensions = append(e.Extensions, codePoint(t, t.String()))
	}
	e.SupportedGroups = namesOf(h.SupportedGroups, parser.NamedGroup.String)
	e.SignatureAlgorithms = namesOf(h.SignatureAlgorithms, parser.SignatureScheme.String)
	e.SupportedVersions = namesOf(h.SupportedVersions, parser.Version.String)
	for _, f := range h.ECPointFormats {
		e.ECPointFormats = append(e.ECPointFormats, pointFormat(f))
	}
	for i := range h.KeyShares {
		g := h.KeyShares[i].Group
		e.KeyShareGroups = append(e.KeyShareGroups, codePoint(g, g.String()))
	}
}

func namesOf[T ~uint16](list []T, name func(T) string) []string {
	var names []string
	for _, v := range list {
		names = append(names, codePoint(v, name(v)))
	}
	return names
}

// codePoint returns name, or the value where IANA has no name for it.
func codePoint[T ~uint16](v T, name string) string {
	switch {
	case parser.IsGREASE(v):
		return fmt.Sprintf("GREASE (%04x)", uint16(v))
	case strings.HasPrefix(name, "0x"):
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
