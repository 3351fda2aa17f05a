package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

func readCaptureFile(t *testing.T, name string) []byte {
	b, err := os.ReadFile(filepath.Join(hellotest.Dir(), "captures", name))
	require.NoError(t, err)
	return b
}

func ja4Of(t *testing.T, input []byte, packet int64) (string, error) {
	require.NoError(t, os.WriteFile("x", input, 0o600))
	h, err := (&helloSource{packet: packet}).read(context.Background(), "x", nil)
	if err != nil {
		return "", err
	}
	return fingerprint.JA4(h.Hello), nil
}

// A capture that is cut after its hello still has it.
func TestReadCaptureCut(t *testing.T) {
	whole := readCaptureFile(t, "curl.pcap")
	t.Chdir(t.TempDir())
	ja4, err := ja4Of(t, whole[:len(whole)-10], 0)
	require.NoError(t, err)
	assert.Equal(t, "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6", ja4)

	ja4, err = ja4Of(t, readCaptureFile(t, "curl-hrr.pcap"), 4)
	require.NoError(t, err)
	assert.Equal(t, "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6", ja4)

	const oddSuites = "160301002c010000280303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00" + "000113" + "0100"
	for _, tt := range []struct {
		input  []byte
		packet int64
		want   string
	}{
		{whole[:100], 0, "reading x: capture: after packet 0, at byte 24: unexpected EOF: the file is cut off"},
		{readCaptureFile(t, "curl-gap.pcap"), 0, "reading x: no hello in this capture: 1 incomplete: the rest is not in the capture"},
		{whole[:len(whole)-10], 9, "reading x: capture: after packet 24, at byte 5059: unexpected EOF: the file is cut off"},
		{whole, 9, "reading x: no hello ends in packet 9; they end in 4"},
		{packetsOf(t, oddSuites, 1), 0, "reading x: packet 1: parser: cipher_suites: truncated at byte 42"},
		// Another one may still be whole.
		{packetsOf(t, oddSuites, 2), 0, "reading x: 2 hellos: choose one with --packet, of 1, 2"},
		{packetsOf(t, oddSuites, 14), 0, "reading x: 14 hellos: choose one with --packet, of 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and so on"},
	} {
		_, err := ja4Of(t, tt.input, tt.packet)
		assert.EqualError(t, err, tt.want)
	}
}

// packetsOf returns a capture of n TCP segments with the given payload, each of
// a connection of its own.
func packetsOf(t *testing.T, payload string, n int) []byte {
	data, err := hex.DecodeString(payload)
	require.NoError(t, err)
	b := []byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x65\x00\x00\x00") // raw IP
	for i := range n {
		size := uint32(40 + len(data))
		b = append(b, make([]byte, 8)...)
		b = binary.LittleEndian.AppendUint32(b, size)
		b = binary.LittleEndian.AppendUint32(b, size)
		b = append(b, 0x45, 0, 0, byte(size), 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
		b = append(b, 0x80, byte(i), 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0)
		b = append(b, data...)
	}
	return b
}

// TestDiffQUICAndItsFingerprints: the packet that carried a hello is read from a
// capture, too.
func TestDiffQUICAndItsFingerprints(t *testing.T) {
	cmd := &cobra.Command{}
	cmd.SetContext(context.Background())
	quic := filepath.Join(hellotest.Dir(), "captures", "quic-go.pcap")
	h, err := new(helloSource).read(context.Background(), quic, nil)
	require.NoError(t, err)
	for _, text := range []string{
		fingerprint.NPFQUIC(h.Hello, 1), fingerprint.NPFHash(fingerprint.NPFQUIC1(h.Hello, 1)),
		fingerprint.QUICHeaderID(h.QUIC), fingerprint.QUICParamsID(h.Hello),
	} {
		d, err := diffArgs(cmd, new(helloSource), quic, text)
		require.NoError(t, err)
		assert.Empty(t, d.Changes, text)
	}
}
