// Package captureinput finds the captures that arguments name, and reads captures that
// are still being written.
package captureinput

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tlspeek/tlspeek/capture"
)

// A Skipped is a file in a directory that is no capture, or is not read for another
// reason.
type Skipped struct{ Name, Reason string }

// Expand returns the files that paths stand for: for a directory, the captures in it
// and below; for a pattern of [filepath.Match], what it matches; and other paths as
// they are, also "-". It also returns the other files in directories, and an error
// for each path or directory that it could not read.
func Expand(paths []string) (files []string, skipped []Skipped, failed []error) {
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
				skipped = append(skipped, Skipped{filepath.Join(match, filepath.FromSlash(f.Name)), f.Reason})
			}
			for _, err := range errs {
				failed = append(failed, fmt.Errorf("%s: %w", match, err))
			}
		}
	}
	return files, skipped, failed
}

// captures returns the captures in a directory and below, sorted by name, the other
// files, and an error for each file or directory that could not be opened.
func captures(dir fs.FS) (found []string, skipped []Skipped, failed []error) {
	fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			failed = append(failed, err)
		case d.IsDir():
		case d.Type()&fs.ModeSymlink != 0:
			skipped = append(skipped, Skipped{name, "symbolic link"})
		case !d.Type().IsRegular():
			skipped = append(skipped, Skipped{name, "not a regular file"})
		default:
			f, err := dir.Open(name)
			if err != nil {
				failed = append(failed, err)
				break
			}
			if _, _, err := capture.Detect(f); err != nil {
				skipped = append(skipped, Skipped{name, err.Error()})
			} else {
				found = append(found, name)
			}
			f.Close()
		}
		return nil
	})
	return found, skipped, failed
}
