package fingerprint

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// A Dialect is what other tools are known to print of a hello where they do
// not follow the text of a specification.
type Dialect struct {
	Name  string `json:"name"`
	Tools string `json:"tools"` // that do so
	Text  string `json:"text"`  // what they print
	Why   string `json:"why"`
}

// ja4Parts has all that a JA4 is made of, in the open, so that a dialect can
// change one thing.
type ja4Parts struct {
	carrier, version, sni, alpn string

	suites, types         []uint16 // without GREASE, in wire order
	suiteCount, typeCount int
	algorithms            []uint16
	sortAlgorithms        bool
	underscore            bool   // even without signature algorithms
	none                  string // the digest of an empty list
	uncapped              bool   // counts above 99
	hashCapped            bool   // lists cut at 99
}

func newJA4Parts(h *parser.ClientHello) *ja4Parts {
	suites, types := appendPlain(nil, h.CipherSuites), appendExtensionTypes(nil, h)
	first, last := ja4ALPN(h.ALPNProtocols)
	sni := "i"
	if h.HasExtension(parser.ExtServerName) {
		sni = "d"
	}
	return &ja4Parts{
		carrier: string(carrierLetter(h.Transport)), version: ja4Version(h), sni: sni, alpn: string([]byte{first, last}),
		suites: suites, types: types, suiteCount: len(suites), typeCount: len(types),
		algorithms: appendPlain(nil, h.SignatureAlgorithms), none: "000000000000",
	}
}

func (p *ja4Parts) String() string {
	suites, types, algorithms := slices.Clone(p.suites), slices.Clone(p.types), slices.Clone(p.algorithms)
	slices.Sort(suites)
	slices.Sort(types)
	types = dropNames(types)
	if p.sortAlgorithms {
		slices.Sort(algorithms)
	}
	if p.hashCapped {
		suites, types = suites[:min(99, len(suites))], types[:min(99, len(types))]
	}
	suiteCount, typeCount := p.suiteCount, p.typeCount
	if !p.uncapped {
		suiteCount, typeCount = min(99, suiteCount), min(99, typeCount)
	}
	b := string(appendHexList(nil, suites))
	c := string(appendHexList(nil, types))
	if len(algorithms) > 0 || p.underscore {
		c += "_" + string(appendHexList(nil, algorithms))
	}
	return fmt.Sprintf("%s%s%s%02d%02d%s_%s_%s", p.carrier, p.version, p.sni, suiteCount, typeCount, p.alpn, p.digest(b), p.digest(c))
}

func (p *ja4Parts) digest(text string) string {
	if text == "" {
		return p.none
	}
	return string(foldSHA256([]byte(text), 0, 12))
}

// ja4Dialects are the known deviations from JA4.md, each as a change of one
// thing. What they are known from: captures on which the tools named were run,
// and their source.
var ja4Dialects = []struct {
	name, tools, why string
	change           func(p *ja4Parts, h *parser.ClientHello)
}{
	{
		"GREASE kept in signature_algorithms", "tshark 4.4, FoxIO's Rust, nDPI, Envoy",
		"they filter GREASE list by list, and not this one; the value differs on each connection",
		func(p *ja4Parts, h *parser.ClientHello) {
			p.algorithms = nil
			for _, s := range h.SignatureAlgorithms {
				p.algorithms = append(p.algorithms, uint16(s))
			}
		},
	}, {
		"sorted signature algorithms", "tools that sort every list",
		"the text sorts cipher suites and extensions only",
		func(p *ja4Parts, _ *parser.ClientHello) { p.sortAlgorithms = true },
	}, {
		"signature algorithms of another extension", "FoxIO's Python",
		"it reads signature_algorithms, signature_algorithms_cert and delegated_credential as one list, and takes what follows the first",
		func(p *ja4Parts, h *parser.ClientHello) { p.algorithms = laterAlgorithms(h, p.algorithms) },
	}, {
		"underscore without signature algorithms", "Suricata",
		"it appends the underscore, which the text leaves out, before it hashes",
		func(p *ja4Parts, _ *parser.ClientHello) { p.underscore = true },
	}, {
		"digest of an empty list", "nDPI",
		"e3b0c44298fc is the SHA-256 of nothing; the text has 000000000000 for it",
		func(p *ja4Parts, _ *parser.ClientHello) { p.none = "e3b0c44298fc" },
	}, {
		"ALPN: first two characters", "nDPI",
		"the text takes the first and the last; it takes two of all protocols joined by commas, of which it loses the last character, and fills up with 0",
		func(p *ja4Parts, h *parser.ClientHello) {
			if len(h.ALPNProtocols) > 0 {
				p.alpn = ndpiALPN(h.ALPNProtocols)
			}
		},
	}, {
		"ALPN: characters as they are, one of them once", "FoxIO's Python",
		"the text has one character twice, and takes two digits of the protocol in hex if an end is not alphanumeric; it prints 99 if the first is not ASCII",
		func(p *ja4Parts, h *parser.ClientHello) {
			if first, last := alpnEnds(h); first > 0x7f {
				p.alpn = "99"
			} else if first >= 0 {
				p.alpn = printableRunes(first, last)
			}
		},
	}, {
		"ALPN: characters as they are, after one of them 0", "FoxIO's Rust",
		"the text has one character twice, and takes two digits of the protocol in hex if an end is not alphanumeric; it prints 9 for what is not ASCII",
		func(p *ja4Parts, h *parser.ClientHello) {
			first, last := alpnEnds(h)
			if first < 0 {
				return
			}
			if last < 0 {
				last = '0'
			}
			p.alpn = printableRunes(nineIfForeign(first), nineIfForeign(last))
		},
	}, {
		"ALPN: a GREASE protocol counts", "tools that filter GREASE only among numbers",
		"the text ignores GREASE wherever it is",
		func(p *ja4Parts, h *parser.ClientHello) {
			if len(h.ALPNProtocols) > 0 && parser.IsGREASEALPN(h.ALPNProtocols[0]) {
				p.alpn = fmt.Sprintf("%x%x", h.ALPNProtocols[0][0]>>4, h.ALPNProtocols[0][1]&15)
			}
		},
	}, {
		"ALPN: negotiated instead of offered", "tools that read it from the server or its API",
		"the text takes the first protocol that the client offers; this is the value if the server chose the second",
		func(p *ja4Parts, h *parser.ClientHello) {
			if plain := slices.DeleteFunc(slices.Clone(h.ALPNProtocols), parser.IsGREASEALPN); len(plain) > 1 {
				first, last := ja4ALPN(plain[1:])
				p.alpn = string([]byte{first, last})
			}
		},
	}, {
		"version: negotiated instead of offered", "tools that read it from the server or its API",
		"the text takes the highest version that the client offers; this is the value if the server chose TLS 1.2",
		func(p *ja4Parts, h *parser.ClientHello) {
			if h.Transport == parser.TLS && slices.Contains(h.SupportedVersions, parser.VersionTLS12) {
				p.version = "12"
			}
		},
	}, {
		"version: the higher of legacy_version and supported_versions", "nDPI",
		"the text takes supported_versions alone where it is there",
		func(p *ja4Parts, h *parser.ClientHello) {
			highest := h.LegacyVersion
			for _, v := range h.SupportedVersions {
				if !parser.IsGREASE(v) {
					highest = max(highest, v)
				}
			}
			p.version = ja4VersionText(highest)
		},
	}, {
		"version: the highest known", "Suricata",
		"the text has 00 for a version that it does not list; it passes over those but for drafts 16 to 28 of TLS 1.3",
		func(p *ja4Parts, h *parser.ClientHello) {
			highest := parser.Version(0)
			for _, v := range h.SupportedVersions {
				if v > highest && (ja4VersionText(v) != "00" || v >= 0x7f10 && v <= 0x7f1c) {
					highest = v
				}
			}
			if highest != 0 {
				p.version = ja4VersionText(highest)
			}
		},
	}, {
		"version: legacy_version where supported_versions has none", "tshark 4.4, nDPI",
		"supported_versions is there but has no version, of which the text says nothing; this project prints 00",
		func(p *ja4Parts, h *parser.ClientHello) {
			if h.HasExtension(parser.ExtSupportedVersions) && len(appendPlain(nil, h.SupportedVersions)) == 0 {
				p.version = ja4VersionText(h.LegacyVersion)
			}
		},
	}, {
		"version: DTLS counts down", "Arkime",
		"the newest DTLS version has the lowest number; the text, and nearly all tools, take the highest",
		func(p *ja4Parts, h *parser.ClientHello) {
			if versions := appendPlain(nil, h.SupportedVersions); h.Transport == parser.DTLS && len(versions) > 0 {
				p.version = ja4VersionText(newestDTLS(versions))
			}
		},
	}, {
		"SNI: only with a name", "FoxIO's Python, Zeek",
		"the text asks for the extension, whatever is in it",
		func(p *ja4Parts, h *parser.ClientHello) {
			if len(h.ServerName) == 0 {
				p.sni = "i"
			}
		},
	}, {
		"SNI: from the kind of host", "nDPI",
		"it prints d unless the host is a numeric address, also when there is no server_name",
		func(p *ja4Parts, h *parser.ClientHello) {
			p.sni = "d"
			if isAddress(h.ServerName) {
				p.sni = "i"
			}
		},
	}, {
		"counts above 99", "nDPI",
		"the text stops at 99",
		func(p *ja4Parts, _ *parser.ClientHello) { p.uncapped = true },
	}, {
		"hash of the first 99 only", "tools that cut the lists with the counts",
		"the text stops at 99 in the counts, and hashes all",
		func(p *ja4Parts, _ *parser.ClientHello) { p.hashCapped = true },
	}, {
		"GREASE counted among the extensions", "ipfixprobe",
		"the text ignores GREASE wherever it is",
		func(p *ja4Parts, h *parser.ClientHello) { p.typeCount = len(h.Extensions) },
	}, {
		"carrier from quic_transport_parameters", "FoxIO's Rust",
		"it takes the extension for the carrier, and knows no DTLS",
		func(p *ja4Parts, h *parser.ClientHello) {
			p.carrier = "t"
			if h.HasExtension(parser.ExtQUICTransportParameters) {
				p.carrier = "q"
			}
		},
	},
}

// JA4Dialects returns what other tools are known to print for the JA4 of h,
// where it is something else: for each thing that they do otherwise, and for
// each tool that does several, all of it together.
func JA4Dialects(h *parser.ClientHello) []Dialect {
	if h.SSLv2 {
		return nil
	}
	own := JA4(h)
	var list []Dialect
	together := map[string]*ja4Parts{}
	names := map[string][]string{}
	for _, d := range ja4Dialects {
		p := newJA4Parts(h)
		d.change(p, h)
		text := p.String()
		if text == own {
			continue
		}
		list = append(list, Dialect{d.name, d.tools, text, d.why})
		for tool := range strings.SplitSeq(d.tools, ", ") {
			if together[tool] == nil {
				together[tool] = newJA4Parts(h)
			}
			d.change(together[tool], h)
			names[tool] = append(names[tool], d.name)
		}
	}
	for _, tool := range slices.Sorted(maps.Keys(together)) {
		if text := together[tool].String(); len(names[tool]) > 1 && text != own && isTool(tool) {
			list = append(list, Dialect{"together", tool, text, strings.Join(names[tool], "; ")})
		}
	}
	return list
}

// isTool tells the name of a tool from words for many, which do one thing each.
func isTool(name string) bool { return !strings.HasPrefix(name, "tools ") }

// JA3Dialects returns what other tools are known to print for the JA3 of h,
// where it is something else.
func JA3Dialects(h *parser.ClientHello) []Dialect {
	if h.SSLv2 {
		return nil
	}
	own := JA3(h)
	var list []Dialect
	add := func(name, tools, why, full string) {
		if text := string(foldMD5([]byte(full), 0)); text != own {
			list = append(list, Dialect{name, tools, text, why})
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
	mask := func(v uint16) bool { return v&0x0f0f == 0x0a0a }
	add("GREASE by a mask", "open-ch", "its test of GREASE compares half of the bits, and takes 240 other values for it", ja3With(h, mask, mask))
	return list
}

// ja3With returns the text of JA3 with another idea of GREASE, in groups and
// elsewhere.
func ja3With(h *parser.ClientHello, grease, inGroups func(uint16) bool) string {
	types := make([]uint16, 0, len(h.Extensions))
	for i := range h.Extensions {
		types = append(types, uint16(h.Extensions[i].Type))
	}
	return fmt.Sprintf("%d,%s,%s,%s,%s", h.LegacyVersion, joinDecimal(h.CipherSuites, grease), joinDecimal(types, grease),
		joinDecimal(h.SupportedGroups, inGroups), joinDecimal(h.ECPointFormats, func(uint16) bool { return false }))
}

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

// laterAlgorithms returns the signature algorithms of the extensions that have
// such a list, in wire order, without the first of these lists.
func laterAlgorithms(h *parser.ClientHello, own []uint16) []uint16 {
	var all []uint16
	first := -1
	for i := range h.Extensions {
		switch h.Extensions[i].Type {
		case parser.ExtSignatureAlgorithms:
			all = append(all, own...)
		case parser.ExtSignatureAlgorithmsCert:
			all = appendPlain(all, h.SignatureAlgorithmsCert)
		case parser.ExtDelegatedCredential:
			all = appendPlain(all, h.DelegatedCredentials)
		default:
			continue
		}
		if first < 0 {
			first = len(all)
		}
	}
	if first < 0 || first == len(all) {
		return own
	}
	return all[first:]
}

// ndpiALPN returns the ALPN characters of nDPI.
func ndpiALPN(protocols [][]byte) string {
	var joined []byte
	for _, p := range protocols {
		if len(joined) > 0 {
			joined = append(joined, ',')
		}
		joined = append(joined, p...)
	}
	if len(joined) > 0 {
		joined = joined[:len(joined)-1]
	}
	joined = append(joined, "00"...)
	return printable(string(joined[:2]))
}

// alpnEnds returns the first and the last character of the first protocol, -1
// for one that is not there.
func alpnEnds(h *parser.ClientHello) (first, last rune) {
	if len(h.ALPNProtocols) == 0 || len(h.ALPNProtocols[0]) == 0 {
		return -1, -1
	}
	name := []rune(string(h.ALPNProtocols[0]))
	if len(name) == 1 {
		return name[0], -1
	}
	return name[0], name[len(name)-1]
}

func nineIfForeign(r rune) rune {
	if r > 0x7f {
		return '9'
	}
	return r
}

// printableRunes returns the characters that are there as they can be shown.
func printableRunes(list ...rune) string {
	list = slices.DeleteFunc(list, func(r rune) bool { return r < 0 })
	return printable(string(list))
}

// firstALPN returns the first protocol that is not GREASE.
func firstALPN(h *parser.ClientHello) []byte {
	for _, p := range h.ALPNProtocols {
		if !parser.IsGREASEALPN(p) {
			return p
		}
	}
	return nil
}

// printable returns text as it can be shown.
func printable(text string) string { return parser.Text([]byte(text)) }

// newestDTLS returns the DTLS version with the lowest number, or, where there
// is none, the highest version.
func newestDTLS(versions []uint16) parser.Version {
	newest := uint16(0xffff)
	for _, v := range versions {
		if v>>8 == 0xfe {
			newest = min(newest, v)
		}
	}
	if newest == 0xffff {
		newest = slices.Max(versions)
	}
	return parser.Version(newest)
}

// isAddress reports whether a server name is an IPv4 or IPv6 address.
func isAddress(name []byte) bool {
	return len(name) > 0 && len(bytes.Trim(name, "0123456789.")) == 0 || bytes.ContainsRune(name, ':')
}
