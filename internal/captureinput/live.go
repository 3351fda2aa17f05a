package captureinput

import (
	"context"
	"io"
)

// A LiveReader reads what may not have been written yet, such as a pipe. It stops when
// its context ends, and calls idle before it waits for more.
type LiveReader struct {
	ctx    context.Context
	idle   func() error
	blocks chan []byte
	free   chan []byte
	err    error // of r; set before blocks is closed
	block  []byte
	rest   []byte // of block
}

// NewLiveReader starts a goroutine that reads r. It may outlive ctx: a Read of a pipe
// cannot be canceled.
func NewLiveReader(ctx context.Context, r io.Reader, idle func() error) *LiveReader {
	const blockLen, numBlocks = 256 << 10, 2
	l := &LiveReader{ctx: ctx, idle: idle, blocks: make(chan []byte, numBlocks), free: make(chan []byte, numBlocks)}
	for range numBlocks {
		l.free <- make([]byte, blockLen)
	}
	go func() {
		defer close(l.blocks)
		for {
			var b []byte
			select {
			case b = <-l.free:
			case <-ctx.Done():
				return
			}
			n, err := r.Read(b[:cap(b)])
			l.blocks <- b[:n]
			if err != nil {
				l.err = err
				return
			}
		}
	}()
	return l
}

// Read reads what has come, and waits if there is nothing.
func (l *LiveReader) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		if l.block != nil {
			l.free <- l.block
			l.block = nil
		}
		var ok bool
		select {
		case l.block, ok = <-l.blocks:
		default:
			if err := l.idle(); err != nil {
				return 0, err
			}
			select {
			case l.block, ok = <-l.blocks:
			case <-l.ctx.Done():
				return 0, l.ctx.Err()
			}
		}
		if !ok {
			if l.err == nil {
				l.err = l.ctx.Err()
			}
			return 0, l.err
		}
		l.rest = l.block
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
