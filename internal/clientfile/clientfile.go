// Package clientfile keeps the clients that a user adds to the built-in ones: in a
// file with one [known.Entry] as JSON on each line.
package clientfile

import (
	"errors"
	"fmt"
	"os"

	"github.com/tlspeek/tlspeek/known"
)

// Read reads the clients in the named file. Without a name there are none.
func Read(name string) ([]known.Entry, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := known.ReadEntries(f)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return entries, nil
}

// Database returns the clients in the named file for lookups, or nil without a name.
func Database(name string) (*known.Database, error) {
	entries, err := Read(name)
	if err != nil || name == "" {
		return nil, err
	}
	db, err := known.NewDatabase(entries)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return db, nil
}

// WithBuiltin returns the clients in the named file, with their fingerprints, and then
// the built-in ones.
func WithBuiltin(name string) ([]known.Entry, error) {
	entries, err := Read(name)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if err := entries[i].Fingerprint(); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	builtin, err := known.BuiltinEntries()
	return append(entries, builtin...), err
}

// Append appends the entries that the named file does not have, and creates the file
// if there is none. It returns how many those are.
func Append(name string, entries []known.Entry) (added int, err error) {
	old, err := Read(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	type id struct{ name, version, flags, ja3, ja4, npf string }
	idOf := func(e *known.Entry) id { return id{e.Name, e.Version, e.Flags, e.JA3, e.JA4, e.NPF} }
	seen := make(map[id]bool)
	for i := range old {
		seen[idOf(&old[i])] = true
	}
	var lines []byte
	for i := range entries {
		e := &entries[i]
		if seen[idOf(e)] {
			continue
		}
		seen[idOf(e)] = true
		if lines, err = e.AppendLine(lines); err != nil {
			return 0, err
		}
		added++
	}
	return added, appendLines(name, lines)
}

func appendLines(name string, lines []byte) error {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if len(lines) > 0 && !endsLine(f) {
		lines = append([]byte{'\n'}, lines...)
	}
	if _, err := f.Write(lines); err != nil {
		f.Close()
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// endsLine reports whether f is empty or ends with a line feed, which some editors
// leave out.
func endsLine(f *os.File) bool {
	var last [1]byte
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return true
	}
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err != nil || last[0] == '\n'
}
