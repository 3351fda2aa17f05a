// Package captureinput finds the captures that arguments name, and reads captures that
// are still being written.
package captureinput

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/capture"
)

// A Skipped is a file in a directory that is no capture, or is not read for another
// reason. Many files have the same Kind of reason.
type Skipped struct{ Name, Kind, Reason string }

// skippedFor returns a Skipped whose reason is its kind.
func skippedFor(name, kind string) Skipped { return Skipped{name, kind, kind} }

// Expand returns the files that paths stand for: for a directory, the captures in it
// and below; for a pattern of [filepath.Match], what it matches; and other paths as
// they are, also "-". A file in a directory is returned once, whatever links to it.
// What begins as a capture and cannot be read is among the captures, so that reading
// it says why. Expand also returns the other files in directories, and an error for
// each path, and each file or directory below, that it could not open.
func Expand(paths []string) (files []string, skipped []Skipped, failed []error) {
	var seen seenFiles
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
				if err == nil {
					seen.add(match, info)
				}
				continue
			}
			found, others, errs := captures(os.DirFS(match), &seen)
			if len(found)+len(errs) == 0 && !slices.ContainsFunc(others, func(f Skipped) bool { return f.Kind == kindSame }) {
				errs = append(errs, errors.New("no capture in this directory"))
			}
			for _, name := range found {
				files = append(files, filepath.Join(match, filepath.FromSlash(name)))
			}
			for _, f := range others {
				skipped = append(skipped, Skipped{filepath.Join(match, filepath.FromSlash(f.Name)), f.Kind, f.Reason})
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
func captures(dir fs.FS, seen *seenFiles) (found []string, skipped []Skipped, failed []error) {
	fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			failed = append(failed, err)
		case d.IsDir():
		case d.Type()&fs.ModeSymlink != 0:
			kind := kindLink
			if _, err := fs.Stat(dir, name); errors.Is(err, fs.ErrNotExist) {
				kind = kindBroken
			}
			skipped = append(skipped, skippedFor(name, kind))
		case !d.Type().IsRegular():
			skipped = append(skipped, skippedFor(name, kindIrregular))
		default:
			f, err := dir.Open(name)
			if err != nil {
				failed = append(failed, err)
				kind := kindUnopened
				if errors.Is(err, fs.ErrPermission) {
					kind = kindPermission
				}
				skipped = append(skipped, skippedFor(name, kind))
				break
			}
			defer f.Close()
			switch _, _, err := capture.Detect(f); {
			case errors.Is(err, capture.ErrEmpty), errors.Is(err, capture.ErrFormat):
				skipped = append(skipped, Skipped{name, kindOf(err), err.Error()})
			default:
				info, infoErr := f.Stat()
				if infoErr == nil {
					if other := seen.add(name, info); other != "" {
						skipped = append(skipped, Skipped{name, kindSame, "the same file as " + other})
						break
					}
				}
				found = append(found, name)
			}
		}
		return nil
	})
	return found, skipped, failed
}

// Kinds of reasons.
const (
	kindEmpty      = "empty"
	kindLink       = "symbolic link"
	kindBroken     = "broken symbolic link"
	kindIrregular  = "not a regular file"
	kindPermission = "no permission"
	kindUnopened   = "not opened"
	kindSame       = "read under another name"
)

// kindOf returns the kind of an error of Detect for what is no capture.
func kindOf(err error) string {
	switch text := err.Error(); {
	case errors.Is(err, capture.ErrEmpty):
		return kindEmpty
	case strings.HasPrefix(text, capture.ErrFormat.Error()):
		return capture.ErrFormat.Error()
	default: // another format, of which there are few
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "this is "), ":")
		return name
	}
}

// seenFiles has files by what links to a file have in common.
type seenFiles map[seenKey][]seenFile

type seenKey struct{ size, modified int64 }

type seenFile struct {
	name string
	info fs.FileInfo
}

// add adds a file, unless it is there under another name, which it returns.
func (s *seenFiles) add(name string, info fs.FileInfo) string {
	if *s == nil {
		*s = make(seenFiles)
	}
	key := seenKey{info.Size(), info.ModTime().UnixNano()}
	for _, other := range (*s)[key] {
		if os.SameFile(info, other.info) {
			return other.name
		}
	}
	(*s)[key] = append((*s)[key], seenFile{name, info})
	return ""
}
