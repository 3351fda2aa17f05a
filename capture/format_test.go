package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func gzipped(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.Bytes()
}

func zstdCompressed(t testing.TB, b []byte) []byte {
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return z.EncodeAll(b, nil)
}

func TestCompressed(t *testing.T) {
	hello := record(realHello(t, "chromium-156"))
	s := side{client4, server4, 1}
	file := rawPcap(all(s.syn(), s.segments(hello, 500))...)
	plain := readAll(t, file)
	require.Len(t, plain, 1)
	half := len(file) / 2
	for name, compressed := range map[string][]byte{
		"gzip":                   gzipped(t, file),
		"gzip, two members":      append(gzipped(t, file[:half]), gzipped(t, file[half:])...),
		"zstd":                   zstdCompressed(t, file),
		"zstd, two frames":       append(zstdCompressed(t, file[:half]), zstdCompressed(t, file[half:])...),
		"gzip in gzip":           gzipped(t, gzipped(t, file)),
		"gzip in zstd":           zstdCompressed(t, gzipped(t, file)),
		"zstd, skippable before": append([]byte("\x5e\x2a\x4d\x18\x02\x00\x00\x00hi"), zstdCompressed(t, file)...),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, plain, readAll(t, compressed))
			_, _, err := read(t, new(Reader), compressed[:len(compressed)-5])
			assert.ErrorContains(t, err, "capture: ")
		})
	}
}

func TestDetect(t *testing.T) {
	plain := rawPcap()
	var section ng
	section.section(binary.LittleEndian)
	html := []byte("GET / HTTP/1.1")
	for _, test := range []struct {
		name   string
		file   []byte
		format Format
		err    string
	}{
		{"pcap", plain, Pcap, ""},
		{"pcap with packets", rawPcap(make([]byte, 20000)), Pcap, ""},
		{"pcapng", section.b, Pcapng, ""},
		{"gzip", gzipped(t, plain), Gzip, ""},
		{"zstd", zstdCompressed(t, plain), Zstd, ""},
		{"zstd in gzip", gzipped(t, zstdCompressed(t, plain)), Gzip, ""},
		{"nothing", nil, FormatUnknown, "empty file"},
		{"three bytes", plain[:3], FormatUnknown, "unexpected EOF"},
		{"half a header", plain[:12], Pcap, "unexpected EOF"},
		{"another format", html, FormatUnknown, "neither pcap, pcapng nor snoop: begins with 47 45 54 20"},
		{"zip", []byte("PK\x03\x04"), FormatUnknown, "this is a zip archive: extract it first"},
		{"another format in gzip", gzipped(t, html), Gzip, "neither pcap, pcapng nor snoop: begins with 47 45 54 20"},
		{"nothing in gzip", gzipped(t, nil), Gzip, "empty file"},
		{"gzip, truncated", gzipped(t, plain)[:5], Gzip, "unexpected EOF"},
		{"empty members of gzip without end", bytes.Repeat(gzipped(t, nil), maxDetect/10), Gzip, "no capture in the first 9 MiB of compressed input"},
	} {
		t.Run(test.name, func(t *testing.T) {
			format, r, err := Detect(iotest.OneByteReader(bytes.NewReader(test.file)))
			assert.Equal(t, test.format, format)
			if test.err == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, test.err)
			}
			all, err := io.ReadAll(r)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(test.file, all), "the reader does not read the whole file")
		})
	}

	_, _, err := Detect(bytes.NewReader(nil))
	assert.ErrorIs(t, err, ErrEmpty)
	_, _, err = Detect(bytes.NewReader(html))
	assert.ErrorIs(t, err, ErrFormat)

	// An error of the reader appears at its place, too.
	broken := errors.New("broken")
	format, r, err := Detect(io.MultiReader(bytes.NewReader(plain[:10]), iotest.ErrReader(broken)))
	assert.Equal(t, Pcap, format)
	assert.ErrorIs(t, err, broken)
	all, err := io.ReadAll(r)
	assert.ErrorIs(t, err, broken)
	assert.Equal(t, plain[:10], all)
}

// TestDetectReadsLittle requires that Detect reads no more than a pipe has.
func TestDetectReadsLittle(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	go w.Write(rawPcap())
	format, _, err := Detect(r)
	assert.NoError(t, err)
	assert.Equal(t, Pcap, format)
}

// TestExpanded limits what a small file may expand to.
func TestExpanded(t *testing.T) {
	file := rawPcap(make([]byte, 1<<20))
	r := &Reader{MaxExpanded: 1 << 19}
	for _, compressed := range [][]byte{gzipped(t, file), zstdCompressed(t, file)} {
		_, stats, err := read(t, r, compressed)
		assert.EqualError(t, err, "capture: after packet 0, at byte 24: compressed input expands beyond the limit")
		assert.Zero(t, stats.Packets)
	}
	_, _, err := read(t, &Reader{MaxExpanded: int64(len(file))}, gzipped(t, file))
	assert.NoError(t, err)
}

func TestFormats(t *testing.T) {
	for _, test := range []struct {
		file string
		err  string
	}{
		{"", "capture: empty file"},
		{"GET", "capture: neither pcap, pcapng nor snoop: begins with 47 45 54"},
		{"GET / HTTP/1.1", "capture: neither pcap, pcapng nor snoop: begins with 47 45 54 20"},
		{string(gzipped(t, []byte("GET / HTTP/1.1"))), "capture: neither pcap, pcapng nor snoop: begins with 47 45 54 20"},
		{string(gzipped(t, gzipped(t, gzipped(t, rawPcap())))), "capture: compressed more than twice"},
		{"\xfd7zXZ\x00", "capture: after packet 0, at byte 6: unexpected EOF: the file is cut off"},
		{"BZh9", "capture: unexpected EOF: the file is cut off"},
		{"BZhello", "capture: neither pcap, pcapng nor snoop: begins with 42 5a 68 65"},
		{"\x04\"M\x18", "capture: unexpected EOF: the file is cut off"},
		{"PK\x03\x04", "capture: this is a zip archive: extract it first"},
		{"snoop\x00", "capture: unexpected EOF: the file is cut off"},
		{string(gzipped(t, nil)), "capture: empty file"},
		{"\x1f\x8b\x08", "capture: unexpected EOF: the file is cut off"},
		{"\x1f\x8b\x08\x00\x00", "capture: after packet 0, at byte 5: unexpected EOF: the file is cut off"},
	} {
		_, _, err := read(t, new(Reader), []byte(test.file))
		assert.EqualError(t, err, test.err, "%q", test.file)
	}
}
