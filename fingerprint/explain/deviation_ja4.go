package explain

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// ja4Parts are the parts of a JA4 before they are counted and hashed, so that a
// deviation can change one of them.
type ja4Parts struct {
	transport, version, sni, alpn string

	suites                []parser.CipherSuite // the lists are without GREASE, in wire order
	types                 []parser.ExtensionType
	algorithms            []parser.SignatureScheme
	suiteCount, typeCount int

	sortAlgorithms bool
	underscore     bool   // even without signature algorithms
	none           string // the digest of an empty list
	uncapped       bool   // counts above 99
	hashCapped     bool   // lists cut at 99

	hashSNI, hashALPN bool // server_name and ALPN are kept among the extensions
	noPadding         bool // padding is not, although it counts
}

func newJA4Parts(h *parser.ClientHello) *ja4Parts {
	v, _ := ParseJA4(fingerprint.JA4RO(h)) // which is well formed
	p := &ja4Parts{
		transport: v.transportLetter(), version: v.Version, sni: "i", alpn: v.ALPN,
		suites: v.Suites, types: v.Types, algorithms: v.SignatureAlgorithms,
		suiteCount: len(v.Suites), typeCount: len(v.Types), none: noneDigest,
	}
	if v.SNI {
		p.sni = "d"
	}
	return p
}

func (p *ja4Parts) String() string {
	return p.transport + p.version + p.sni + p.counts() + p.alpn + p.digests()
}

// split returns p in its places.
func (p *ja4Parts) split() ja4Split {
	return ja4Split{[...]string{p.transport, p.version, p.sni, p.alpn}, p.counts(), p.digests()}
}

func (p *ja4Parts) counts() string {
	suites, types := p.suiteCount, p.typeCount
	if !p.uncapped {
		suites, types = min(99, suites), min(99, types)
	}
	return fmt.Sprintf("%02d%02d", suites, types)
}

func (p *ja4Parts) digests() string {
	suites := slices.Sorted(slices.Values(p.suites))
	types := slices.DeleteFunc(slices.Sorted(slices.Values(p.types)), func(t parser.ExtensionType) bool {
		return t == parser.ExtServerName && !p.hashSNI || t == parser.ExtALPN && !p.hashALPN || t == parser.ExtPadding && p.noPadding
	})
	algorithms := slices.Clone(p.algorithms)
	if p.sortAlgorithms {
		slices.Sort(algorithms)
	}
	if p.hashCapped {
		suites, types = suites[:min(99, len(suites))], types[:min(99, len(types))]
	}
	c := hexList(types)
	if len(algorithms) > 0 || p.underscore {
		c += "_" + hexList(algorithms)
	}
	return "_" + p.digest(hexList(suites)) + "_" + p.digest(c)
}

func (p *ja4Parts) digest(text string) string {
	if text == "" {
		return p.none
	}
	return ja4Digest(text)
}

// ja4VersionOf returns a version as JA4 writes it.
func ja4VersionOf(v parser.Version) string {
	return fingerprint.JA4(&parser.ClientHello{LegacyVersion: v})[1:3]
}

// ja4ALPNOf returns the two characters of JA4 for a list of protocols.
func ja4ALPNOf(protocols [][]byte) string {
	return fingerprint.JA4(&parser.ClientHello{ALPNProtocols: protocols})[8:10]
}

// keepsGREASE is the name of a deviation whose value differs on each connection.
const keepsGREASE = "GREASE kept in signature_algorithms"

// ja4Deviations are the known deviations from JA4.md, each of which changes one
// part. They are known from the source of the tools, and from running them.
var ja4Deviations = []struct {
	name, tools, why string
	change           func(p *ja4Parts, h *parser.ClientHello)
}{
	{
		keepsGREASE, "tshark 4.4, FoxIO's Rust, FoxIO's Zeek, Arkime, tls.peet.ws, pingly, nDPI, Envoy",
		"they filter GREASE list by list, and not this one; the value differs on each connection; " +
			"tls.peet.ws (TrackMe) and pingly did before July 2026, FoxIO's Rust and Zeek, Wireshark and Arkime before September 2026",
		func(p *ja4Parts, h *parser.ClientHello) {
			p.algorithms = h.SignatureAlgorithms
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
		"underscore without signature algorithms", "Suricata, tls.peet.ws",
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
				p.alpn = ja4ALPNOf(plain[1:])
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
			p.version = ja4VersionOf(highest)
		},
	}, {
		"version: the highest known", "Suricata",
		"the text has 00 for a version that it does not list; it passes over those but for drafts 16 to 28 of TLS 1.3",
		func(p *ja4Parts, h *parser.ClientHello) {
			highest := parser.Version(0)
			for _, v := range h.SupportedVersions {
				if v > highest && (ja4VersionOf(v) != "00" || v >= 0x7f10 && v <= 0x7f1c) {
					highest = v
				}
			}
			if highest != 0 {
				p.version = ja4VersionOf(highest)
			}
		},
	}, {
		"version: legacy_version where supported_versions has none", "tshark 4.4, nDPI",
		"supported_versions is there but has no version, of which the text says nothing; this project prints 00",
		func(p *ja4Parts, h *parser.ClientHello) {
			if h.HasExtension(parser.ExtSupportedVersions) && len(withoutGREASE(h.SupportedVersions)) == 0 {
				p.version = ja4VersionOf(h.LegacyVersion)
			}
		},
	}, {
		"version: DTLS counts down", "Arkime",
		"the newest DTLS version has the lowest number; the text, and nearly all tools, take the highest",
		func(p *ja4Parts, h *parser.ClientHello) {
			if versions := withoutGREASE(h.SupportedVersions); h.Transport == parser.DTLS && len(versions) > 0 {
				p.version = ja4VersionOf(newestDTLS(versions))
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
			p.transport = "t"
			if h.HasExtension(parser.ExtQUICTransportParameters) {
				p.transport = "q"
			}
		},
	}, {
		"padding left out of the extensions", "tls.peet.ws",
		"until November 2025 it removed 0015 before it hashed, and counted it",
		func(p *ja4Parts, _ *parser.ClientHello) { p.noPadding = true },
	}, {
		"SNI: always d", "tls.peet.ws",
		"it prints d whether or not there is a server_name",
		func(p *ja4Parts, _ *parser.ClientHello) { p.sni = "d" },
	}, {
		"server_name kept among the extensions", "tools that keep server_name",
		"the text leaves server_name and ALPN out of the list that is hashed, as the first part has them",
		func(p *ja4Parts, _ *parser.ClientHello) { p.hashSNI = true },
	}, {
		"server_name and ALPN kept among the extensions", "tools that keep both",
		"the text leaves server_name and ALPN out of the list that is hashed, as the first part has them",
		func(p *ja4Parts, h *parser.ClientHello) {
			both := h.HasExtension(parser.ExtServerName) && h.HasExtension(parser.ExtALPN)
			p.hashSNI, p.hashALPN = both, both
		},
	}, {
		"extensions that OpenSSL does not know are missing", "nginx on OpenSSL, Varnish on OpenSSL, CrowdSec's Lua on OpenSSL",
		"OpenSSL passes only the extensions that it implements to its callback, so that they never see the others: " + missingExamples,
		func(p *ja4Parts, h *parser.ClientHello) { p.seenBy(openSSLKnows) },
	}, {
		"extensions that OpenSSL before 3.2 does not know are missing", "modules on OpenSSL before 3.2",
		"OpenSSL passes only the extensions that it implements to its callback, before 3.2 without compress_certificate and raw public keys",
		func(p *ja4Parts, h *parser.ClientHello) {
			if slices.ContainsFunc(p.types, isNewInOpenSSL32) {
				p.seenBy(func(t parser.ExtensionType) bool { return openSSLKnows(t) && !isNewInOpenSSL32(t) })
			}
		},
	},
}

// JA4Deviations returns what other tools print for h that differs from its JA4:
// the value of each deviation and, for a tool with several, the value of all of
// them together.
func JA4Deviations(h *parser.ClientHello) []Deviation {
	if h.SSLv2 {
		return nil
	}
	own := fingerprint.JA4(h)
	var list []Deviation
	together := map[string]*ja4Parts{}
	names := map[string][]string{}
	for _, d := range ja4Deviations {
		p := newJA4Parts(h)
		d.change(p, h)
		text := p.String()
		if text == own {
			continue
		}
		list = append(list, Deviation{d.name, d.tools, text, d.why})
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
			list = append(list, Deviation{"together", tool, text, strings.Join(names[tool], "; ")})
		}
	}
	return list
}

// isTool reports whether name is that of one tool. Others describe many tools, of
// which each has one deviation.
func isTool(name string) bool { return !strings.HasPrefix(name, "tools ") }

// laterAlgorithms returns the signature algorithms of the extensions that have
// such a list, in wire order, without the first of these lists.
func laterAlgorithms(h *parser.ClientHello, own []parser.SignatureScheme) []parser.SignatureScheme {
	var all []parser.SignatureScheme
	first := -1
	for i := range h.Extensions {
		switch h.Extensions[i].Type {
		case parser.ExtSignatureAlgorithms:
			all = append(all, own...)
		case parser.ExtSignatureAlgorithmsCert:
			all = append(all, withoutGREASE(h.SignatureAlgorithmsCert)...)
		case parser.ExtDelegatedCredential:
			all = append(all, withoutGREASE(h.DelegatedCredentials)...)
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

// ndpiALPN returns the two ALPN characters that nDPI prints.
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
	return parser.Text(joined[:2])
}

// alpnEnds returns the first and the last character of the first protocol, and -1
// for a missing one.
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

// printableRunes returns the characters that are not missing, in printable form.
func printableRunes(list ...rune) string {
	list = slices.DeleteFunc(list, func(r rune) bool { return r < 0 })
	return parser.Text([]byte(string(list)))
}

// newestDTLS returns the DTLS version with the lowest number, or the highest
// version if none is of DTLS.
func newestDTLS(versions []parser.Version) parser.Version {
	newest := parser.Version(0xffff)
	for _, v := range versions {
		if v>>8 == 0xfe {
			newest = min(newest, v)
		}
	}
	if newest == 0xffff {
		newest = slices.Max(versions)
	}
	return newest
}

// isAddress reports whether a server name is an IPv4 or IPv6 address.
func isAddress(name []byte) bool {
	return len(name) > 0 && len(bytes.Trim(name, "0123456789.")) == 0 || bytes.ContainsRune(name, ':')
}
