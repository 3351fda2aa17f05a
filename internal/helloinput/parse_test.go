package helloinput

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestParseRawBytes(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		want := h.Transport
		if want == parser.QUIC {
			want = parser.TLS // the message alone does not say what carried it
		}
		b, err := Decode(h.Raw)
		require.NoError(t, err, name)
		p := Parse(b)
		assert.Empty(t, p.Errs, name)
		assert.Equal(t, h.Raw, p.Hello.Raw, name)
		assert.Equal(t, want, p.Hello.Transport, name)
	}
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		"0x16, 0x03,0X01":                "160301",
		`"\x16\x03\x01"`:                 "160301",
		"16:03:01\r\n00:05\r\n":          "1603010005",
		" 1603 01 ":                      "160301",
		"FgMB":                           "160301",
		"_-8=":                           "ffef",
		"00000000  16 03 01\n00000003\n": "160301",
		"00000000: 1603 01          ...": "160301",
		"0000   16 03\n0002   01":        "160301",
		"00000000  00 00\n*\n00000006  01\n00000007\n": "00000000000001",
		"00000000  00 00\n*\n00000006\n":               "000000000000",
		"0000 " + strings.Repeat("16", 65):             "0000" + strings.Repeat("16", 65), // too long for a line
		"0000 1603\n0003 01":                           "00001603000301",                  // no dump: the offsets are wrong
		"160301\n160302":                               "160301160302",
		"00000000  41 42 43  |ABC|\n000003":            "414243000003"[:6],
	} {
		b, err := Decode([]byte(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, hex.EncodeToString(b), text)
	}
	for text, want := range map[string]string{
		"":                               "empty: give a hello as hex, base64 or bytes",
		" \n":                            "empty: give a hello as hex, base64 or bytes",
		"GET / HTTP/1.1":                 "neither hex nor base64: give a hello as hex, base64 or bytes",
		"0000  00 00\n*\n0003  01\n":     "neither hex nor base64: give a hello as hex, base64 or bytes",
		"0000  00 00\n*\n00ffffff  01\n": "neither hex nor base64: give a hello as hex, base64 or bytes",
		"*\n0000  00 00\n":               "neither hex nor base64: give a hello as hex, base64 or bytes",
		"1603 0":                         "an odd number of hex digits: one is missing, or one too many",
	} {
		_, err := Decode([]byte(text))
		assert.EqualError(t, err, want, text)
	}
}

// TestParseRest: the bytes after a hello are counted, unless they are records.
func TestParseRest(t *testing.T) {
	const record = "160301002b01000027" + "0303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00" + "0000" + "0100"
	for rest, want := range map[string]string{
		"":             "1 TLS record",
		"140303000101": "1 TLS record",
		"170303000100": "1 TLS record",
		"474554":       "1 TLS record, and 3 bytes after it",
		"160f03000100": "1 TLS record, and 6 bytes after it",
	} {
		b, err := hex.DecodeString(record + rest)
		require.NoError(t, err)
		p := Parse(b)
		require.Empty(t, p.Errs)
		assert.Equal(t, want, p.Form, rest)
	}
}

func TestReadErrors(t *testing.T) {
	_, err := Read(strings.NewReader(strings.Repeat("a", maxInput+1)))
	assert.EqualError(t, err, "more than 4194304 bytes: give one hello")
	_, err = Read(iotest.ErrReader(errors.New("broken")))
	assert.EqualError(t, err, "broken")
	b, err := Read(strings.NewReader(strings.Repeat("a", maxInput)))
	require.NoError(t, err)
	assert.Len(t, b, maxInput/2)
}
