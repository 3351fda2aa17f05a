package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
)

// Errors of [Detect], and of an [Error] for what is no capture. There is also
// [ErrUnsupported].
var (
	ErrEmpty  = errors.New("empty file")
	ErrFormat = errors.New("neither pcap, pcapng nor snoop")
)

var errUndetected = errors.New("no capture in the first 9 MiB of compressed input")

const (
	// maxDetect is how many bytes Detect reads at most. The longest block of a
	// compression is one of lz4, which has up to 8 MiB.
	maxDetect = 9 << 20

	// detectBlock is how many bytes Detect reads at a time. The header of a capture is
	// much shorter.
	detectBlock = 1 << 10
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
	Xz
	Bzip2
	Lz4
	Snoop
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
	case magic == 0xfd2fb528: // RFC 8878, section 3.1.1
		return Zstd
	case magic == 0x587a37fd: // FD 37 7A 58 5A 00
		return Xz
	case magic&0xffffff == 0x685a42 && b[3] >= '1' && b[3] <= '9': // BZh and the size of blocks
		return Bzip2
	case magic == 0x6f6f6e73: // RFC 1761: snoop
		return Snoop
	case magic == 0x184d2204, magic == 0x184c2102: // the frame format, and the one before it
		return Lz4
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
func Detect(r io.Reader) (Format, io.Reader, error) { return new(Reader).Detect(r) }

// Detect is the function Detect within the limits of r.
func (r *Reader) Detect(src io.Reader) (Format, io.Reader, error) {
	d := &detector{r: src}
	w := &window{ctx: context.Background(), r: d, buf: make([]byte, detectBlock), maxMemory: r.MaxMemory}
	_, _, done, err := open(w, orDefault(r.MaxExpanded, DefaultMaxExpanded))
	done()
	if err == io.EOF {
		err = ErrEmpty
	}
	return w.format, io.MultiReader(bytes.NewReader(d.read), src), err
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
		if err := skipUserFrames(w); err != nil {
			return nil, w, done, err
		}
		b, err := w.peek(4)
		if err == io.ErrUnexpectedEOF {
			if b, err := w.peekUpTo(4); err == nil && !isMagicPrefix(b) {
				return nil, w, done, errorOfFormat(b)
			}
		}
		if err != nil {
			return nil, w, done, err
		}
		switch w.format = formatOf([4]byte(b)); w.format {
		case Pcap:
			r, err := newPcapReader(w)
			return r, w, done, err
		case Pcapng:
			return &pcapngReader{window: w}, w, done, nil
		case Snoop:
			r, err := newSnoopReader(w)
			return r, w, done, err
		case FormatUnknown:
			b, err := w.peekUpTo(maxForeign)
			if err == nil {
				err = errorOfFormat(b)
			}
			return nil, w, done, err
		}
		expanded, release, err := decompress(w.format, w)
		if err != nil {
			return nil, w, done, err
		}
		outer := done
		done = func() { release(); outer() }
		w = &window{ctx: w.ctx, r: &limitedReader{expanded, maxExpanded}, buf: make([]byte, firstBlock), maxMemory: w.maxMemory}
	}
	return nil, w, done, errCompressed
}

// isMagicPrefix reports whether a file that can be read may begin with b, which is
// shorter than a magic number.
func isMagicPrefix(b []byte) bool {
	for _, magic := range []string{"\xd4\xc3\xb2", "\xa1\xb2\x3c", "\xa1\xb2\xc3", "\xa1\xb2\xcd", "\x4d\x3c\xb2", "\x34\xcd\xb2", "\x0a\x0d\x0d", "\x1f\x8b",
		"\x28\xb5\x2f", "\xfd7z", "BZh", "\x04\x22\x4d", "\x02\x21\x4c", "snoo"} {
		n := min(len(b), len(magic))
		if string(b[:n]) == magic[:n] {
			return true
		}
	}
	return false
}
