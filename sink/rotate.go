package sink

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// A RotatingFile is a file of lines to append to, that gives way to a new one
// when it has become too large or too old. The old one keeps its name with the
// time behind it: "hellos.jsonl.20261122T073315.390Z". A Write is not cut, not
// even by a full disk: then nothing of it is kept.
type RotatingFile struct {
	Path    string
	MaxSize int64         // bytes; 0 for no limit
	MaxAge  time.Duration // since the file was opened; 0 for no limit

	// SyncEvery is how long what was written may be in the system's memory
	// only. 0 leaves that to the system; negative is for not at all: Write
	// returns when it is on disk.
	SyncEvery time.Duration

	mu     sync.Mutex
	file   *os.File // nil before the first Write
	size   int64
	opened time.Time
	sync   *time.Timer // nil unless there is something to sync
	failed error       // of the last sync, if nobody was told yet
}

// Open opens the file, so that what is wrong with it is known before it is
// needed.
func (f *RotatingFile) Open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open()
}

func (f *RotatingFile) open() error {
	file, err := os.OpenFile(f.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.size, f.opened = file, info.Size(), time.Now()
	if info.Mode().IsRegular() && !endsLine(f.Path, info.Size()) {
		n, err := file.WriteString("\n")
		f.size += int64(n)
		return err
	}
	return nil
}

// endsLine reports whether a file of this size does not end in half a line, as
// it may where the machine has stopped.
func endsLine(path string, size int64) bool {
	file, err := os.Open(path)
	if err != nil {
		return true // as far as one sees
	}
	defer file.Close()
	var last [1]byte
	n, _ := file.ReadAt(last[:], max(0, size-1))
	return n == 0 || last[0] == '\n'
}

// Write appends p.
func (f *RotatingFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil && f.size > 0 &&
		(f.MaxSize > 0 && f.size+int64(len(p)) > f.MaxSize || f.MaxAge > 0 && time.Since(f.opened) > f.MaxAge) {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(p)
	if err != nil && n > 0 && f.takeBack(n) {
		n = 0
	}
	f.size += int64(n)
	switch {
	case err != nil:
	case f.SyncEvery < 0:
		err = f.file.Sync()
	case f.SyncEvery > 0 && f.sync == nil:
		f.sync = time.AfterFunc(f.SyncEvery, f.syncLater)
	}
	if err == nil {
		err, f.failed = f.failed, nil
	}
	return n, err
}

// takeBack cuts the last n bytes off.
func (f *RotatingFile) takeBack(n int) bool {
	info, err := f.file.Stat()
	return err == nil && info.Mode().IsRegular() && f.file.Truncate(info.Size()-int64(n)) == nil
}

// syncLater has the next Write tell of an error.
func (f *RotatingFile) syncLater() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sync = nil
	if f.file != nil {
		f.failed = f.file.Sync()
	}
}

func (f *RotatingFile) rotate() error {
	err := f.close()
	now := time.Now().UTC()
	for n := 0; ; n++ {
		old := f.Path + "." + now.Add(time.Duration(n)*time.Millisecond).Format("20060102T150405.000Z")
		// Link fails where another file has the name; renaming would not.
		linked := os.Link(f.Path, old)
		if errors.Is(linked, os.ErrExist) {
			continue
		}
		if linked != nil {
			linked = os.Rename(f.Path, old) // a file system without links
		} else {
			linked = os.Remove(f.Path)
		}
		if linked != nil {
			return fmt.Errorf("rotating %s: %w", f.Path, errors.Join(err, linked))
		}
		return err
	}
}

// Close closes the file, with all of it written.
func (f *RotatingFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.close()
}

func (f *RotatingFile) close() error {
	if f.file == nil {
		return nil
	}
	if f.sync != nil {
		f.sync.Stop()
		f.sync = nil
	}
	var err error
	if f.SyncEvery != 0 {
		err = f.file.Sync()
	}
	err = errors.Join(err, f.file.Close())
	f.file = nil
	return err
}
