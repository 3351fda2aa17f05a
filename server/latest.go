package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Latest keeps the latest Events, to have them in a file as one JSON array.
type Latest struct {
	Path string
	Keep int // how many, 1 or more

	mu      sync.Mutex
	events  [][]byte // a ring once it is full
	oldest  int
	changed bool

	saving sync.Mutex
}

// Load reads what an earlier run has left in the file, if there is one.
func (l *Latest) Load() error {
	text, err := os.ReadFile(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var events []json.RawMessage
	if err := json.Unmarshal(text, &events); err != nil {
		return fmt.Errorf("reading %s, which should be a JSON array: %w", l.Path, err)
	}
	for _, e := range events {
		l.Add(e)
	}
	l.mu.Lock()
	l.changed = false
	l.mu.Unlock()
	return nil
}

// Add keeps a copy of e, a JSON object.
func (l *Latest) Add(e []byte) {
	e = bytes.Clone(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = true
	if len(l.events) < l.Keep {
		l.events = append(l.events, e)
		return
	}
	l.events[l.oldest] = e
	l.oldest = (l.oldest + 1) % len(l.events)
}

// Save writes the file anew, oldest Event first, if any came since it was
// written last. Whoever reads the file finds the old one or the new one whole.
func (l *Latest) Save() (err error) {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	events := append(append([][]byte(nil), l.events[l.oldest:]...), l.events[:l.oldest]...)
	changed := l.changed
	l.changed = false
	l.mu.Unlock()
	if _, statErr := os.Stat(l.Path); !changed && statErr == nil {
		return nil
	}
	defer func() {
		if err != nil {
			l.mu.Lock()
			l.changed = true
			l.mu.Unlock()
		}
	}()
	return writeFile(l.Path, 0o644, func(w *bufio.Writer) {
		w.WriteByte('[')
		for i, e := range events {
			if i > 0 {
				w.WriteByte(',')
			}
			w.WriteByte('\n')
			w.Write(e)
		}
		w.WriteString("\n]\n")
	})
}

// writeFile writes a file that is there whole or not at all.
func writeFile(path string, mode fs.FileMode, write func(*bufio.Writer)) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // in vain once it is renamed
	w := bufio.NewWriter(f)
	write(w)
	if err := errors.Join(w.Flush(), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
