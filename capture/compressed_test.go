package capture

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// compressedFiles returns curl.pcap as compressed by programs, by the name of the file.
func compressedFiles(t testing.TB) map[string][]byte {
	names, err := filepath.Glob("testdata/compressed/*")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	files := make(map[string][]byte)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		files[filepath.Base(name)] = b
	}
	return files
}

// largeDictionary is of a dictionary that is too large.
const largeDictionary = "xz-dict-1536MiB.pcap.xz"

// TestPrograms reads what xz, bzip2, pbzip2 and lz4 write, and what is left of it.
func TestPrograms(t *testing.T) {
	plain, err := os.ReadFile(filepath.Join(hellotest.Dir(), "captures", "curl.pcap"))
	require.NoError(t, err)
	want := readAll(t, plain)
	require.Len(t, want, 1)
	formats := map[string]Format{".gz": Gzip, ".xz": Xz, ".bz2": Bzip2, ".lz4": Lz4}
	for name, file := range compressedFiles(t) {
		t.Run(name, func(t *testing.T) {
			format, _, err := Detect(iotest.OneByteReader(bytes.NewReader(file)))
			assert.Equal(t, formats[filepath.Ext(name)], format)
			hellos, stats, readErr := read(t, new(Reader), file)
			if name == largeDictionary {
				assert.EqualError(t, err, "takes more than 128 MiB of memory to decompress: decompress it first")
				assert.ErrorContains(t, readErr, "takes more than 128 MiB of memory to decompress: decompress it first")
				return
			}
			require.NoError(t, err)
			require.NoError(t, readErr)
			assert.Equal(t, want, hellos)

			// What is cut off is missed, but at the end of a stream or a block of the old
			// format of lz4, which has no end mark.
			ends := map[string]bool{}
			for n := 1; n < len(file); n += 1 + len(file)/12 {
				_, stats, err := read(t, new(Reader), file[:n])
				if err == nil {
					ends[fmt.Sprint(stats.Packets)] = true
				}
			}
			switch {
			case strings.Contains(name, "two") || strings.Contains(name, "skippable"):
				assert.LessOrEqual(t, len(ends), 2, "prefixes without an error end after packets %v", ends)
			default:
				assert.Empty(t, ends, "prefixes without an error end after packets")
			}

			// Damage in the middle is no end.
			damaged := bytes.Clone(file)
			damaged[len(file)/2] ^= 0x55
			_, damagedStats, err := read(t, new(Reader), damaged)
			assert.True(t, err != nil || damagedStats.Packets == stats.Packets || !hasChecksum(name), "neither an error nor the packets of the file")
		})
	}
}

// hasChecksum reports whether damage is found in any case.
func hasChecksum(name string) bool {
	return !strings.HasPrefix(name, "xz-none") && !strings.HasPrefix(name, "lz4-legacy")
}

// TestDecompressionMemory: what decompression takes is bounded with all else.
func TestDecompressionMemory(t *testing.T) {
	file := compressedFiles(t)["xz-9e.pcap.xz"] // of a dictionary of 64 MiB
	_, _, err := read(t, &Reader{MaxMemory: 16 << 20}, file)
	assert.ErrorContains(t, err, "takes more than 16 MiB of memory to decompress: decompress it first")
	_, _, err = read(t, &Reader{MaxMemory: 64 << 20}, file)
	assert.NoError(t, err)
	_, _, err = read(t, &Reader{MaxMemory: 1}, compressedFiles(t)["xz-none.pcap.xz"]) // 8 MiB are allowed
	assert.NoError(t, err)
}

// TestUserFrames: a file of nothing else is empty, and one that ends in one is cut off.
func TestUserFrames(t *testing.T) {
	for file, want := range map[string]string{
		"\x50\x2a\x4d\x18\x03\x00\x00\x00abc": "capture: after packet 0, at byte 11: empty file",
		"\x50\x2a\x4d\x18\x03\x00\x00\x00ab":  "capture: after packet 0, at byte 10: unexpected EOF: the file is cut off",
		"\x50\x2a\x4d\x18\xff\xff\xff\xff":    "capture: after packet 0, at byte 8: unexpected EOF: the file is cut off",
		"\x50\x2a\x4d\x18\x03\x00":            "capture: unexpected EOF: the file is cut off",
	} {
		_, _, err := read(t, new(Reader), []byte(file))
		assert.EqualError(t, err, want, "%q", file)
	}
}

// FuzzCompressed requires that what is compressed is read within its limits, and that
// Detect agrees with it.
func FuzzCompressed(f *testing.F) {
	for name, file := range compressedFiles(f) {
		if name != largeDictionary {
			f.Add(file)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) < 4 || formatOf([4]byte(file)) == FormatUnknown {
			return
		}
		r := &Reader{MaxMemory: 1 << 20, MaxExpanded: 1 << 20}
		_, stats, err := read(t, r, file)
		require.LessOrEqual(t, stats.Bytes, int64(1<<20))
		_, again, detected := Detect(bytes.NewReader(file))
		if err == nil {
			require.NoError(t, detected)
		}
		b, err := io.ReadAll(again)
		require.NoError(t, err)
		require.True(t, bytes.Equal(file, b))
	})
}
