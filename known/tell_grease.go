package known

import (
	"fmt"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// This file has the tells in GREASE. They follow ssl/extensions.cc of BoringSSL,
// whose code is in Chromium and in Apple's systems.

// greases reports whether h begins its cipher suites with GREASE, as BoringSSL
// does where GREASE is on.
func greases(h *parser.ClientHello) bool {
	return len(h.CipherSuites) > 0 && parser.IsGREASE(h.CipherSuites[0])
}

func tellGREASEExtensions(dst []Tell, v view) []Tell {
	const expected = "two different GREASE extensions: the first of all, empty, and one zero byte after all but padding and pre_shared_key"
	h := v.Hello
	if !greases(h) {
		return dst
	}
	last := len(h.Extensions) - 1
	for last > 0 && (h.Extensions[last].Type == parser.ExtPadding || h.Extensions[last].Type == parser.ExtPreSharedKey) {
		last--
	}
	n := 0
	for i := range h.Extensions {
		e := &h.Extensions[i]
		if !parser.IsGREASE(e.Type) {
			continue
		}
		n++
		switch {
		case i == 0 && len(e.Data) == 0:
		case i == last && n == 2 && len(e.Data) == 1 && e.Data[0] == 0:
		default:
			return append(dst, Tell{Field: "extensions", Offset: e.Offset,
				Found: fmt.Sprintf("GREASE extension %d of %d, of %d bytes", i+1, len(h.Extensions), len(e.Data)), Expected: expected})
		}
	}
	if n != 2 && len(h.Extensions) > 0 {
		dst = append(dst, Tell{Field: "extensions", Offset: h.Extensions[0].Offset,
			Found: fmt.Sprintf("%d GREASE extensions", n), Expected: expected})
	}
	return dst
}

func tellGREASEVersions(dst []Tell, v view) []Tell {
	h := v.Hello
	if greases(h) && !slices.ContainsFunc(h.SupportedVersions, parser.IsGREASE[parser.Version]) && v.has(parser.ExtSupportedVersions) {
		dst = append(dst, Tell{Field: "supported_versions", Offset: offsetOf(h, parser.ExtSupportedVersions),
			Found: "no GREASE", Expected: "GREASE, as in the cipher suites"})
	}
	return dst
}

func tellGREASEKeyShare(dst []Tell, v view) []Tell {
	h := v.Hello
	if !greases(h) || len(h.KeyShares) == 0 || v.isSecond() {
		return dst
	}
	var group, share parser.NamedGroup
	if len(h.SupportedGroups) > 0 && parser.IsGREASE(h.SupportedGroups[0]) {
		group = h.SupportedGroups[0]
	}
	if parser.IsGREASE(h.KeyShares[0].Group) {
		share = h.KeyShares[0].Group
	}
	if k := h.KeyShares[0].KeyExchange; share != 0 && string(k) != "\x00" {
		return append(dst, Tell{Field: "key_share", Offset: offsetOf(h, parser.ExtKeyShare),
			Found: fmt.Sprintf("%d bytes of key for GREASE", len(k)), Expected: "one zero byte"})
	}
	if group == share || v.mayBeSecond() {
		return dst
	}
	return append(dst, Tell{Field: "key_share", Offset: offsetOf(h, parser.ExtKeyShare),
		Found:    fmt.Sprintf("%04x in supported_groups, %04x first in key_share", uint16(group), uint16(share)),
		Expected: "the same GREASE value first in both"})
}
