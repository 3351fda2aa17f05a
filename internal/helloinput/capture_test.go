package helloinput

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestObservations(t *testing.T) {
	h := hellotest.Real(t)["curl-openssl-3.0"]
	record := append([]byte{22, 3, 1, byte(len(h.Raw) >> 8), byte(len(h.Raw))}, h.Raw...)
	for name, input := range map[string]string{
		"hex":     hex.EncodeToString(h.Raw),
		"base64":  base64.StdEncoding.EncodeToString(record),
		"records": string(record),
	} {
		found, err := Observations(t.Context(), []byte(input))
		require.NoError(t, err, name)
		require.Len(t, found, 1, name)
		assert.NoError(t, found[0].Err, name)
		assert.Equal(t, h.Raw, found[0].Hello.Raw, name)
	}
	for input, want := range map[string]string{
		"":         "empty: give a hello as hex, base64 or bytes",
		"~":        "neither hex nor base64: give a hello as hex, base64 or bytes",
		"\x00\x00": "first byte 0x00 begins neither a TLS or DTLS record, nor a ClientHello, nor a QUIC Initial",
	} {
		_, err := Observations(t.Context(), []byte(input))
		assert.EqualError(t, err, want, input)
	}
}

// TestObservationsBrokenHello: the error of a truncated hello has an offset in the
// message, also if records carried it. A malformed extension is no error of the message.
func TestObservationsBrokenHello(t *testing.T) {
	h := hellotest.Real(t)["curl-openssl-3.0"]
	record := append([]byte{22, 3, 1, byte(len(h.Raw) >> 8), byte(len(h.Raw))}, h.Raw[:100]...)
	found, err := Observations(t.Context(), record)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, h.Raw[:100], found[0].Hello.Raw)
	var at *parser.Error
	require.ErrorAs(t, found[0].Err, &at)
	assert.Equal(t, 100, at.Offset)

	malformed := hellotest.Hello(hellotest.Extension(parser.ExtSupportedGroups, []byte{0, 3, 0, 29, 0}))
	found, err = Observations(t.Context(), malformed.Raw)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.NoError(t, found[0].Err)
}

func TestObservationsCapture(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(hellotest.Dir(), "*", "*.pcap*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		input, err := os.ReadFile(name)
		require.NoError(t, err)
		var want []string
		_, wantErr := capture.Read(t.Context(), strings.NewReader(string(input)), func(h *capture.Hello) error {
			want = append(want, string(h.ClientHello.Raw))
			return nil
		})
		found, err := Observations(t.Context(), input)
		assert.Equal(t, wantErr, err, name)
		require.Len(t, found, len(want), name)
		for i := range found {
			assert.Equal(t, want[i], string(found[i].Hello.Raw), name)
		}
	}
}

// TestFromCaptureWithoutHello: the error says what was not read.
func TestFromCaptureWithoutHello(t *testing.T) {
	f, err := os.Open(filepath.Join(hellotest.Dir(), "captures", "curl-user0.pcap"))
	require.NoError(t, err)
	defer f.Close()
	err = FromCapture(t.Context(), f, 0, func(*capture.Hello) error { return nil })
	assert.EqualError(t, err, "no hello in this capture: 25 packets of link type 147 (USER0): not read")
}
