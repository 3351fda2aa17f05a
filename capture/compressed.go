package capture

import (
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"
)

const (
	// maxCompressed is how many times a file may be compressed.
	maxCompressed = 2

	// maxWindow and minWindow bound the memory that the dictionary of xz or the window
	// of zstd may take, beside Reader.MaxMemory. zstd --ultra -22 and --long take 128
	// MiB, xz -9 takes 64 MiB, and either takes 8 MiB by default or less.
	maxWindow, minWindow = 128 << 20, 8 << 20
)

var (
	errExpanded   = errors.New("compressed input expands beyond the limit")
	errCompressed = errors.New("compressed more than twice")
)

// decompress returns a reader of what is compressed in w, and a function that
// releases its memory. It waits for no more than the header.
func decompress(f Format, w *window) (_ io.Reader, done func(), _ error) {
	src := &windowReader{w}
	done = func() {}
	switch f {
	case Gzip:
		z, err := gzip.NewReader(src)
		return z, done, err
	case Zstd:
		z, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(w.windowLimit())))
		if err != nil {
			return nil, nil, err
		}
		return &decompressor{z, w}, z.Close, nil
	case Xz:
		z, err := xz.NewReader(src, uint32(w.windowLimit()))
		return &decompressor{z, w}, done, decompressError(err, w)
	case Lz4:
		return &decompressor{lz4.NewReader(src), w}, done, nil
	default: // Bzip2
		return bzip2.NewReader(src), done, nil
	}
}

// A decompressor is a reader with errors that say the same of all formats.
type decompressor struct {
	r io.Reader
	w *window // which r reads
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	return n, decompressError(err, d.w)
}

func decompressError(err error, w *window) error {
	switch {
	case errors.Is(err, xz.ErrMemlimit), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("takes more than %d MiB of memory to decompress: decompress it first", w.windowLimit()>>20)
	case errors.Is(err, xz.ErrBuf):
		return io.ErrUnexpectedEOF
	}
	return err
}

// windowLimit returns how much memory decompression may take, in bytes.
func (w *window) windowLimit() int64 {
	return max(minWindow, min(maxWindow, orDefault(w.maxMemory, DefaultMaxMemory)))
}

// skipUserFrames skips the skippable frames that w begins with, which zstd and lz4
// have in common (RFC 8878, section 3.1.2).
func skipUserFrames(w *window) error {
	const headerLen = 8
	for {
		b, err := w.peek(4)
		if err != nil || !isUserFrame(binary.LittleEndian.Uint32(b)) {
			return nil // the caller sees the error, too
		}
		if b, err = w.next(headerLen); err != nil {
			return err
		}
		if err := w.skip(int64(binary.LittleEndian.Uint32(b[4:]))); err != nil {
			return err
		}
	}
}

func isUserFrame(magic uint32) bool { return magic&^0xf == 0x184d2a50 }

// A windowReader reads the rest of a window.
type windowReader struct{ w *window }

func (r *windowReader) Read(p []byte) (int, error) {
	w := r.w
	if w.pos == w.end {
		if err := w.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.buf[w.pos:w.end])
	w.pos += n
	return n, nil
}

// A limitedReader reads at most left bytes of r, and fails if there are more.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errExpanded
	}
	return n, err
}
