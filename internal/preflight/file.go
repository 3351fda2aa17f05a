package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// fileError adds the error of opening a file.
func (r *Report) fileError(subject string, err error) {
	advice := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		advice = "check the name; relative ones begin at the working directory"
		if dir, failed := os.Getwd(); failed == nil {
			advice += ", " + dir
		}
	case errors.Is(err, fs.ErrPermission):
		advice = fmt.Sprintf("let the user of this program (uid %d) read it, and enter each folder above it", os.Geteuid())
	case errors.Is(err, syscall.ENOTDIR):
		advice = "check the name: one of its folders is a file"
	}
	r.Fail(subject, err.Error(), advice)
}

// Folder checks that a folder can be written to, or can be made. It reports whether
// it can.
func (r *Report) Folder(subject, dir string) bool {
	at := filepath.Clean(dir)
	for {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			at = filepath.Dir(at)
			continue
		case err != nil:
			r.fileError(subject, err)
			return false
		case !info.IsDir():
			r.Fail(subject, at+": is not a folder", "choose another folder")
			return false
		}
		return r.writable(subject, at, fmt.Sprintf("to make %s there, or choose another folder", dir), at == filepath.Clean(dir))
	}
}

// writable checks that files can be made in a folder.
func (r *Report) writable(subject, dir, purpose string, isIt bool) bool {
	err := access(dir, true)
	switch {
	case err == nil:
		return true
	case errors.Is(err, syscall.EROFS):
		r.Fail(subject, dir+": is on a file system that is read-only", "choose another folder")
	case isIt:
		r.Fail(subject, fmt.Sprintf("%s: cannot be written to: %s", dir, err), fmt.Sprintf("let the user of this program (uid %d) write to it, or choose another folder", os.Geteuid()))
	default:
		r.Fail(subject, fmt.Sprintf("%s: cannot be written to: %s", dir, err), fmt.Sprintf("let the user of this program (uid %d) write to it, %s", os.Geteuid(), purpose))
	}
	return false
}

// File checks that a file can be written to. It need not exist, but its folder must.
// With replaced, it is replaced or renamed as a whole, so that its folder must be
// writable in any case. It reports whether that is all so.
func (r *Report) File(subject, path string, replaced bool) bool {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil {
		advice := "mkdir -p " + dir
		if !errors.Is(err, fs.ErrNotExist) {
			advice = "choose another file"
		}
		r.Fail(subject, fmt.Sprintf("the folder %s: %s", dir, errors.Unwrap(err)), advice)
		return false
	} else if !info.IsDir() {
		r.Fail(subject, dir+": is not a folder", "choose another file")
		return false
	}
	info, err := os.Stat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		r.fileError(subject, err)
		return false
	case !missing && info.IsDir():
		r.Fail(subject, path+": is a folder", "name a file in it")
		return false
	case !missing && !replaced:
		if err := access(path, false); err != nil {
			r.Fail(subject, fmt.Sprintf("%s: cannot be written to: %s", path, err),
				fmt.Sprintf("let the user of this program (uid %d) write to it, or choose another file", os.Geteuid()))
			return false
		}
	case !missing && !info.Mode().IsRegular():
		r.Fail(subject, path+": is not a regular file, and would be replaced by one", "name another file")
		return false
	default:
		if !r.writable(subject, dir, "or choose another folder", true) {
			return false
		}
	}
	return true
}

// Less than fullBelow is a full disk, and less than scarceBelow one that will be.
const (
	fullBelow   = 1 << 20
	scarceBelow = 100 << 20
)

// Room checks that there are need bytes and more on the disk of path, which need not
// exist.
func (r *Report) Room(subject, path string, need uint64) {
	dir := filepath.Clean(path)
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	bytes, files, ok := room(dir)
	switch {
	case !ok:
	case bytes < max(fullBelow, need):
		r.Fail(subject, fmt.Sprintf("the disk of %s has only %d KiB free", path, bytes>>10), "free space, or choose a folder on another disk")
	case files == 0:
		r.Fail(subject, fmt.Sprintf("the disk of %s has no room for another file (inodes)", path), "remove files, or choose a folder on another disk")
	case bytes < scarceBelow+need:
		r.Warn(subject, fmt.Sprintf("the disk of %s has only %d MiB free", path, bytes>>20), "free space, or choose a folder on another disk")
	}
}
