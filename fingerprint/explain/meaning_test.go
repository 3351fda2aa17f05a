package explain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// meaning returns the meaning of a part.
func meaning(t *testing.T, text, part string) string {
	e, err := explain.Text(text)
	require.NoError(t, err)
	for _, p := range e.Parts {
		if p.Name == part {
			return p.Meaning
		}
	}
	return ""
}

func TestMeanings(t *testing.T) {
	for _, tt := range []struct{ text, part, want string }{
		{"dd2i000000_000000000000_000000000000", "transport", "DTLS"},
		{"dd2i000000_000000000000_000000000000", "version", "DTLS 1.2 is the highest version offered"},
		{"dd2i000000_000000000000_000000000000", "cipher_suites", "no cipher suites"},
		{"dd2i000000_000000000000_000000000000", "cipher_suites_digest", "there are none"},
		{"t00i990100_e3b0c44298fc_d2e2adf7177b", "version", "a version without a name is the highest version offered"},
		{"t00i990100_e3b0c44298fc_d2e2adf7177b", "cipher_suites", "99 cipher suites or more"},
		{"t00i990100_e3b0c44298fc_d2e2adf7177b", "extensions", "1 extension"},
		{"t00i990100_e3b0c44298fc_d2e2adf7177b", "cipher_suites_digest", "the SHA-256 of nothing, which a tool prints that does not follow the text: an empty list is 000000000000"},
		{"t00i990100_e3b0c44298fc_d2e2adf7177b", "extensions_digest", "the SHA-256 of an underscore, which a tool prints that does not follow the text: no extensions, no signature algorithms"},
		{"q13d0303h3_55b375c5d22e_178839b6cec1", "alpn", "first and last character of the first ALPN protocol: h3 is HTTP/3"},
		{"t13d0303h1_55b375c5d22e_178839b6cec1", "alpn", "first and last character of the first ALPN protocol: as http/1.1 has"},
		{"771,,,,", "legacy_version", "TLS 1.2, as legacy_version has it: TLS 1.3 has the same"},
		{"770,,,,", "legacy_version", "TLS 1.1, as legacy_version has it"},
		{"65277,,,,", "legacy_version", "DTLS 1.2, as legacy_version has it: DTLS 1.3 has the same"},
		{"dtls/1/(fefd)(1301)[]", "legacy_version", "DTLS 1.2, as legacy_version has it: DTLS 1.3 has the same"},
		{"quic/1/(00000001)(0303)(1301)[((0039)[(01)(1b)])]", "quic_version", "0x00000001"},
		{"quic/1/(00000001)(0303)(1301)[((0039)[(01)(1b)])]", "extensions", "1 extension"},
		{"tls/1/cfb2a31d1f2142e5c163a5892e696334", "digest", "first 32 digits of the SHA-256 of the text from its first parenthesis on"},
		{"s1q13_006d3c15c9ad431897821763", "transport", "QUIC"},
	} {
		assert.Equal(t, tt.want, meaning(t, tt.text, tt.part), "%s of %s", tt.part, tt.text)
	}
}

func TestHTTP2SettingNames(t *testing.T) {
	e, err := explain.Text("1:65536;2:0;3:100;4:65535;5:16384;6:262144;8:1;9:1;10:0|00|0|m")
	require.NoError(t, err)
	var names []string
	for _, v := range e.Parts[0].Values {
		names = append(names, v.Name)
	}
	assert.Equal(t, []string{"HEADER_TABLE_SIZE", "ENABLE_PUSH", "MAX_CONCURRENT_STREAMS", "INITIAL_WINDOW_SIZE",
		"MAX_FRAME_SIZE", "MAX_HEADER_LIST_SIZE", "ENABLE_CONNECT_PROTOCOL", "NO_RFC7540_PRIORITIES", "unknown"}, names)
}

func TestNotes(t *testing.T) {
	for text, want := range map[string]string{
		"1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p": "Its MD5, which others print as akamai_hash, is 52d84b11737d980aef856699f885ca86.",
		"d41d8cd98f00b204e9800998ecf8427e":                  "It is the MD5 of nothing.",
		"t13d0003h2_8daaf6152771_e5627efa2ab1":              "The number of cipher suites and their digest do not go together: one of them is 0.",
		"t13d0503h2_1301,1302_002b":                         "The list has 2 cipher suites, the count says 5.",
		"t13d0201h2_1301,1302_000d_0a0a,0403":               "GREASE is among the signature algorithms: a tool made this that keeps it, and the value differs on each connection.",
		"771,2570-4865,0,29,0":                              "GREASE is in cipher_suites: a tool made this that keeps it, and the value differs on each connection.",
		"tls/(0303)(1301)((000d000600040a0a0403))":          "GREASE is among the signature algorithms, where NPF keeps it: the value differs on each connection.",
		"0bbf6f65b387ce5d":                                  "16 hex digits: an id of tlsfingerprint.io, of a hello, of QUIC's header or of its transport parameters. It is the start of a SHA-1: nothing can be read from it.",
	} {
		e, err := explain.Text(text)
		require.NoError(t, err)
		assert.Contains(t, e.Notes, want)
	}

	notes := map[string]string{}
	for _, e := range explain.Hello(hellotest.Real(t)["firefox-153-psk"], nil) {
		for _, n := range e.Notes {
			notes[e.Name] += n
		}
	}
	assert.Contains(t, notes["session"], "A pre-shared key is offered")
	assert.Contains(t, notes["ech"], "Whether it is real or GREASE cannot be told from outside")
	assert.Contains(t, explain.Hello(hellotest.Vectors(t)["sslv2"].Parse(t), nil)[0].Notes[0], "neither JA3 nor JA4 is defined for it")
}

func TestPointFormatNames(t *testing.T) {
	e, err := explain.Text("771,,,,0-1-2-3-255")
	require.NoError(t, err)
	var names []string
	for _, v := range e.Parts[4].Values {
		names = append(names, v.Name)
	}
	assert.Equal(t, []string{"uncompressed", "ansiX962_compressed_prime", "ansiX962_compressed_char2", "0x03", "0xff"}, names)
}

// TestNPFNames: in the formats that select, two types stand for many.
func TestNPFNames(t *testing.T) {
	for _, format := range []string{"tls", "dtls/1", "tls/2", "dtls/2"} {
		open, shut := "[", "]"
		if !strings.Contains(format, "/") {
			open, shut = "(", ")"
		}
		e, err := explain.Text(format + "/(0303)(1301)" + open + "(003e)(ff00)" + shut)
		require.NoError(t, err)
		want := []explain.Value{{Text: "003e", Name: "tls_flags"}, {Text: "ff00", Name: "0xff00"}}
		if strings.HasSuffix(format, "/2") {
			want = []explain.Value{{Text: "003e", Name: "tls_flags, or any that is not registered"}, {Text: "ff00", Name: "any of private use"}}
		}
		assert.Equal(t, want, e.Parts[3].Values, format)
	}
}

// TestMeaningsOfNames: with the hello, the meanings of server_name and ALPN say
// what was sent.
func TestMeaningsOfNames(t *testing.T) {
	all := hellotest.Vectors(t)
	for _, tt := range []struct{ vector, part, want string }{
		{"specification-example", "sni", "server_name was sent: test.example"},
		{"sni-address", "sni", "server_name was sent: 192.0.2.1"},
		{"sni-empty-name", "sni", "server_name was sent, without a name"},
		{"sni-absent", "sni", "no server_name was sent, as by a client that has only an address"},
		{"alpn-http-1-1", "alpn", "first and last character of the first ALPN protocol, http/1.1"},
		{"alpn-grease", "alpn", "first and last character of the first ALPN protocol, h2"},
		{"alpn-empty-first", "alpn", "ALPN is there, but has no first protocol"},
		{"alpn-absent", "alpn", "no ALPN"},
		{"alpn-one-character", "alpn", "the first ALPN protocol, x, is one character, which stands twice"},
		{"alpn-spaces", "alpn", "first and last digit of 20683220, which is the first ALPN protocol,  h2 , in hex"},
	} {
		for _, e := range explain.Hello(all[tt.vector].Parse(t), nil) {
			if !strings.HasPrefix(e.Name, "ja4") {
				continue
			}
			for _, p := range e.Parts {
				if p.Name == tt.part {
					assert.Equal(t, tt.want, p.Meaning, "%s of %s", e.Name, tt.vector)
				}
			}
		}
	}
}

// TestDiffTransports compares hellos of two transports, and one without extensions.
func TestDiffTransports(t *testing.T) {
	all := hellotest.Real(t)
	d := diff(all["chromium-156"], all["chromium-156-quic"])
	assert.Equal(t, "transport: tls became quic", d.Changes[0].String())
	added := map[string]int{}
	for _, c := range d.Changes {
		if c.Kind == explain.Added {
			added[c.Field]++
		}
	}
	assert.Equal(t, len(all["chromium-156-quic"].TransportParameters), added["transport_parameters"])

	d = diff(all["openssl-dtls"], all["openssl-dtls-cookie"])
	assert.Equal(t, []string{"legacy_cookie: 0 bytes became 20 bytes"}, lines(d.Changes))

	d = diff(hellotest.Vectors(t)["sslv2"].Parse(t), all["python-tls12"])
	assert.Contains(t, lines(d.Changes), "cipher_specs: removed 000004 TLS_RSA_WITH_RC4_128_MD5, place 2")
	assert.Contains(t, d.Fingerprints, explain.Comparison{Name: "ja4", After: fingerprint.JA4(all["python-tls12"])})

	a := &parser.ClientHello{PSKKeyExchangeModes: []byte{0x2a, 1}, ALPNProtocols: [][]byte{{0x1a, 0x1a}, []byte("h2")}, ServerName: []byte("a")}
	b := &parser.ClientHello{PSKKeyExchangeModes: []byte{0xe4, 1}, ALPNProtocols: [][]byte{{0x2a, 0x2a}, []byte("h2")}}
	assert.Equal(t, []string{"server_name: a became nothing"}, lines(diff(a, b).Changes))
}
