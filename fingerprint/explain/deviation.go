package explain

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A Deviation is a value that other tools are known to print for a hello because
// they do not follow the specification.
type Deviation struct {
	Name  string `json:"name"`  // what they do, in a few words
	Tools string `json:"tools"` // their names, with commas between
	Text  string `json:"text"`  // what they print
	Why   string `json:"why"`   // how it comes about
}

// JA3Deviations returns what other tools print for h that differs from its JA3.
func JA3Deviations(h *parser.ClientHello) []Deviation {
	if h.SSLv2 {
		return nil
	}
	own := fingerprint.JA3(h)
	var list []Deviation
	add := func(name, tools, why, full string) {
		if text := md5Hex(full); text != own {
			list = append(list, Deviation{name, tools, text, why})
		}
	}
	none := func(uint16) bool { return false }
	switch h.Transport {
	case parser.QUIC:
		add("GREASE kept in QUIC", "Suricata", "it drops GREASE for TLS over TCP only", ja3With(h, none, none))
	case parser.TLS:
		add("GREASE kept in supported_groups", "Envoy", "it drops GREASE from the cipher suites and the extensions only; the value differs on each connection",
			ja3With(h, parser.IsGREASE[uint16], none))
	}
	if h.Transport == parser.TLS {
		add("extensions that OpenSSL does not know are missing", "nginx on OpenSSL, Varnish on OpenSSL",
			"OpenSSL passes only the extensions that it implements to its callback, so that they never see the others: "+missingExamples,
			ja3Of(h, func(t uint16) bool { return !openSSLKnows(parser.ExtensionType(t)) }, parser.IsGREASE[uint16], parser.IsGREASE[uint16]))
	}
	mask := func(v uint16) bool { return v&0x0f0f == 0x0a0a }
	add("GREASE by a mask", "open-ch", "its test of GREASE compares half of the bits, and takes 240 other values for it", ja3With(h, mask, mask))
	return list
}

// ja3With returns the text of JA3 without the values that grease takes for
// GREASE; inGroups takes its place for the groups.
func ja3With(h *parser.ClientHello, grease, inGroups func(uint16) bool) string {
	return ja3Of(h, grease, grease, inGroups)
}

// ja3Of returns the text of JA3 without the extensions, the cipher suites and the groups
// to drop.
func ja3Of(h *parser.ClientHello, inExtensions, inSuites, inGroups func(uint16) bool) string {
	types := make([]uint16, 0, len(h.Extensions))
	for i := range h.Extensions {
		types = append(types, uint16(h.Extensions[i].Type))
	}
	return fmt.Sprintf("%d,%s,%s,%s,%s", h.LegacyVersion, joinDecimal(h.CipherSuites, inSuites), joinDecimal(types, inExtensions),
		joinDecimal(h.SupportedGroups, inGroups), joinDecimal(h.ECPointFormats, func(uint16) bool { return false }))
}

// joinDecimal returns list in decimal, without the values to drop.
func joinDecimal[T ~uint16 | ~uint8](list []T, drop func(uint16) bool) string {
	var b strings.Builder
	for _, v := range list {
		if drop(uint16(v)) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('-')
		}
		fmt.Fprintf(&b, "%d", v)
	}
	return b.String()
}
