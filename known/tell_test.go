package known

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestNoTellOnBrowsers checks that no tell fires on a genuine browser.
func TestNoTellOnBrowsers(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	n := 0
	for _, e := range entries {
		if e.Kind != KindBrowser {
			continue
		}
		n++
		h, err := e.ModelHello()
		require.NoError(t, err)
		o := Observation{Hello: h, Index: 1, RecordVersion: parser.VersionTLS10, HTTP2: e.HTTP2}
		assert.Empty(t, AppendTells(nil, &o), "%s %s %s", e.Name, e.Version, e.Source)
	}
	assert.Greater(t, n, 20)
}

// edit returns a copy of a hello after f has changed it.
func edit(h *parser.ClientHello, f func(*parser.ClientHello)) *parser.ClientHello {
	h = h.Clone()
	f(h)
	return h
}

func extension(h *parser.ClientHello, t parser.ExtensionType) *parser.Extension {
	i := slices.IndexFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == t })
	return &h.Extensions[i]
}

func greased[T ~uint16](list []T) T {
	i := slices.IndexFunc(list, parser.IsGREASE[T])
	return list[i]
}

func TestTells(t *testing.T) {
	real := hellotest.Real(t)
	chrome, old, fox := real["chromium-156"], real["chromium-117"], real["firefox-153"]
	require.NotNil(t, chrome)
	require.NotNil(t, old)
	require.NotNil(t, fox)
	group := greased(chrome.SupportedGroups)
	ech := offsetOf(chrome, parser.ExtEncryptedClientHello)
	last := chrome.Extensions[len(chrome.Extensions)-1]

	cases := map[string]struct {
		o    Observation
		want Tell
	}{
		"duplicate-extension": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.Extensions[3].Type = h.Extensions[2].Type })},
			Tell{Field: "extensions", Offset: chrome.Extensions[3].Offset,
				Found:    chrome.Extensions[2].Type.String() + " (" + hex4(uint16(chrome.Extensions[2].Type)) + ") twice",
				Expected: "each type once (RFC 8446, section 4.2)"},
		},
		"duplicate-group": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.SupportedGroups[4] = 29 })},
			Tell{Field: "supported_groups", Offset: offsetOf(chrome, parser.ExtSupportedGroups),
				Found: "x25519 (001d) twice", Expected: "each group once"},
		},
		"key-share-group": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.KeyShares[2].Group = 30 })},
			Tell{Field: "key_share", Offset: offsetOf(fox, parser.ExtKeyShare), Found: "a share for x448 (001e)",
				Expected: "shares for groups of supported_groups (RFC 8446, section 4.2.8)"},
		},
		"no-tls13-version": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.SupportedVersions = []parser.Version{0x0303} })},
			Tell{Field: "cipher_suites", Offset: 73, Found: "TLS_AES_128_GCM_SHA256",
				Expected: "TLS 1.3 in supported_versions where its cipher suites are"},
		},
		"shuffled-suites": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) {
				h.CipherSuites = []parser.CipherSuite{0xc027, 0xcca9, 0xcca8, 0xc023, 0xc02f, 0xc02c, 0x003c, 0xc030}
			})},
			Tell{Field: "cipher_suites", Offset: 73, Found: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 before suites with ECDHE and AEAD",
				Expected: "crypto/tls, whose suites these are, has it last; browsers do not have it"},
		},
		"scsv": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.CipherSuites = append(h.CipherSuites, 0xff) })},
			Tell{Field: "cipher_suites", Offset: 73 + 2*len(fox.CipherSuites), Found: "a browser's cipher suites with 00ff",
				Expected: "the extension renegotiation_info; OpenSSL sends 00ff"},
		},
		"grease-extensions": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.Extensions[len(h.Extensions)-1].Data = []byte{1} })},
			Tell{Field: "extensions", Offset: last.Offset, Found: "GREASE extension 19 of 19, of 1 bytes",
				Expected: "two different GREASE extensions: the first of all, empty, and one zero byte after all but padding and pre_shared_key"},
		},
		"grease-key-share": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.KeyShares[0].Group = group ^ 0x1010 })},
			Tell{Field: "key_share", Offset: offsetOf(chrome, parser.ExtKeyShare),
				Found:    hex4(uint16(group)) + " in supported_groups, " + hex4(uint16(group^0x1010)) + " first in key_share",
				Expected: "the same GREASE value first in both"},
		},
		"grease-versions": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.SupportedVersions = h.SupportedVersions[1:] })},
			Tell{Field: "supported_versions", Offset: offsetOf(chrome, parser.ExtSupportedVersions), Found: "no GREASE",
				Expected: "GREASE, as in the cipher suites"},
		},
		"ech-aead": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.ECH.AEAD = 3 })},
			Tell{Field: "encrypted_client_hello.cipher_suite", Offset: ech + 7,
				Found:    "ChaCha20Poly1305, with TLS_AES_128_GCM_SHA256 as first cipher suite",
				Expected: "AES-128-GCM where AES is first: both follow from the processor"},
		},
		"ech-payload": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.ECH.Payload = h.ECH.Payload[:176] })},
			Tell{Field: "encrypted_client_hello.payload",
				Offset: offsetOf(fox, parser.ExtEncryptedClientHello) + 4 + len(extension(fox, parser.ExtEncryptedClientHello).Data) - 176,
				Found:  "176 bytes, as BoringSSL pads", Expected: "239 or another length of 15 more than a multiple of 32, as NSS pads"},
		},
		"alps": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) {
				h.ApplicationSettings = [][]byte{[]byte("h3"), []byte("h2")}
			})},
			Tell{Field: "application_settings", Offset: offsetOf(chrome, parser.ExtApplicationSettings), Found: "h3, h2", Expected: "h2"},
		},
		"alpn-transport": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.ALPNProtocols[0] = []byte("h3") })},
			Tell{Field: "application_layer_protocol_negotiation", Offset: offsetOf(chrome, parser.ExtALPN), Found: "h3 over TCP",
				Expected: "h3 over QUIC alone (RFC 9114, section 3.1)"},
		},
		"signature-algorithms": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.SignatureAlgorithms[5] = 0x0807 })},
			Tell{Field: "signature_algorithms", Offset: offsetOf(chrome, parser.ExtSignatureAlgorithms), Found: "ed25519 (0807)",
				Expected: "Chromium does not offer it"},
		},
		"foreign-extension": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { extension(h, parser.ExtStatusRequest).Type = parser.ExtEncryptThenMAC })},
			Tell{Field: "extensions", Offset: offsetOf(fox, parser.ExtStatusRequest), Found: "encrypt_then_mac (0016)", Expected: "Firefox does not send it"},
		},
		"missing-extension": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.Extensions[2].Type = 0x7777 })},
			Tell{Field: "extensions", Offset: fox.Extensions[0].Offset, Found: "no " + fox.Extensions[2].Type.String() + " (" + hex4(uint16(fox.Extensions[2].Type)) + ")",
				Expected: "Firefox always sends it"},
		},
		"malformed-extension": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) {
				h.Extensions[4].Err = &parser.Error{Offset: 150, Field: "ec_point_formats", Err: parser.ErrTruncated}
			})},
			Tell{Field: "extensions", Offset: fox.Extensions[4].Offset, Found: "ec_point_formats (000b): parser: ec_point_formats: truncated at byte 150",
				Expected: "Firefox sends none"},
		},
		"mixed-eras": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.SupportedVersions = append(h.SupportedVersions, 0x0302, 0x0301) })},
			Tell{Field: "supported_versions", Offset: offsetOf(chrome, parser.ExtSupportedVersions),
				Found: "TLS 1.0, with encrypted_client_hello", Expected: "TLS 1.0 to version 97, ECH from 115"},
		},
		"sorted": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { slices.Sort(h.CipherSuites) })},
			Tell{Field: "cipher_suites", Offset: 73, Found: "cipher suites in numeric order", Expected: "an order of preference"},
		},
		"record-size-limit": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.RecordSizeLimit = 4001 })},
			Tell{Field: "record_size_limit", Offset: offsetOf(fox, parser.ExtRecordSizeLimit), Found: "0fa1",
				Expected: "4001 with TLS 1.3 (RFC 8449, section 4)"},
		},
		"certificate-compression": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) {
				h.CertificateCompressionAlgorithms = []parser.CertificateCompressionAlgorithm{1, 2}
			})},
			Tell{Field: "compress_certificate", Offset: offsetOf(chrome, parser.ExtCompressCertificate), Found: "[zlib brotli]", Expected: "brotli"},
		},
		"point-formats": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { h.ECPointFormats = []byte{0, 1, 2} })},
			Tell{Field: "ec_point_formats", Offset: offsetOf(chrome, parser.ExtECPointFormats), Found: "000102", Expected: "00; OpenSSL sends 000102"},
		},
		"compression-methods": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.LegacyCompressionMethods = []byte{1, 0} })},
			Tell{Field: "legacy_compression_methods", Offset: 73 + 2*len(fox.CipherSuites), Found: "0100", Expected: "00 (RFC 8446, section 4.1.2)"},
		},
		"session-id": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.LegacySessionID = nil })},
			Tell{Field: "legacy_session_id", Offset: 38, Found: "empty", Expected: "32 bytes (RFC 8446, appendix D.4), or a session to resume"},
		},
		"padding": {
			Observation{Hello: edit(old, func(h *parser.ClientHello) { h.Raw = h.Raw[:500] })},
			Tell{Field: "padding", Offset: offsetOf(old, parser.ExtPadding), Found: "padding to 500 bytes", Expected: "padding to 512 bytes"},
		},
		"record-version": {
			Observation{Hello: fox, RecordVersion: parser.VersionTLS12},
			Tell{Field: "legacy_record_version", Found: "0303", Expected: "Firefox has 0301 on its first record"},
		},
		"known-order": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { reorder(h, knownOrders[8].types) })},
			Tell{Field: "extensions", Offset: chrome.Extensions[0].Offset, Found: "the order of tls-client's Chrome 133 with a PSK",
				Expected: "a random order in each connection, since version 110"},
		},
		"trust-anchors": {
			Observation{Hello: edit(chrome, func(h *parser.ClientHello) { extension(h, parser.ExtTrustAnchors).Data[3] = 0x80 })},
			Tell{Field: "trust_anchors", Offset: offsetOf(chrome, parser.ExtTrustAnchors) + 6,
				Found: "80df130201, which is no relative object identifier", Expected: "the ids of a root store, each once"},
		},
		"unregistered-suites": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.CipherSuites = []parser.CipherSuite{0x3a3a, 0x0eee, 0x661e} })},
			Tell{Field: "cipher_suites", Offset: 75, Found: "0eee, and no suite that is registered among 2",
				Expected: "suites of IANA's registry, or for private use"},
		},
		"quic-versions": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.Transport = parser.QUIC })},
			Tell{Field: "cipher_suites", Offset: 79, Found: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
				Expected: "TLS 1.3 alone over QUIC (RFC 9001, section 4.2)"},
		},
		"hybrid-share": {
			Observation{Hello: edit(fox, func(h *parser.ClientHello) { h.KeyShares[1].KeyExchange = make([]byte, 32) })},
			Tell{Field: "key_share", Offset: offsetOf(fox, parser.ExtKeyShare), Found: "an X25519 share other than the one in X25519MLKEM768",
				Expected: "the same key in both, as in NSS"},
		},
		"http3-order": {
			Observation{Hello: real["chromium-156-quic"], HTTP3: "1:65536;6:262144;7:100;51:1;GREASE|m,s,a,p"},
			Tell{Field: "http3", Found: "pseudo-headers m,s,a,p", Expected: "m,a,s,p"},
		},
		"http3-stack": {
			Observation{Hello: real["chromium-156-quic"], HTTP3: "6:10485760|a,m,p,s"},
			Tell{Field: "http3", Found: "quic-go: 6:10485760|a,m,p,s", Expected: "Chromium's settings"},
		},
		"http2-order": {
			Observation{Hello: chrome, HTTP2: "1:4096;4:100|100|0|m,s,a,p"},
			Tell{Field: "http2", Found: "pseudo-headers m,s,a,p", Expected: "m,a,s,p"},
		},
		"http2-encoding": {
			Observation{Hello: chrome, HTTP2: "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p", HTTP2Wire: "S,W,H|1:0:256|m=i,a=+h,s=i,p=+h|+p*2,+h*2"},
			Tell{Field: "http2_wire", Found: ":path +h", Expected: "not added to the dynamic table"},
		},
		"http2-writing": {
			Observation{Hello: chrome, HTTP2: "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p", HTTP2Wire: "S,W,H|0|m=i,a=+h,s=i,p=-h|+p*2,+h*2"},
			Tell{Field: "http2_wire", Found: "priority 0 in HEADERS", Expected: "an exclusive one", Lead: true},
		},
		"http2-settings": {
			Observation{Hello: chrome, HTTP2: "2:0;4:6291456;6:262144|15663105|0|m,a,s,p"},
			Tell{Field: "http2", Found: "settings without HEADER_TABLE_SIZE: 2:0;4:6291456;6:262144|15663105|0|m,a,s,p",
				Expected: "Chromium has sent it in each version"},
		},
		"http2-stack": {
			Observation{Hello: chrome, HTTP2: "2:0;4:4194304;5:16384;6:10485760|1073741824|0|a,m,p,s"},
			Tell{Field: "http2", Found: "Go net/http: 2:0;4:4194304;5:16384;6:10485760|1073741824|0|a,m,p,s", Expected: "Chromium's settings"},
		},
	}
	for name, c := range cases {
		c.want.Name = name
		c.o.Request = claims(browserShapeOf(c.o.Hello), 153) // a known version, so that novelties count
		assert.Equal(t, []Tell{c.want}, AppendTells(nil, &c.o), name)
	}
	for _, kind := range TellKinds() {
		_, ok := cases[kind.Name]
		assert.True(t, ok, "TestTells has no case for %s", kind.Name)
	}
	assert.Len(t, cases, len(tells))
}

func hex4(v uint16) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15]})
}

// TestNoTellOnSecondHello checks that no tell requires what only a first hello has, if
// the hello may be the second one of a connection whose first was not captured.
func TestNoTellOnSecondHello(t *testing.T) {
	chrome := hellotest.Real(t)["chromium-156"]
	second := edit(chrome, func(h *parser.ClientHello) { h.KeyShares = h.KeyShares[2:] })
	for _, o := range []Observation{
		{Hello: second, Index: 2, RecordVersion: parser.VersionTLS12},
		{Hello: second, Index: 1, RecordVersion: parser.VersionTLS12},
		{Hello: second},
	} {
		assert.Empty(t, AppendTells(nil, &o))
	}
	o := Observation{Hello: second, Index: 1, RecordVersion: parser.VersionTLS10}
	require.Len(t, AppendTells(nil, &o), 1)
}

// TestNoTellOnSettings checks that no tell fires on what a genuine browser sends because
// of a flag, a server, or an earlier connection that failed.
func TestNoTellOnSettings(t *testing.T) {
	real := hellotest.Real(t)
	chrome, old := real["chromium-156"], real["chromium-117"]
	for name, o := range map[string]Observation{
		"another try": {Hello: edit(old, func(h *parser.ClientHello) { h.SignatureAlgorithms = append(h.SignatureAlgorithms, 0x0201) })},
		"ECH to a key for ChaCha20": {Hello: edit(chrome, func(h *parser.ClientHello) {
			h.ECH.AEAD, h.ECH.Payload = 3, make([]byte, 272)
		})},
		"ECH to a key for AES, without AES": {Hello: edit(chrome, func(h *parser.ClientHello) {
			h.CipherSuites[1], h.CipherSuites[3] = 0x1303, 0x1301
		})},
		"a TLS 1.2 session of a server with short ids": {Hello: edit(chrome, func(h *parser.ClientHello) {
			h.LegacySessionID = h.LegacySessionID[:20]
		})},
		"Kyber by a flag": {Hello: edit(chrome, func(h *parser.ClientHello) { h.SupportedGroups[1], h.KeyShares[1].Group = 0x6399, 0x6399 })},
		"4469 by a flag": {Hello: edit(chrome, func(h *parser.ClientHello) {
			extension(h, parser.ExtApplicationSettings).Type = parser.ExtApplicationSettingsOld
		})},
		"CONNECT":        {Hello: chrome, HTTP2: "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a"},
		"CONNECT of NSS": {Hello: real["firefox-153"], HTTP2: "1:65536;2:0;4:131072;5:16384|12517377|0|m,a"},
	} {
		o.RecordVersion = parser.VersionTLS10
		assert.Empty(t, AppendTells(nil, &o), name)
	}
}

// A preference makes NSS send GREASE, in another form than BoringSSL.
func TestNoTellOnFirefoxWithGREASE(t *testing.T) {
	h := edit(hellotest.Real(t)["firefox-153"], func(h *parser.ClientHello) {
		h.CipherSuites = append([]parser.CipherSuite{0x3a3a}, h.CipherSuites...)
		h.Extensions = append(h.Extensions, parser.Extension{Type: 0x5a5a})
	})
	assert.Empty(t, AppendTells(nil, &Observation{Hello: h, RecordVersion: parser.VersionTLS10}))
}

func TestMoreTells(t *testing.T) {
	real := hellotest.Real(t)
	chrome, old := real["chromium-156"], real["chromium-117"]
	for name, h := range map[string]*parser.ClientHello{
		"ech-aead":    edit(chrome, func(h *parser.ClientHello) { h.ECH.AEAD = 2 }),
		"ech-payload": edit(chrome, func(h *parser.ClientHello) { h.ECH.Payload = h.ECH.Payload[:100] }),
		"alps": edit(chrome, func(h *parser.ClientHello) {
			extension(h, parser.ExtStatusRequest).Type = parser.ExtApplicationSettingsOld
			h.SignatureAlgorithms = h.SignatureAlgorithms[4:]
			h.Extensions = slices.DeleteFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == parser.ExtTrustAnchors })
		}),
		"grease-extensions": edit(chrome, func(h *parser.ClientHello) { h.Extensions = h.Extensions[1:] }),
		"sorted": edit(chrome, func(h *parser.ClientHello) {
			slices.SortFunc(h.Extensions[1:len(h.Extensions)-1], func(a, b parser.Extension) int { return int(a.Type) - int(b.Type) })
		}),
		"signature-algorithms": edit(chrome, func(h *parser.ClientHello) { h.SignatureAlgorithms = append(h.SignatureAlgorithms, 0x0201) }),
		"padding":              edit(old, func(h *parser.ClientHello) { extension(h, parser.ExtPadding).Data[3] = 1 }),
		"record-version":       chrome,
	} {
		o := Observation{Hello: h, RecordVersion: parser.VersionTLS11}
		if name != "record-version" {
			o.RecordVersion = parser.VersionTLS10
		}
		got := AppendTells(nil, &o)
		if assert.Len(t, got, 1, name) {
			assert.Equal(t, name, got[0].Name)
		}
	}
	unpadded := edit(old, func(h *parser.ClientHello) {
		h.Extensions = slices.DeleteFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == parser.ExtPadding })
		h.Raw = h.Raw[:305]
	})
	assert.Equal(t, []Tell{{Name: "padding", Field: "length", Offset: 1, Found: "305 bytes without padding", Expected: "padding to 512 bytes"}},
		AppendTells(nil, &Observation{Hello: unpadded}))
}

func TestTracker(t *testing.T) {
	chrome := hellotest.Real(t)["chromium-156"]
	other := func(n uint32) *parser.ClientHello { return redraw(t, chrome, uint64(n)) }
	var tr Tracker
	assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: chrome}))
	assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: chrome}), "the same hello")
	assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: chrome, Index: 2}))
	got := tr.AppendTells(nil, &Observation{Hello: other(1)})
	require.Len(t, got, 1, "GREASE may come twice by chance")
	assert.Equal(t, "frozen-order", got[0].Name)
	got = tr.AppendTells(nil, &Observation{Hello: other(2)})
	require.Len(t, got, 2)
	assert.Equal(t, Tell{Name: "frozen-order", Field: "extensions", Offset: chrome.Extensions[0].Offset,
		Found: "19 extensions in the order of an earlier connection", Expected: "a random order in each connection, since version 110"}, got[0])
	assert.Equal(t, Tell{Name: "frozen-grease", Field: "cipher_suites", Offset: suiteOffset(chrome, 0),
		Found:    fmt.Sprintf("the GREASE values of 2 earlier connections, the first %04x", uint16(chrome.CipherSuites[0])),
		Expected: "random GREASE values in each connection"}, got[1])

	// Permuted hellos with other GREASE values have no tell, however many there are.
	tr = Tracker{}
	for i := range uint32(3 * maxRemembered) {
		h := drawn(t, chrome, uint64(i), true)
		assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: h}), i)
	}
	assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: hellotest.Real(t)["go-1.26"]}))

	// The tell fires on an imitation among genuine browsers behind the same address,
	// and not on these.
	tr = Tracker{}
	frozen := func(n uint32) []Tell { return tr.AppendTells(nil, &Observation{Hello: other(1<<16 + n)}) }
	assert.Empty(t, frozen(0))
	for i := range uint32(5) {
		h := drawn(t, chrome, 1<<17+uint64(i), true)
		assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: h}), i)
	}
	require.Len(t, frozen(1), 1)

	// With permutation switched off, Chromium has one order, which is known.
	tr = Tracker{}
	for i := range uint32(3) {
		h := other(i)
		slices.SortStableFunc(h.Extensions[1:len(h.Extensions)-1], func(a, b parser.Extension) int {
			return slices.Index(canonical[:], a.Type) - slices.Index(canonical[:], b.Type)
		})
		h.CipherSuites[0] = parser.CipherSuite(0x0a0a + 0x1010*i)
		assert.Empty(t, tr.AppendTells(nil, &Observation{Hello: h}), i)
	}
}
