package sink

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// A RotatingFile appends lines to a file, and begins a new file when that has
// become too large or too old. The old file gets the time of rotation as a suffix:
// "hellos.jsonl.20261122T073315.390Z". The fields must not be changed once it is
// used.
type RotatingFile struct {
	// Path is the file. It is created with mode 0644, reduced by the umask, or
	// appended to; a file that ends in part of a line gets a line feed first.
	// Nothing else may rename or truncate it while it is open.
	Path string

	// MaxSize is the size, in bytes, beyond which a line goes to a new file. A
	// longer line has a file of its own. 0 is no limit.
	MaxSize int64

	// MaxAge is how long after it was opened a file is rotated, by the next
	// Write. 0 is no limit.
	MaxAge time.Duration

	// SyncEvery bounds how long data may be only in the memory of the system.
	// 0 leaves that to the system. Negative has each Write return when its data
	// is on disk. Otherwise a timer syncs; the next Write returns its error.
	SyncEvery time.Duration

	mu     sync.Mutex
	file   *os.File // nil before the first Write
	size   int64
	opened time.Time
	sync   *time.Timer // nil unless there is something to sync
	failed error       // of the last sync by the timer, not returned yet
}

// Open opens the file. Write does that itself; Open reports errors before there
// is something to write.
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

// endsLine reports whether a file of this size ends with a complete line. After a
// crash it may not.
func endsLine(path string, size int64) bool {
	file, err := os.Open(path)
	if err != nil {
		return true // unreadable: assume it does
	}
	defer file.Close()
	var last [1]byte
	n, _ := file.ReadAt(last[:], max(0, size-1))
	return n == 0 || last[0] == '\n'
}

// Write appends p, which must be one line or more, to one file. If it fails, for
// example because the disk is full, nothing of p stays in the file, and the next
// Write may succeed.
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
	if err != nil && n > 0 && f.truncateLast(n) {
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

// truncateLast removes the last n bytes from the file.
func (f *RotatingFile) truncateLast(n int) bool {
	info, err := f.file.Stat()
	return err == nil && info.Mode().IsRegular() && f.file.Truncate(info.Size()-int64(n)) == nil
}

// syncLater syncs the file for the timer, and has the next Write return an error.
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
		// Link fails if another file has the name; Rename would replace it.
		linked := os.Link(f.Path, old)
		if errors.Is(linked, os.ErrExist) {
			continue
		}
		if linked != nil {
			linked = os.Rename(f.Path, old) // a file system without hard links
		} else {
			linked = os.Remove(f.Path)
		}
		if linked != nil {
			return fmt.Errorf("rotating %s: %w", f.Path, errors.Join(err, linked))
		}
		return err
	}
}

// Close syncs the file if SyncEvery is not 0, and closes it. A later Write opens it
// again.
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
