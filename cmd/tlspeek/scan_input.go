package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tlspeek/tlspeek/capture"
)

// expand turns arguments into files: a directory into the captures in it, and a
// pattern into what it matches.
func expand(paths []string) (files []string, failed []error) {
	for _, path := range paths {
		if path == "-" {
			files = append(files, path)
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			found, err := captures(path)
			if err == nil && len(found) == 0 {
				err = fmt.Errorf("%s: no capture in this directory", path)
			}
			if err != nil {
				failed = append(failed, err)
			}
			files = append(files, found...)
		case err == nil:
			files = append(files, path)
		default:
			matches, globErr := filepath.Glob(path)
			if globErr != nil || len(matches) == 0 {
				failed = append(failed, err)
			}
			files = append(files, matches...)
		}
	}
	return files, failed
}

// captures returns the captures in a directory and below, sorted by name.
func captures(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && isCapture(path) {
			found = append(found, path)
		}
		return nil
	})
	return found, err
}

// isCapture tells a capture by its first bytes. Whether something compressed is
// one, its name has to say.
func isCapture(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return false
	}
	switch capture.FormatOf(magic) {
	case capture.Pcap, capture.Pcapng:
		return true
	case capture.Gzip, capture.Zstd:
		return strings.Contains(filepath.Base(path), "cap")
	}
	return false
}

// A liveReader reads what may not have been written yet. It can be interrupted,
// and calls idle whenever there is nothing to read.
type liveReader struct {
	ctx    context.Context
	idle   func() error
	blocks chan []byte
	free   chan []byte
	err    error // of the reader, once blocks is closed
	block  []byte
	rest   []byte // of block
}

// newLiveReader begins to read r. When ctx ends, the goroutine that reads is
// left to the end of the program: a read of a pipe cannot be called off.
func newLiveReader(ctx context.Context, r io.Reader, idle func() error) *liveReader {
	const blockLen, numBlocks = 256 << 10, 2
	l := &liveReader{ctx: ctx, idle: idle, blocks: make(chan []byte, numBlocks), free: make(chan []byte, numBlocks)}
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

func (l *liveReader) Read(p []byte) (int, error) {
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
