package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tlspeek/tlspeek/capture"
)

// A skippedFile is a file in a directory that is not read.
type skippedFile struct{ name, reason string }

// expand turns arguments into files: a directory into the captures in it, and a
// pattern into what it matches. It also returns what else is in directories.
func expand(paths []string) (files []string, skipped []skippedFile, failed []error) {
	for _, path := range paths {
		matches := []string{path}
		if _, err := os.Stat(path); err != nil && path != "-" {
			if matches, _ = filepath.Glob(path); len(matches) == 0 {
				failed = append(failed, err)
			}
		}
		for _, match := range matches {
			if info, err := os.Stat(match); match == "-" || err != nil || !info.IsDir() {
				files = append(files, match)
				continue
			}
			found, others, errs := captures(os.DirFS(match))
			if len(found)+len(errs) == 0 {
				errs = append(errs, errors.New("no capture in this directory"))
			}
			for _, name := range found {
				files = append(files, filepath.Join(match, filepath.FromSlash(name)))
			}
			for _, f := range others {
				skipped = append(skipped, skippedFile{filepath.Join(match, filepath.FromSlash(f.name)), f.reason})
			}
			for _, err := range errs {
				failed = append(failed, fmt.Errorf("%s: %w", match, err))
			}
		}
	}
	return files, skipped, failed
}

// captures returns the captures in a directory and below, sorted by name, the
// other files, and what could not be looked into.
func captures(dir fs.FS) (found []string, skipped []skippedFile, failed []error) {
	fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			failed = append(failed, err)
		case d.IsDir():
		case d.Type()&fs.ModeSymlink != 0:
			skipped = append(skipped, skippedFile{name, "symbolic link"})
		case !d.Type().IsRegular():
			skipped = append(skipped, skippedFile{name, "not a regular file"})
		default:
			f, err := dir.Open(name)
			if err != nil {
				failed = append(failed, err)
				break
			}
			if _, _, err := capture.Detect(f); err != nil {
				skipped = append(skipped, skippedFile{name, err.Error()})
			} else {
				found = append(found, name)
			}
			f.Close()
		}
		return nil
	})
	return found, skipped, failed
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
