package capture

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestForeignFiles: a capture in a format that is not read is named, with what to do.
func TestForeignFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/foreign/*")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	want := map[string]string{
		"5views":         "this is an InfoVista 5View file: convert it with editcap -F pcap IN OUT",
		"commview-ncf":   "this is a TamoSoft CommView file: convert it with editcap -F pcap IN OUT",
		"commview-ncfx":  "this is a TamoSoft CommView file: convert it with editcap -F pcap IN OUT",
		"k12text":        "this is a K12 text file: convert it with editcap -F pcap IN OUT",
		"lanalyzer":      "this is a LANalyzer file: convert it with editcap -F pcap IN OUT",
		"netmon1":        "this is a Microsoft Network Monitor 1 file: convert it with editcap -F pcap IN OUT",
		"netmon2":        "this is a Microsoft Network Monitor 2 file: convert it with editcap -F pcap IN OUT",
		"nettl":          "this is an HP-UX nettl file: convert it with editcap -F pcap IN OUT",
		"ngsniffer":      "this is a Sniffer (DOS) file: convert it with editcap -F pcap IN OUT",
		"ngwsniffer_1_1": "this is a NetXRay or Sniffer (Windows) file: convert it with editcap -F pcap IN OUT",
		"ngwsniffer_2_0": "this is a NetXRay or Sniffer (Windows) file: convert it with editcap -F pcap IN OUT",
		"observer":       "this is an Observer file: convert it with editcap -F pcap IN OUT",
		"visual":         "this is a Visual Networks file: convert it with editcap -F pcap IN OUT",
	}
	for _, name := range names {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		_, _, err = Detect(bytes.NewReader(file))
		assert.EqualError(t, err, want[filepath.Base(name)])
		assert.ErrorIs(t, err, ErrUnsupported)
		_, _, err = Detect(bytes.NewReader(gzipped(t, file)))
		assert.EqualError(t, err, want[filepath.Base(name)])
		_, _, err = read(t, new(Reader), file)
		assert.EqualError(t, err, "capture: "+want[filepath.Base(name)])
	}
}

func TestForeign(t *testing.T) {
	zeros := string(make([]byte, 300))
	erf := "\x00\x00\x00\x00\x00\xf1\x53\x65\x02\x04\x00\x52\x00\x00\x00\x3c" + string(make([]byte, 0x42))
	tar := "capture.pcap" + string(make([]byte, 245)) + "ustar"
	etl := "\x00\x00\x01\x00" + string(make([]byte, 68)) + "\x02\x00\x02\xc0" + zeros
	for _, test := range []struct {
		file, err string
		is        error
	}{
		{erf, "this is an Endace ERF file: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{erf + erf, "this is an Endace ERF file: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{"iptrace 1.0" + zeros, "this is an AIX iptrace file: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{"iptrace 2.0" + zeros, "this is an AIX iptrace file: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{"\x7fver\x00\x00", "this is an EtherPeek or OmniPeek file: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{"\x07\x00\x00\x00\x10\x00\x00\x00\x00\x05" + zeros, "this is an EtherPeek file: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{"\x00\x00\x02\x00\x12\x05\x00\x10" + zeros, "this is a Tektronix K12 file: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{"\x01\x20\x00\x00NetScaler V20 Performance Data" + zeros, "this is a NetScaler trace: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{"\x1c\x00\x01\xac" + zeros, "this is an Ixia capture: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{etl, "this is a Windows event trace (ETL): convert it with etl2pcapng IN OUT", ErrUnsupported},
		{"\x0a\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a", "this is a pcapng file that a transfer as text has damaged: transfer it again, in binary mode", ErrUnsupported},
		{"snoop\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x04", "a capture in a format that is not read: a snoop file of version 5: convert it with editcap -F pcap IN OUT", ErrUnsupported},
		{"snoop\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x09", "a capture in a format that is not read: a snoop file of data link type 9: convert it with editcap -F pcap IN OUT", ErrUnsupported},

		{"btsnoop\x00\x00\x00\x00\x01", "this is a Bluetooth capture (btsnoop): it has no TLS", ErrFormat},
		{"PK\x03\x04" + zeros, "this is a zip archive: extract it first", ErrFormat},
		{"7z\xbc\xaf\x27\x1c" + zeros, "this is a 7z archive: extract it first", ErrFormat},
		{"Rar!\x1a\x07\x01\x00", "this is a rar archive: extract it first", ErrFormat},
		{tar, "this is a tar archive: extract it first", ErrFormat},
		{string(gzipped(t, []byte(tar))), "this is a tar archive: extract it first", ErrFormat},
		{"LZIP\x01", "this is compressed by lzip: decompress it first", ErrFormat},
		{"[\n  {\n    \"_index\": \"packets\"", "this is JSON: write the packets themselves, with tshark -w or tcpdump -w", ErrFormat},
		{"{\"log\":{\"version\":\"1.2\"", "this is JSON: write the packets themselves, with tshark -w or tcpdump -w", ErrFormat},
		{"<?xml version=\"1.0\"?>\n<pdml>", "this is XML: write the packets themselves, with tshark -w or tcpdump -w", ErrFormat},
		{"12:34:56.789012 IP 192.0.2.1.443 > 192.0.2.2.5000: Flags", "this is text of tcpdump: write the packets themselves, with tshark -w or tcpdump -w", ErrFormat},
		{"0000  00 00 5e 00 53 01 00 00", "this is a text dump of packets: convert it with text2pcap IN OUT", ErrFormat},
		{"00000000: d4c3 b2a1 0200 0400", "neither pcap, pcapng nor snoop: begins with 30 30 30 30", ErrFormat},
		{"\n\r\nnotes", "neither pcap, pcapng nor snoop: begins with 0a 0d 0a 6e", ErrFormat},
		{"NetScaler notes", "neither pcap, pcapng nor snoop: begins with 4e 65 74 53", ErrFormat},
		{"iptrace notes", "neither pcap, pcapng nor snoop: begins with 69 70 74 72", ErrFormat},
		{erf[:60], "neither pcap, pcapng nor snoop: begins with 00 00 00 00", ErrFormat},
		{erf + zeros, "neither pcap, pcapng nor snoop: begins with 00 00 00 00", ErrFormat},
		{"ab", "neither pcap, pcapng nor snoop: begins with 61 62", ErrFormat},
		{"\xd4\xc3", "unexpected EOF", nil},
		{"# notes\n", "neither pcap, pcapng nor snoop: begins with 23 20 6e 6f", ErrFormat},
		{zeros, "neither pcap, pcapng nor snoop: begins with 00 00 00 00", ErrFormat},
	} {
		_, _, err := Detect(strings.NewReader(test.file))
		assert.EqualError(t, err, test.err)
		if test.is != nil {
			assert.ErrorIs(t, err, test.is, test.err)
		}
	}
}

// TestMagicPrefix has a prefix for each format that is read.
func TestMagicPrefix(t *testing.T) {
	for _, file := range variantFiles(t) {
		for n := 1; n < 4; n++ {
			assert.True(t, isMagicPrefix(file[:n]), "% x", file[:n])
		}
	}
	for _, file := range append(captureFiles(t), pcapVariant(binary.BigEndian, pcapMicroseconds, 0, nil), pcapVariant(binary.BigEndian, pcapModified, 0, nil)) {
		assert.True(t, isMagicPrefix(file[:3]), "% x", file[:3])
	}
	for _, file := range compressedFiles(t) {
		assert.True(t, isMagicPrefix(file[:3]) || file[0] == 0x50, "% x", file[:3])
	}
	assert.False(t, isMagicPrefix([]byte("ab")))
}

// TestForeignRandom: random files, and hellos, are of none of the formats.
func TestForeignRandom(t *testing.T) {
	random := rand.NewChaCha8([32]byte{18})
	b := make([]byte, 600)
	for i := range 200000 {
		random.Read(b)
		if i%2 == 0 { // a hello without a record
			copy(b, "\x01\x00\x01\xfc\x03\x03")
		}
		err := errorOfFormat(b)
		require.NotErrorIs(t, err, ErrUnsupported, "% x", b[:32])
	}
}
