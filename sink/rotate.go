package sink

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// A RotatingFile appends lines to a file, and begins a new file when that has
// become too large or too old. The old file gets the time of rotation as a suffix:
// "hellos.jsonl.20261122T073315.390Z". The fields must not be changed once it is
// used.
type RotatingFile struct {
	// Path is the file. It is created with mode 0644, reduced by the umask, or
	// appended to; a file that ends in part of a line gets a line feed first. If
	// it is renamed or removed, a Write a second later begins a new one. Nothing
	// else may truncate it while it is open. Pipes and devices are not rotated.
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

	mu      sync.Mutex
	file    *os.File // nil before the first Write
	size    int64
	partial bool // the file ends with a part of a line
	regular bool // it is no pipe or device, which are never rotated
	opened  time.Time
	checked time.Time   // whether the file is still that of Path
	sync    *time.Timer // nil unless there is something to sync
	failed  error       // of the last sync by the timer, not returned yet
}

// checkInterval is how long a file that was renamed or removed goes unnoticed.
const checkInterval = time.Second

// Open opens the file. Write does that itself; Open reports errors before there
// is something to write. That a named pipe has no reader is none.
func (f *RotatingFile) Open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.open(); !errors.Is(err, syscall.ENXIO) {
		return err
	}
	return nil
}

func (f *RotatingFile) open() error {
	// O_NONBLOCK: opening a named pipe does not wait for a reader.
	file, err := os.OpenFile(f.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	size, regular := info.Size(), info.Mode().IsRegular()
	if regular && !endsLine(f.Path, size) {
		if _, err := file.WriteString("\n"); err != nil {
			return errors.Join(err, file.Close())
		}
		size++
	}
	now := time.Now()
	f.file, f.size, f.regular, f.partial, f.opened, f.checked = file, size, regular, false, now, now
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

// Write appends p, which must be whole lines. A line is never in two files. If Write
// fails, for example because the disk is full, n bytes of p are in the file. That is
// a number of whole lines, unless they could not be removed again; then the
// next Write must begin with the rest of the line.
//
// The error of a sync, or of a rotation without which Write went on, is
// returned with n = len(p).
func (f *RotatingFile) Write(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var rotating error
	for n < len(p) {
		k, err := f.writeLines(p[n:], &rotating)
		n += k
		if err != nil {
			return n, err
		}
	}
	switch {
	case f.file == nil: // p is empty
	case f.SyncEvery < 0:
		err = f.file.Sync()
	case f.SyncEvery > 0 && f.sync == nil:
		f.sync = time.AfterFunc(f.SyncEvery, f.syncLater)
	}
	err = errors.Join(err, rotating, f.failed)
	f.failed = nil
	return n, err
}

// writeLines writes those of the lines p that belong into one file. It sets rotating
// if a new file cannot be begun.
func (f *RotatingFile) writeLines(p []byte, rotating *error) (int, error) {
	if f.file != nil && !f.partial && f.replaced() {
		f.failed = errors.Join(f.failed, f.close())
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	fits := f.fits(p)
	old := f.MaxAge > 0 && time.Since(f.opened) > f.MaxAge
	if f.regular && f.size > 0 && !f.partial && *rotating == nil && (fits == 0 || old) {
		if *rotating = f.rotate(); *rotating == nil {
			return 0, nil
		}
	}
	switch {
	case *rotating != nil || f.partial && fits == 0:
		fits = len(p)
	case fits == 0: // a line beyond the limit
		if fits = bytes.IndexByte(p, '\n') + 1; fits == 0 {
			fits = len(p)
		}
	}
	n, err := f.file.Write(p[:fits])
	if err != nil {
		if rest := n - 1 - bytes.LastIndexByte(p[:n], '\n'); rest > 0 && f.truncateLast(rest) {
			n -= rest
		}
	}
	if n > 0 {
		f.partial = p[n-1] != '\n'
	}
	f.size += int64(n)
	return n, err
}

// fits returns the length of the lines of p that fit into the file.
func (f *RotatingFile) fits(p []byte) int {
	room := f.MaxSize - f.size
	if f.MaxSize <= 0 || !f.regular || int64(len(p)) <= room {
		return len(p)
	}
	return bytes.LastIndexByte(p[:max(0, room)], '\n') + 1
}

// replaced reports, at most once a second, whether the file is no longer that of
// Path: somebody has removed or renamed it.
func (f *RotatingFile) replaced() bool {
	if time.Since(f.checked) < checkInterval {
		return false
	}
	f.checked = time.Now()
	there, err := os.Stat(f.Path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	open, err := f.file.Stat()
	return err == nil && !os.SameFile(there, open)
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

// rotate gives the file another name, and closes it. After an error it is still open.
func (f *RotatingFile) rotate() error {
	now := time.Now().UTC()
	for n := 0; ; n++ {
		old := f.Path + "." + now.Add(time.Duration(n)*time.Millisecond).Format("20060102T150405.000Z")
		// Link fails if another file has the name; Rename would replace it.
		err := os.Link(f.Path, old)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			err = os.Rename(f.Path, old) // a file system without hard links
		} else if err = os.Remove(f.Path); err != nil {
			os.Remove(old)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // else somebody has removed or renamed it
			return fmt.Errorf("rotating %s: %w", f.Path, err)
		}
		f.failed = errors.Join(f.failed, f.close())
		return nil
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
