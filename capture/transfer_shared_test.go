//go:build shared

package capture

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// framesOf returns the packets of a capture.
func framesOf(t testing.TB, file []byte) []frame {
	t.Helper()
	w := &window{ctx: t.Context(), r: bytes.NewReader(file), buf: make([]byte, firstBlock)}
	packets, _, done, err := open(w, DefaultMaxExpanded)
	defer done()
	if err == io.EOF {
		return nil
	}
	require.NoError(t, err)
	var frames []frame
	for {
		var p packet
		if packets.read(&p) != nil {
			return frames
		}
		frames = append(frames, frame{p.link, bytes.Clone(p.data)})
	}
}

// TestTransfersOfCaptures is TestTransfers for the captures in TLSPEEK_SHARED. Each is
// cut after 256 KiB. Left out is what nothing distinguishes from a hello of the
// connection: one at the start of a segment of a connection whose start is not known, if
// it ends the file, and one after a few bytes at the start of the connection.
func TestTransfersOfCaptures(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(os.Getenv("TLSPEEK_SHARED"), "corpus", "pcaps", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	hellos, sent := 0, 0
	for i, name := range names {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		if found, _, err := read(t, new(Reader), file); err != nil || len(found) == 0 {
			continue
		}
		frames := framesOf(t, file)
		size := 0
		for j := range frames {
			if size += len(frames[j].data); size > 256<<10 {
				frames = frames[:j]
				break
			}
		}
		files := filesOf(frames)
		formats := slices.Sorted(maps.Keys(files))
		for _, format := range []string{formats[i%len(formats)], formats[(i+1)%len(formats)]} {
			file := files[format]
			for how, stream := range transfers(file) {
				if how == "without its 1st half" {
					continue
				}
				for _, n := range segmentLengths {
					for _, syn := range []bool{true, false} {
						if !syn && (how == "tar" || how == "without its header") {
							continue
						}
						found := transferred(t, stream, n, syn)
						assert.Zero(t, found, "%s as %s, %s in segments of %d bytes, SYN %t", filepath.Base(name), format, how, n, syn)
						hellos += found
						sent++
					}
				}
			}
		}
	}
	t.Logf("%d hellos in %d transfers", hellos, sent)
}

// TestMillionRandomSegments is TestRandomSegments for a million.
func TestMillionRandomSegments(t *testing.T) { assert.Zero(t, randomHellos(t, 1_000_000)) }
