package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Errors of [Detect], and of an [Error] for what is no capture.
var (
	ErrEmpty  = errors.New("empty file")
	ErrFormat = errors.New("neither pcap nor pcapng")
)

var (
	errExpanded   = errors.New("compressed input expands beyond the limit")
	errCompressed = errors.New("compressed more than twice")
	errUndetected = errors.New("no capture in the first MiB of compressed input")
)

const (
	// maxCompressed is how many times a file may be compressed.
	maxCompressed = 2

	// maxZstdWindow is the most memory that a zstd frame may ask for: that of
	// zstd --ultra -22, or --long.
	maxZstdWindow = 128 << 20

	// maxDetect is how many bytes Detect reads at most. A block of gzip or zstd, and
	// so the first bytes of a capture, is much shorter.
	maxDetect = 1 << 20
)

// A Format is the format of a file by its first bytes.
type Format uint8

// The formats that can be read.
const (
	FormatUnknown Format = iota
	Pcap
	Pcapng
	Gzip
	Zstd
)

// formatOf returns the format of a file that begins with b.
func formatOf(b [4]byte) Format {
	switch magic := binary.LittleEndian.Uint32(b[:]); {
	case magic == pcapMicroseconds, magic == pcapMicrosecondsSwapped,
		magic == pcapNanoseconds, magic == pcapNanosecondsSwapped,
		magic == pcapModified, magic == pcapModifiedSwapped:
		return Pcap
	case magic == blockSectionHeader:
		return Pcapng
	case magic&0xffff == 0x8b1f: // RFC 1952, section 2.3.1
		return Gzip
	case magic == 0xfd2fb528, magic&^0xf == 0x184d2a50: // RFC 8878, sections 3.1.1 and 3.1.2
		return Zstd
	}
	return FormatUnknown
}

// Detect reads the beginning of r and returns its format, which is that of the
// compression if r is compressed. It also returns a reader of all of r, including
// the bytes that Detect has read.
//
// The error is nil if r begins as a capture that can be read, compressed or not.
// Otherwise it says why not: [ErrEmpty], [ErrFormat], or an error of reading or of
// decompressing. The format is then FormatUnknown unless r is compressed or its
// header is damaged.
func Detect(r io.Reader) (Format, io.Reader, error) {
	d := &detector{r: r}
	_, _, done, err := open(&window{ctx: context.Background(), r: d, buf: make([]byte, 4<<10)}, DefaultMaxExpanded)
	done()
	if err == io.EOF {
		err = ErrEmpty
	}
	var head [4]byte
	copy(head[:], d.read)
	return formatOf(head), io.MultiReader(bytes.NewReader(d.read), r), err
}

// A detector reads at most maxDetect bytes of r and keeps them.
type detector struct {
	r    io.Reader
	read []byte
}

func (d *detector) Read(p []byte) (int, error) {
	if len(d.read) >= maxDetect {
		return 0, errUndetected
	}
	n, err := d.r.Read(p)
	d.read = append(d.read, p[:n]...)
	return n, err
}

// open returns a reader of the packets in w; the window that it reads, which is
// another one for compressed input; and a function that releases its memory.
func open(w *window, maxExpanded int64) (_ packetReader, _ *window, done func(), _ error) {
	done = func() {}
	for range maxCompressed + 1 {
		b, err := w.peek(4)
		if err != nil {
			return nil, w, done, err
		}
		var expanded io.Reader
		switch formatOf([4]byte(b)) {
		case Pcap:
			r, err := newPcapReader(w)
			return r, w, done, err
		case Pcapng:
			return &pcapngReader{window: w}, w, done, nil
		case Gzip:
			expanded, err = gzip.NewReader(&windowReader{w})
		case Zstd:
			var z *zstd.Decoder
			z, err = zstd.NewReader(&windowReader{w}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
			if err == nil {
				expanded = z
				outer := done
				done = func() { z.Close(); outer() }
			}
		default:
			return nil, w, done, fmt.Errorf("%w: begins with % x%s", ErrFormat, b, formatHint([4]byte(b)))
		}
		if err != nil {
			return nil, w, done, err
		}
		w = &window{ctx: w.ctx, r: &limitedReader{expanded, maxExpanded}, buf: make([]byte, firstBlock)}
	}
	return nil, w, done, errCompressed
}

// formatHint names the format of a file that begins with b, if captures are often
// found in files of that format.
func formatHint(b [4]byte) string {
	switch s := string(b[:]); {
	case s == "\xfd7zX":
		return ", as xz does"
	case s[:3] == "BZh":
		return ", as bzip2 does"
	case s == "\x04\x22\x4d\x18":
		return ", as lz4 does"
	case s == "PK\x03\x04":
		return ", as zip does"
	case s == "snoo":
		return ", as snoop does"
	}
	return ""
}

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
