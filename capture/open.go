package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	errFormat     = errors.New("neither pcap nor pcapng")
	errExpanded   = errors.New("compressed input expands beyond the limit")
	errCompressed = errors.New("compressed more than twice")
)

// maxZstdWindow is the most memory that a zstd frame may ask for: that of
// zstd --ultra -22, or --long.
const maxZstdWindow = 128 << 20

// A Format is what the first bytes of a file say that it is.
type Format uint8

// The formats that can be read.
const (
	Unknown Format = iota
	Pcap
	Pcapng
	Gzip
	Zstd
)

// FormatOf tells a format by the first four bytes of a file.
func FormatOf(b [4]byte) Format {
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
	return Unknown
}

// maxCompressed is how often a file may be compressed.
const maxCompressed = 2

// open finds out by its first bytes what w holds. It returns a reader of the
// packets; the window that it reads, which is another one for compressed input;
// and what to call when done with it.
func open(w *window, maxExpanded int64) (_ packetReader, _ *window, done func(), _ error) {
	done = func() {}
	for range maxCompressed + 1 {
		b, err := w.peek(4)
		if err != nil {
			return nil, w, done, err
		}
		var expanded io.Reader
		switch FormatOf([4]byte(b)) {
		case Pcap:
			r, err := newPcapReader(w)
			return r, w, done, err
		case Pcapng:
			return &pcapngReader{window: w}, w, done, nil
		case Gzip:
			expanded, err = gzip.NewReader(&remainder{w})
		case Zstd:
			var z *zstd.Decoder
			z, err = zstd.NewReader(&remainder{w}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
			if err == nil {
				expanded = z
				rest := done
				done = func() { z.Close(); rest() }
			}
		default:
			return nil, w, done, fmt.Errorf("%w: begins with % x%s", errFormat, b, likeness([4]byte(b)))
		}
		if err != nil {
			return nil, w, done, err
		}
		w = &window{ctx: w.ctx, r: &limited{expanded, maxExpanded}, buf: make([]byte, firstBlock)}
	}
	return nil, w, done, errCompressed
}

// Check returns nil if r begins as a capture that can be read, compressed or not,
// and otherwise an error that says why not. It reads some of r.
func Check(r io.Reader) error {
	_, _, done, err := open(&window{ctx: context.Background(), r: r, buf: make([]byte, 4<<10)}, DefaultMaxExpanded)
	done()
	if err == io.EOF {
		return errEmpty
	}
	return err
}

// likeness tells what a file is that begins with b, if it is of a kind that
// captures are often found in.
func likeness(b [4]byte) string {
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

// A remainder reads what is left of a window.
type remainder struct{ w *window }

func (r *remainder) Read(p []byte) (int, error) {
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

// A limited reads at most left bytes of r, and then fails.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errExpanded
	}
	return n, err
}
