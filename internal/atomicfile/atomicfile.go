// Package atomicfile replaces files as a whole.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces the file at path: it writes a temporary file in the same folder,
// with the given mode whatever the umask, syncs it and renames it. Path is
// always the old file or the new one. After an error the old one is
// unchanged. write may ignore the errors of its Writer.
func Write(path string, mode fs.FileMode, write func(*bufio.Writer)) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	w := bufio.NewWriter(f)
	write(w)
	if err := errors.Join(w.Flush(), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
