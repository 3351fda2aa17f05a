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

func TestParseJA4(t *testing.T) {
	v, err := explain.ParseJA4("q13i0312h3_55b375c5d22e_178839b6cec1")
	require.NoError(t, err)
	assert.Equal(t, explain.JA4Value{
		Transport: parser.QUIC, Version: "13", CipherSuites: 3, Extensions: 12, ALPN: "h3",
		SuitesDigest: "55b375c5d22e", ExtensionsDigest: "178839b6cec1",
	}, v)
	assert.False(t, v.Raw())

	v, err = explain.ParseJA4("dd2d010200_c02c_000a,000d_0403,0804")
	require.NoError(t, err)
	assert.Equal(t, explain.JA4Value{
		Transport: parser.DTLS, Version: "d2", SNI: true, CipherSuites: 1, Extensions: 2, ALPN: "00",
		Suites:              []parser.CipherSuite{0xc02c},
		Types:               []parser.ExtensionType{parser.ExtSupportedGroups, parser.ExtSignatureAlgorithms},
		SignatureAlgorithms: []parser.SignatureScheme{0x0403, 0x0804},
	}, v)
	assert.True(t, v.Raw())

	for _, vector := range hellotest.Vectors(t) {
		for raw, hashed := range map[string]string{"ja4_r": "ja4", "ja4_ro": "ja4_o", "ja4": "ja4"} {
			if text := vector.Expect[raw]; text != "" {
				v, err := explain.ParseJA4(text)
				require.NoError(t, err)
				assert.Equal(t, vector.Expect[hashed], v.Hashed().String())
			}
		}
		for _, key := range []string{"ja4", "ja4_r", "ja4_o", "ja4_ro"} {
			text := vector.Expect[key]
			if text == "" {
				continue
			}
			v, err := explain.ParseJA4(text)
			if assert.NoError(t, err) {
				assert.Equal(t, text, v.String())
			}
		}
	}
}

func TestParseJA4Errors(t *testing.T) {
	const like = " (one looks like t13d1516h2_8daaf6152771_e5627efa2ab1)"
	for text, want := range map[string]string{
		"":                                                    `fingerprint: JA4 "": the first part has 0 characters, not 10` + like,
		"t13d1516h2":                                          `fingerprint: JA4 "t13d1516h2": 1 part between underscores, not 3` + like,
		"x13d1516h2_8daaf6152771_e5627efa2ab1":                `fingerprint: JA4 "x13d1516h2_8daaf6152771_e5627efa2ab1": it begins with "x", not with t, q or d` + like,
		"t14d1516h2_8daaf6152771_e5627efa2ab1":                `fingerprint: JA4 "t14d1516h2_8daaf6152771_e5627efa2ab1": the version "14" is none of 13, 12, 11, 10, s3, s2, d1, d2, d3 and 00` + like,
		"t13x1516h2_8daaf6152771_e5627efa2ab1":                `fingerprint: JA4 "t13x1516h2_8daaf6152771_e5627efa2ab1": the fourth character is "x", not d or i` + like,
		"t13d15a6h2_8daaf6152771_e5627efa2ab1":                `fingerprint: JA4 "t13d15a6h2_8daaf6152771_e5627efa2ab1": the counts "15a6" are not four digits` + like,
		"t13d1516h-_8daaf6152771_e5627efa2ab1":                `fingerprint: JA4 "t13d1516h-_8daaf6152771_e5627efa2ab1": the ALPN characters "h-" are not alphanumeric` + like,
		"t13d1516h2_8DAAF6152771_e5627efa2ab1":                `fingerprint: JA4 "t13d1516h2_8DAAF6152771_e5627efa2ab1": part 2, "8DAAF6152771", is not 12 lower-case hex digits` + like,
		"t13d1516h2_8daaf6152771_e5627efa2ab1_":               `fingerprint: JA4 "t13d1516h2_8daaf6152771_e5627efa2ab1_": 4 parts between underscores, not 3` + like,
		"t13d1516h2_1301,_002b":                               `fingerprint: JA4 "t13d1516h2_1301,_002b": part 2: "" is not a value of 4 lower-case hex digits` + like,
		"t13d1516h2_1301_2b":                                  `fingerprint: JA4 "t13d1516h2_1301_2b": part 3: "2b" is not a value of 4 lower-case hex digits` + like,
		"t13d1516h2_1301_002b_":                               `fingerprint: JA4 "t13d1516h2_1301_002b_": part 4 is empty; without signature algorithms the last underscore goes too` + like,
		"t13d1516h2_1301_002b_4":                              `fingerprint: JA4 "t13d1516h2_1301_002b_4": part 4: "4" is not a value of 4 lower-case hex digits` + like,
		"t13d1516h2_1301_002b_0403_":                          `fingerprint: JA4 "t13d1516h2_1301_002b_0403_": 5 parts between underscores, not 3 or 4` + like,
		"a373a9f83c6b_2bab15409345_7bf9a7bf7029":              `fingerprint: JA4 "a373a9f83c6b_2bab15409345_7bf9a7bf7029": the first part has 12 characters, not 10; in JA4X, of certificates, it has 12` + like,
		"t130200_1301_234ea6891581":                           `fingerprint: JA4 "t130200_1301_234ea6891581": the first part has 7 characters, not 10; in JA4S, of servers, it has 7` + like,
		"ge11nn05enus_9ed1ff1f7b03_cd8dafe26982_cd8dafe26982": `fingerprint: JA4 "ge11nn05enus_9ed1ff1f7b03_cd8dafe26982_cd8dafe26982": the first part has 12 characters, not 10; in JA4H, of HTTP requests, it has 12` + like,
	} {
		_, err := explain.ParseJA4(text)
		assert.EqualError(t, err, want)
	}
}

func TestTextErrors(t *testing.T) {
	for text, want := range map[string]string{
		" ":                 `fingerprint: nothing to explain`,
		"nonsense":          `fingerprint: "nonsense" is no fingerprint that is known here: JA4 looks like t13d1516h2_8daaf6152771_e5627efa2ab1, JA3 is 32 hex digits or its text, like 771,4865-4866,0-23,29-23,0`,
		"771,47,,":          `fingerprint: JA3 "771,47,,": 4 fields between commas, not 5 (one looks like 771,4865-4866,0-23,29-23,0)`,
		"771,4865,51-43":    `fingerprint: JA3 "771,4865,51-43": 3 fields between commas, not 5; JA3S, of servers, has 3 (one looks like 771,4865-4866,0-23,29-23,0)`,
		",47,,,":            `fingerprint: JA3 ",47,,,": the version: "" is not a number up to 65535 (one looks like 771,4865-4866,0-23,29-23,0)`,
		"771-2,47,,,":       `fingerprint: JA3 "771-2,47,,,": the version: "771-2" is not one number (one looks like 771,4865-4866,0-23,29-23,0)`,
		"771,047,,,":        `fingerprint: JA3 "771,047,,,": cipher suites: "047" is not a number up to 65535 (one looks like 771,4865-4866,0-23,29-23,0)`,
		"771,47,,,256":      `fingerprint: JA3 "771,47,,,256": point formats: "256" is not a number up to 255 (one looks like 771,4865-4866,0-23,29-23,0)`,
		"771,47,1-,,":       `fingerprint: JA3 "771,47,1-,,": extensions: "" is not a number up to 65535 (one looks like 771,4865-4866,0-23,29-23,0)`,
		"s1t13":             `fingerprint: stable "s1t13": it begins with "s1t13" (one looks like s1t13_ and 24 hex digits)`,
		"s1x13_00":          `fingerprint: stable "s1x13_00": it begins with "s1x13" (one looks like s1t13_ and 24 hex digits)`,
		"s1t13_00":          `fingerprint: stable "s1t13_00": "00" is neither 24 lower-case hex digits nor 6 lists`,
		"s1t13_0303_2f____": `fingerprint: stable "s1t13_0303_2f____": list 2: "2f" is not a value of 4 lower-case hex digits`,
		"s1t13_0303_____x":  `fingerprint: stable "s1t13_0303_____x": list 6: "x" is not a protocol in hex`,
		"1|2":               `fingerprint: HTTP/2 "1|2": 2 fields between bars, not 4 (one looks like 1:65536;2:0;4:6291456|15663105|0|m,a,s,p)`,
		"1|2|0":             `fingerprint: HTTP/2 "1|2|0": the setting "1" is not an id and a value (one looks like 1:65536;2:0;4:6291456|15663105|0|m,a,s,p)`,
		"1=2|00|0|m":        `fingerprint: HTTP/2 "1=2|00|0|m": the setting "1=2" is not an id and a value (one looks like 1:65536;2:0;4:6291456|15663105|0|m,a,s,p)`,
		"|w|0|m":            `fingerprint: HTTP/2 "|w|0|m": the window update "w" is not a number (one looks like 1:65536;2:0;4:6291456|15663105|0|m,a,s,p)`,
		"|00|3:2:0:1|m":     `fingerprint: HTTP/2 "|00|3:2:0:1|m": the priority "3:2:0:1" is not stream:exclusive:dependency:weight (one looks like 1:65536;2:0;4:6291456|15663105|0|m,a,s,p)`,
		"|00|0|m,x":         `fingerprint: HTTP/2 "|00|0|m,x": the pseudo-header field "x" is none of m, a, s and p (one looks like 1:65536;2:0;4:6291456|15663105|0|m,a,s,p)`,
		"tls/9/(0303)":      `fingerprint: NPF "tls/9/(0303)": "tls/9" is no format of TLS, DTLS or QUIC (one looks like tls/1/(0303)(13011302)[(0000)(000a000400020017)])`,
		"tls/(03)":          `fingerprint: NPF "tls/(03)": the version is not 4 hex digits in parentheses (one looks like tls/1/(0303)(13011302)[(0000)(000a000400020017)])`,
		"quic/(01)":         `fingerprint: NPF "quic/(01)": the QUIC version is not 8 hex digits in parentheses (one looks like tls/1/(0303)(13011302)[(0000)(000a000400020017)])`,
		"tls/(0303)(13)":    `fingerprint: NPF "tls/(0303)(13)": the cipher suites are not groups of 4 hex digits in parentheses (one looks like tls/1/(0303)(13011302)[(0000)(000a000400020017)])`,
		"tls/(0303)()[]":    `fingerprint: NPF "tls/(0303)()[]": the extensions are not between ( and ) (one looks like tls/1/(0303)(13011302)[(0000)(000a000400020017)])`,
		"quic/1/(00000001)(0303)(1301)[((0039)[(01)(1)])]": `fingerprint: NPF "quic/1/(00000001)(0303)(1301)[((0039)[(01)(1)])]": the extension at "((0039)[(01)(1)])" is not hex digits in parentheses (one looks like tls/1/(0303)(13011302)[(0000)(000a000400020017)])`,
		"quic/1/(00000001)(0303)(1301)[((39)[(01)])]":      `fingerprint: NPF "quic/1/(00000001)(0303)(1301)[((39)[(01)])]": the extension at "((39)[(01)])" is not hex digits in parentheses (one looks like tls/1/(0303)(13011302)[(0000)(000a000400020017)])`,
		"quic/1/(00000001)(0303)(1301)[((0039)[(01)]":      `fingerprint: NPF "quic/1/(00000001)(0303)(1301)[((0039)[(01)]": the extension at "((0039)[(01)" is not hex digits in parentheses (one looks like tls/1/(0303)(13011302)[(0000)(000a000400020017)])`,
		"tls/1/(0303)()[(00)]":                             `fingerprint: NPF "tls/1/(0303)()[(00)]": the extension at "(00)" is not hex digits in parentheses (one looks like tls/1/(0303)(13011302)[(0000)(000a000400020017)])`,
	} {
		_, err := explain.Text(text)
		assert.EqualError(t, err, want)
	}
}

// TestText explains each fingerprint of the vectors from its text, and compares with the
// explanation from the hello.
func TestText(t *testing.T) {
	names := map[string]string{"stable_full": "stable_full", "npf_1": "npf", "npf_2": "npf", "npf_quic": "npf", "npf_quic_1": "npf"}
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		names[m.Key] = m.Form
		if m.Form == "" {
			names[m.Key] = m.Key
		}
		if m.Digest != "" { // JA3N's text looks like JA3's
			names[m.Key] = m.Digest[:len("ja3")]
		}
	}
	for _, v := range hellotest.Vectors(t) {
		for key, text := range v.Expect {
			if key == "session" {
				continue
			}
			e, err := explain.Text(text)
			if !assert.NoError(t, err, v.Name) {
				continue
			}
			assert.Equal(t, text, e.Text)
			assert.True(t, strings.HasPrefix(e.Name, names[key]), "a text of %s (Form %q) is explained as %s: set Form, or add to forms in explain.go", key, names[key], e.Name)
		}
		for _, e := range explain.Hello(v.Parse(t), packetOf(v)) {
			if want, ok := v.Expect[e.Name]; ok && e.Name != "npf" {
				assert.Equal(t, want, e.Text, "%s of %s", e.Name, v.Name)
			}
			for _, p := range e.Parts {
				if p.Hashed != "" {
					assert.True(t, strings.HasPrefix(p.Digest, p.Text), "%s of %s", p.Name, v.Name)
				}
			}
		}
	}
}

// TestJA4Deviations: each vector says what is special about its hello.
func TestJA4Deviations(t *testing.T) {
	all := hellotest.Vectors(t)
	for _, tt := range []struct{ vector, deviation, want string }{
		{"alpn-one-character", "ALPN: characters as they are, one of them once", "t13d1504x_8daaf6152771_b0ac53b37fa7"},
		{"alpn-one-character", "ALPN: characters as they are, after one of them 0", "t13d1504x0_8daaf6152771_b0ac53b37fa7"},
		{"alpn-one-byte-not-alphanumeric", "ALPN: characters as they are, one of them once", "t13d150499_8daaf6152771_b0ac53b37fa7"},
		{"alpn-one-byte-not-alphanumeric", "ALPN: characters as they are, after one of them 0", "t13d150490_8daaf6152771_b0ac53b37fa7"},
		{"alpn-spaces", "ALPN: characters as they are, one of them once", "t13d1504  _8daaf6152771_b0ac53b37fa7"},
		{"alpn-spaces", "ALPN: characters as they are, after one of them 0", "t13d1504  _8daaf6152771_b0ac53b37fa7"},
		{"alpn-grease", "ALPN: characters as they are, after one of them 0", `t13d1504\x0a\x0a_8daaf6152771_b0ac53b37fa7`},
		{"alpn-h2", "ALPN: characters as they are, after one of them 0", ""},
		{"alpn-empty-first", "ALPN: characters as they are, after one of them 0", ""},
		{"alpn-one-character", "ALPN: first two characters", "t13d150400_8daaf6152771_b0ac53b37fa7"},
		{"alpn-http-1-1", "ALPN: first two characters", "t13d1504ht_8daaf6152771_b0ac53b37fa7"},
		{"alpn-first-only", "ALPN: first two characters", "t13d1504do_8daaf6152771_b0ac53b37fa7"},
		{"alpn-first-only", "ALPN: negotiated instead of offered", "t13d1504h2_8daaf6152771_b0ac53b37fa7"},
		{"alpn-not-alphanumeric", "ALPN: characters as they are, one of them once", "t13d150499_8daaf6152771_b0ac53b37fa7"},
		{"alpn-not-alphanumeric", "ALPN: characters as they are, after one of them 0", "t13d150499_8daaf6152771_b0ac53b37fa7"},
		{"alpn-grease", "ALPN: a GREASE protocol counts", "t13d15040a_8daaf6152771_b0ac53b37fa7"},
		{"signature-algorithms-absent", "underscore without signature algorithms", "t12i010200_" + sha256Hex("002f")[:12] + "_" + sha256Hex("000a,0017_")[:12]},
		{"extensions-no-block", "digest of an empty list", "t10i030000_" + sha256Hex("0004,0005,000a")[:12] + "_e3b0c44298fc"},
		{"everything-empty", "underscore without signature algorithms", "t12i000000_000000000000_d2e2adf7177b"},
		{"signature-algorithms-order", "sorted signature algorithms", "t12i010100_" + sha256Hex("002f")[:12] + "_" + sha256Hex("000d_0201,0403,0804,0804")[:12]},
		{"signature-algorithms-only-grease", "GREASE kept in signature_algorithms", "t12i010200_" + sha256Hex("002f")[:12] + "_" + sha256Hex("000a,000d_1a1a,2a2a")[:12]},
		{"signature-algorithms-of-others", "signature algorithms of another extension", "t13i010400_" + sha256Hex("1301")[:12] + "_" + sha256Hex("000d,0022,002b,0032_0403,0804,0201,0203")[:12]},
		{"version-lower-than-legacy", "version: the higher of legacy_version and supported_versions", "t12i020200_" + sha256Hex("002f,1301")[:12] + "_" + sha256Hex("000a,002b")[:12]},
		{"version-empty", "version: legacy_version where supported_versions has none", "t12i020200_" + sha256Hex("002f,1301")[:12] + "_" + sha256Hex("000a,002b")[:12]},
		{"version-dtls13-and-12", "version: DTLS counts down", "dd3i020200_" + sha256Hex("002f,1301")[:12] + "_" + sha256Hex("000a,002b")[:12]},
		{"version-dtls-stray-tls", "version: negotiated instead of offered", ""}, // no server chooses TLS 1.2 in DTLS
		{"sni-empty-body", "SNI: only with a name", "t12i010200_" + sha256Hex("1301")[:12] + "_" + sha256Hex("000a")[:12]},
		{"sni-address", "SNI: from the kind of host", "t12i010200_" + sha256Hex("1301")[:12] + "_" + sha256Hex("000a")[:12]},
		{"sni-absent", "SNI: from the kind of host", "t12d010100_" + sha256Hex("1301")[:12] + "_" + sha256Hex("000a")[:12]},
		{"grease-only-extension", "GREASE counted among the extensions", "t12i010100_" + sha256Hex("1301")[:12] + "_000000000000"},
		{"sni-absent", "SNI: always d", "t12d010100_" + sha256Hex("1301")[:12] + "_" + sha256Hex("000a")[:12]},
		{"carrier-tls-with-transport-parameters", "carrier from quic_transport_parameters", "q13i010200_" + sha256Hex("1301")[:12] + "_" + sha256Hex("002b,0039")[:12]},
	} {
		require.Contains(t, all, tt.vector)
		got := map[string]string{}
		for _, d := range explain.JA4Deviations(all[tt.vector].Parse(t)) {
			got[d.Name] = d.Text
			assert.NotEmpty(t, d.Tools)
			assert.NotEmpty(t, d.Why)
			assert.NotEqual(t, all[tt.vector].Expect["ja4"], d.Text)
		}
		assert.Equal(t, tt.want, got[tt.deviation], "%s of %s", tt.deviation, tt.vector)
	}

	over := all["counts-over-99"]
	for _, d := range explain.JA4Deviations(over.Parse(t)) {
		switch d.Name {
		case "counts above 99":
			assert.True(t, strings.HasPrefix(d.Text, "t12d15010200_"))
		case "hash of the first 99 only":
			assert.Equal(t, over.Expect["ja4"][:10], d.Text[:10])
		}
	}
	experiment := all["version-tls13"].Parse(t)
	experiment.SupportedVersions = []parser.Version{0x7e01, parser.VersionTLS12}
	assert.Contains(t, explain.JA4Deviations(experiment), explain.Deviation{
		Name: "version: the highest known", Tools: "Suricata", Text: "t12" + all["version-tls13"].Expect["ja4"][3:],
		Why: "the text has 00 for a version that it does not list; it passes over those but for drafts 16 to 28 of TLS 1.3",
	})
	// A tool with several deviations prints all of them together.
	assert.Contains(t, explain.JA4Deviations(all["extensions-no-block"].Parse(t)), explain.Deviation{
		Name: "together", Tools: "nDPI", Text: "t10d030000_" + sha256Hex("0004,0005,000a")[:12] + "_e3b0c44298fc",
		Why: "digest of an empty list; SNI: from the kind of host",
	})
	// FoxIO's Python prints this of Go since 1.25.
	go126 := explain.JA4Deviations(hellotest.Real(t)["go-1.26"])
	assert.Contains(t, go126, explain.Deviation{
		Name: "signature algorithms of another extension", Tools: "FoxIO's Python", Text: "t13d1312h2_f57a46bbacb6_e5728521abd4",
		Why: "it reads signature_algorithms, signature_algorithms_cert and delegated_credential as one list, and takes what follows the first",
	})
	assert.Empty(t, explain.JA4Deviations(all["sslv2"].Parse(t)))
	assert.Empty(t, explain.JA3Deviations(all["sslv2"].Parse(t)))
	// Versions of TLS in DTLS do not count down.
	stray := all["version-dtls13-alone"].Parse(t)
	stray.SupportedVersions = []parser.Version{parser.VersionTLS12, parser.VersionTLS11}
	for _, d := range explain.JA4Deviations(stray) {
		assert.NotEqual(t, "version: DTLS counts down", d.Name)
	}
}

// TestDeviationsOfServers: modules of servers on OpenSSL never see what it does not
// implement.
func TestDeviationsOfServers(t *testing.T) {
	const suites = "002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9"
	const algorithms = "_0403,0804,0401,0503,0805,0501,0806,0601"
	v, err := explain.ParseJA4("t13d1516h2_" + suites + "_0005,000a,000b,000d,0012,0017,001b,0023,002b,002d,0033,44cd,fe0d,ff01" + algorithms)
	require.NoError(t, err)
	h := &parser.ClientHello{
		LegacyVersion: parser.VersionTLS12, CipherSuites: v.Suites, SignatureAlgorithms: v.SignatureAlgorithms,
		SupportedVersions: []parser.Version{parser.VersionTLS13}, ALPNProtocols: [][]byte{[]byte("h2")}, ServerName: []byte("test.example"),
	}
	for _, typ := range append(v.Types, parser.ExtServerName, parser.ExtALPN) {
		h.Extensions = append(h.Extensions, parser.Extension{Type: typ})
	}
	require.Equal(t, "t13d1516h2_8daaf6152771_d8a2da3f94cd", fingerprint.JA4(h))
	texts := func(list []explain.Deviation) map[string]string {
		got := make(map[string]string)
		for _, d := range list {
			got[d.Name] = d.Text
		}
		return got
	}
	got := texts(explain.JA4Deviations(h))
	assert.Equal(t, "t13d1514h2_8daaf6152771_bc9a4605e104", got["extensions that OpenSSL does not know are missing"])
	assert.Equal(t, "t13d1513h2_8daaf6152771_"+sha256Hex("0005,000a,000b,000d,0012,0017,0023,002b,002d,0033,ff01" + algorithms)[:12],
		got["extensions that OpenSSL before 3.2 does not know are missing"])
	assert.Equal(t, "t13d1516h2_8daaf6152771_8802cfb92a1f", got["server_name kept among the extensions"])
	assert.Equal(t, "t13d1516h2_8daaf6152771_db113fc12e09", got["server_name and ALPN kept among the extensions"])
	assert.NotContains(t, got, "padding left out of the extensions")
	assert.Equal(t, md5Hex("771,47-53-156-157-4865-4866-4867-49171-49172-49195-49196-49199-49200-52392-52393,"+
		"5-10-11-13-18-23-27-35-43-45-51-65281-0-16,,"), texts(explain.JA3Deviations(h))["extensions that OpenSSL does not know are missing"])

	h.Extensions = append(h.Extensions, parser.Extension{Type: parser.ExtPadding})
	got = texts(explain.JA4Deviations(h))
	assert.Equal(t, "t13d1517h2_8daaf6152771_d8a2da3f94cd", got["padding left out of the extensions"])

	h.Extensions = append(h.Extensions, parser.Extension{Type: 0xca34})
	h.SignatureAlgorithms = append([]parser.SignatureScheme{0x3a3a}, h.SignatureAlgorithms...)
	for _, d := range explain.JA4Deviations(h) {
		if d.Name == "GREASE kept in signature_algorithms" {
			assert.Contains(t, d.Tools, "FoxIO's Zeek, Arkime, tls.peet.ws, pingly")
			assert.Contains(t, d.Why, "before July 2026")
		}
	}
	got = texts(explain.JA4Deviations(h))
	assert.NotEmpty(t, got["GREASE kept in signature_algorithms"])
	assert.True(t, strings.HasPrefix(got["extensions that OpenSSL does not know are missing"], "t13d1515h2_"), "not ca34 either")
}

func TestJA3Deviations(t *testing.T) {
	lookalikes := explain.JA3Deviations(hellotest.Vectors(t)["grease-lookalikes"].Parse(t))
	require.Len(t, lookalikes, 2)
	assert.Equal(t, md5Hex("771,2586-6666-43947-2827,10,6666-2827,"), lookalikes[0].Text)
	assert.Equal(t, md5Hex("771,43947-2827,43947-10,2827,"), lookalikes[1].Text)
	h := hellotest.Vectors(t)["grease-at-the-end"].Parse(t)
	list := explain.JA3Deviations(h)
	require.Len(t, list, 1)
	assert.Equal(t, "Envoy", list[0].Tools)
	assert.Equal(t, md5Hex("771,4865,0-10-13,29-51914,"), list[0].Text)
	h.Transport = parser.DTLS
	assert.Empty(t, explain.JA3Deviations(h))
	h.Transport = parser.QUIC
	list = explain.JA3Deviations(h)
	require.Len(t, list, 1)
	assert.Equal(t, "Suricata", list[0].Tools)
	assert.Equal(t, md5Hex("771,4865-51914,0-10-13-51914,29-51914,"), list[0].Text)
}

// FuzzHello explains any hello, and compares it. The text of each fingerprint can
// be explained, too.
func FuzzHello(f *testing.F) {
	for _, v := range hellotest.Vectors(f) {
		h := v.Parse(f)
		f.Add(uint8(h.Transport), h.Raw)
	}
	f.Fuzz(func(t *testing.T, transport uint8, msg []byte) {
		h := &parser.ClientHello{Transport: parser.Transport(transport % 3)}
		_ = h.Unmarshal(msg)
		for _, e := range explain.Hello(h, &fingerprint.QUICInitial{Version: 1, DCIDLen: 8, PacketNumberLen: 1, FrameTypes: []byte{6, 0}}) {
			if len(e.Parts) == 0 {
				assert.NotEmpty(t, e.Notes, e.Name)
				continue
			}
			_, err := explain.Text(e.Text)
			assert.NoError(t, err)
			for _, d := range e.Deviations {
				assert.NotEqual(t, e.Text, d.Text)
			}
		}
		assert.Empty(t, diff(h, h).Changes)
		for _, c := range diff(h, &parser.ClientHello{}).Fingerprints {
			if c.Before == "" || c.Name == "session" {
				continue
			}
			_, err := explain.Text(c.Before)
			assert.NoError(t, err)
		}
	})
}

func FuzzText(f *testing.F) {
	for _, v := range hellotest.Vectors(f) {
		for _, text := range v.Expect {
			f.Add(text)
		}
	}
	f.Add("1:65536;2:0|00|3:0:0:201|m,p,a,s")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := explain.Text(text)
		if err != nil {
			assert.True(t, strings.HasPrefix(err.Error(), "fingerprint: "))
			return
		}
		assert.NotEmpty(t, e.Name)
		assert.True(t, strings.EqualFold(strings.TrimSpace(text), e.Text))
		if v, err := explain.ParseJA4(strings.TrimSpace(text)); err == nil {
			assert.Equal(t, e.Text, v.String())
		}
		d, err := explain.DiffTexts(text, text)
		assert.NoError(t, err)
		assert.Empty(t, d.Changes)
	})
}
