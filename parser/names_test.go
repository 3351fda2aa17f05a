package parser

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRegistries checks the generated names against the files in iana.
func TestRegistries(t *testing.T) {
	files, err := filepath.Glob("iana/*.csv")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		f, err := os.Open(name)
		require.NoError(t, err)
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		require.NoError(t, err)
		for _, row := range rows[1:] {
			var v uint64
			_, err := fmt.Sscanf(row[0], "0x%x", &v)
			require.NoError(t, err, row[0])
			var got string
			switch filepath.Base(name) {
			case "cipher_suites.csv":
				got = CipherSuite(v).String()
			case "extension_types.csv":
				got = ExtensionType(v).String()
			case "supported_groups.csv":
				got = NamedGroup(v).String()
			case "signature_schemes.csv":
				got = SignatureScheme(v).String()
			case "quic_transport_parameters.csv":
				got = TransportParameter{ID: v}.Name()
			}
			assert.Equal(t, row[1], got, name)
		}
	}
}

func TestNames(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"SSL 2.0": VersionSSL20, "SSL 3.0": VersionSSL30, "TLS 1.0": VersionTLS10, "TLS 1.1": VersionTLS11,
		"TLS 1.2": VersionTLS12, "TLS 1.3": VersionTLS13, "DTLS 1.0": VersionDTLS10, "DTLS 1.2": VersionDTLS12,
		"DTLS 1.3": VersionDTLS13, "0x7f1c": Version(0x7f1c), "0x0001": Version(1), "GREASE": Version(0xfafa),
		"zlib": CertificateCompressionAlgorithm(1), "brotli": CertificateCompressionAlgorithm(2),
		"zstd": CertificateCompressionAlgorithm(3), "0x0004": CertificateCompressionAlgorithm(4),
		"SSL_CK_RC4_128_WITH_MD5":              CipherSpec(0x010080),
		"SSL_CK_RC4_128_EXPORT40_WITH_MD5":     CipherSpec(0x020080),
		"SSL_CK_RC2_128_CBC_WITH_MD5":          CipherSpec(0x030080),
		"SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5": CipherSpec(0x040080),
		"SSL_CK_IDEA_128_CBC_WITH_MD5":         CipherSpec(0x050080),
		"SSL_CK_DES_64_CBC_WITH_MD5":           CipherSpec(0x060040),
		"SSL_CK_DES_192_EDE3_CBC_WITH_MD5":     CipherSpec(0x0700c0),
		"0x080080":                             CipherSpec(0x080080),
		"TLS_RSA_WITH_RC4_128_SHA":             CipherSpec(5),
	} {
		assert.Equal(t, want, got.String())
	}
	assert.Equal(t, []string{"null", "DEFLATE", "LZS", ""}, []string{compressionName(0), compressionName(1), compressionName(64), compressionName(2)})
	assert.Equal(t, []string{"QUIC v1", "QUIC v2", "draft-29", "GREASE", ""},
		[]string{quicVersionName(1), quicVersionName(0x6b3343cf), quicVersionName(0xff00001d), quicVersionName(0x1a2a3a4a), quicVersionName(2)})
	assert.Equal(t, "1.128", relativeOID([]byte{1, 0x81, 0}))
	assert.Empty(t, relativeOID([]byte{0x81}))
	assert.Empty(t, relativeOID(fromHex("ffffffffffffffffffff7f")), "more than 64 bits")
}

func TestGREASE(t *testing.T) {
	n := 0
	for v := range 1 << 16 {
		if IsGREASE(uint16(v)) {
			n++
			assert.True(t, IsGREASEALPN([]byte{byte(v >> 8), byte(v)}))
		}
	}
	assert.Equal(t, 16, n)
	assert.False(t, IsGREASEALPN([]byte("h2")))
	modes := []uint8{}
	for v := range 256 {
		if IsGREASEMode(uint8(v)) {
			modes = append(modes, uint8(v))
		}
	}
	assert.Equal(t, []uint8{0x0b, 0x2a, 0x49, 0x68, 0x87, 0xa6, 0xc5, 0xe4}, modes)
	assert.True(t, IsGREASETransportParameter(27))
	assert.False(t, IsGREASETransportParameter(28))
}

func TestText(t *testing.T) {
	for b, want := range map[string]string{
		"":                   "",
		"example.com":        "example.com",
		"a\r\nb\x00\x1b[0m":  `a\x0d\x0ab\x00\x1b[0m`,
		`a\b`:                `a\\b`,
		"\xff\xc3\xa9\xc3":   `\xffé\xc3`,
		"\u2028\u202e\ufffd": `\xe2\x80\xa8\xe2\x80\xae` + "\ufffd",
		"\x7f\u0085":         `\x7f\xc2\x85`,
		"a\u0301 \u00a0":     "a\u0301" + ` \xc2\xa0`,
	} {
		assert.Equal(t, want, Text([]byte(b)))
		back, err := UnescapeText(want)
		require.NoError(t, err)
		assert.Equal(t, b, string(back))
	}
	for s, want := range map[string]string{
		`a\`:     `parser: text: backslash at byte 1 is followed by neither a backslash nor x and two hex digits`,
		`\x0`:    `parser: text: backslash at byte 0 is followed by neither a backslash nor x and two hex digits`,
		`\xG0`:   `parser: text: backslash at byte 0 is followed by neither a backslash nor x and two hex digits`,
		`\\\n00`: `parser: text: backslash at byte 2 is followed by neither a backslash nor x and two hex digits`,
	} {
		_, err := UnescapeText(s)
		assert.EqualError(t, err, want)
	}
}
