//go:build linux || darwin

package preflight

import "syscall"

// access returns why this user cannot write to path, or make files in it if it is a
// folder. It does not open it: opening a pipe would wait or be noticed.
func access(path string, folder bool) error {
	const execute, write = 1, 2
	mode := uint32(write)
	if folder {
		mode |= execute
	}
	return syscall.Access(path, mode)
}

// room returns the bytes and files that this user can add in dir. A file system that
// does not count files has room for one.
func room(dir string) (bytes, files uint64, ok bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return 0, 0, false
	}
	return uint64(s.Bavail) * uint64(s.Bsize), max(s.Ffree, 1-min(s.Files, 1)), true
}

// OpenFiles returns how many files this process may have open, or 0 if there is no
// such limit.
func OpenFiles() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return l.Max
}
