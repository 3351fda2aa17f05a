package sink

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/tlspeek/tlspeek/internal/atomicfile"
)

// DefaultLatestBytes is the MaxBytes of a [Latest] that sets none: some 20,000
// Events of usual hellos. A hello of 60 KB may have an Event of 300 KB.
const DefaultLatestBytes = 16 << 20

// Latest keeps the latest Events in memory, and writes them to a file as one JSON
// array. The fields must not be changed once it is used.
type Latest struct {
	// Path is the file. Save writes a temporary file beside it, with the name
	// .NAME-* and mode 0644, syncs it and renames it to Path, so that Path has
	// the old Events or the new ones, also after a crash. A symbolic link
	// is replaced.
	Path string

	Keep     int // number of Events at most, 1 or more
	MaxBytes int // of all of them; 0 is DefaultLatestBytes

	mu      sync.Mutex
	events  [][]byte // oldest first
	bytes   int      // of them all
	changed bool

	saving sync.Mutex
}

// Load reads the Events of an earlier run, if there is a file. In memory it holds
// no more than Keep and MaxBytes. An error is that of opening or reading the
// file, or says that it is not a JSON array; the file stays as it is.
func (l *Latest) Load() error {
	f, err := os.Open(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := l.load(json.NewDecoder(f)); err != nil {
		return fmt.Errorf("reading %s, which should be a JSON array: %w", l.Path, err)
	}
	l.mu.Lock()
	l.changed = false
	l.mu.Unlock()
	return nil
}

func (l *Latest) load(d *json.Decoder) error {
	begin, err := d.Token()
	if err != nil {
		return err
	}
	if begin != json.Delim('[') {
		return fmt.Errorf("it begins with %v", begin)
	}
	for d.More() {
		var e json.RawMessage
		if err := d.Decode(&e); err != nil {
			return err
		}
		l.Add(e)
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more after it")
	}
	return nil
}

// Add adds a copy of e, a JSON object, and drops old ones to make room. It drops e
// if that is longer than MaxBytes.
func (l *Latest) Add(e []byte) {
	limit := cmp.Or(l.MaxBytes, DefaultLatestBytes)
	if len(e) > limit {
		return
	}
	e = bytes.Clone(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = true
	l.events = append(l.events, e)
	l.bytes += len(e)
	n := max(0, len(l.events)-l.Keep)
	for i, old := range l.events {
		if i >= n && l.bytes <= limit {
			n = i
			break
		}
		l.bytes -= len(old)
		l.events[i] = nil
	}
	l.events = l.events[n:]
}

// Save writes the file, oldest Event first, if there are new Events since the
// last time, or no file. After an error the file is as it was, and the next Save
// tries again.
func (l *Latest) Save() (err error) {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	events := slices.Clone(l.events)
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
	return atomicfile.Write(l.Path, 0o644, func(w *bufio.Writer) {
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
