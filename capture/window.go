package capture

import (
	"context"
	"io"
)

// blockSize is how much is read at a time. The kernel copies large blocks faster:
// of a file in its cache 2 GB took 0.19 s in blocks of 256 KiB, 0.16 in 512, and
// 0.14 in 1024 and more.
const blockSize = 1 << 20

// firstBlock is the first block: most files are smaller.
const firstBlock = 64 << 10

// A window is the part of a stream that is in memory. It reads no more than it
// is asked for and the stream has, so that what a pipe has brought so far can
// be used at once.
type window struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte
	pos  int   // in buf, of the next byte
	end  int   // in buf, of the byte after the last that was read
	base int64 // in the stream, of buf[0]
	err  error // of r

	filled bool // whether the last read filled buf
}

// offset returns the place in the stream of the next byte.
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// next returns the next n bytes, and steps over them. They are valid until the
// call after. The error is io.EOF if the stream ends before the first of them,
// and io.ErrUnexpectedEOF if it ends later.
func (w *window) next(n int) ([]byte, error) {
	b, err := w.peek(n)
	if err == nil {
		w.pos += n
	}
	return b, err
}

// peek is next without the step.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.pos < n {
		if err := w.fill(n); err != nil {
			return nil, err
		}
	}
	return w.buf[w.pos : w.pos+n], nil
}

// fill reads until n bytes are there.
func (w *window) fill(n int) error {
	if w.pos > 0 {
		w.base += int64(w.pos)
		w.end = copy(w.buf, w.buf[w.pos:w.end])
		w.pos = 0
	}
	switch {
	case n > len(w.buf):
		w.grow(n + blockSize)
	case w.filled && len(w.buf) < blockSize:
		w.grow(blockSize)
	}
	for w.end < n {
		if w.err == nil {
			w.err = w.ctx.Err()
		}
		if w.err != nil {
			return w.endError()
		}
		var m int
		m, w.err = w.r.Read(w.buf[w.end:])
		w.end += m
		w.filled = w.end == len(w.buf)
	}
	return nil
}

// grow makes room for n bytes.
func (w *window) grow(n int) {
	buf := make([]byte, n)
	copy(buf, w.buf[:w.end])
	w.buf = buf
}

// endError returns the error for a stream that ended too soon.
func (w *window) endError() error {
	if w.err == io.EOF && w.end > w.pos {
		return io.ErrUnexpectedEOF
	}
	return w.err
}

// skip steps over n bytes without keeping them.
func (w *window) skip(n int64) error {
	for n > 0 {
		if w.pos == w.end {
			if err := w.fill(1); err != nil {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
		}
		m := min(n, int64(w.end-w.pos))
		w.pos += int(m)
		n -= m
	}
	return nil
}
