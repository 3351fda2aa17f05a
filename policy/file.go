package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/signals"
)

// MaxFileSize is how many bytes the file of a policy may have.
const MaxFileSize = 8 << 20

// LoadOptions say what [Load] needs beside files. The zero value will do for a policy
// that only files are needed for.
type LoadOptions struct {
	// Agg is that of [EnvOptions].
	Agg func(value string) (v signals.Values, ok bool)

	// Certificates are the names of certificates that rules may choose, beside those
	// of the file.
	Certificates []string

	// Capture returns the Event of the hello that a packet of a capture completed, for
	// tests of the file. Its number is from 1.
	Capture func(r io.Reader, packet int64) (*event.Event, error)

	// DryRun has the Policy say what would be, in each Verdict that is not to allow.
	DryRun bool

	// Slots is the size of the table of each limit, as for [signals.NewLimiter].
	Slots int

	// Previous is the policy that the new one replaces, or nil. Rules of both with the
	// same name, by and rate share limits, and those with the same do and mode, too, share
	// counts.
	Previous *Policy
}

// A FileError is an error at a place of a file.
type FileError struct {
	File         string
	Line, Column int // from 1; columns are characters
	Message      string
	Source       string // the line of the file, with a mark below, or empty
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s%s", e.File, e.Line, e.Column, e.Message, e.Source)
}

// OS returns the files of the operating system, for [Load]: names are paths, which may
// be absolute or have "..", other than those of [os.DirFS].
func OS() fs.FS { return osFS{} }

type osFS struct{}

func (osFS) Open(name string) (fs.File, error) { return os.Open(name) }

func (osFS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// Load reads the policy in the file with the given name, and what it refers to: names of
// other files are relative to its folder. The error joins all that is wrong, each
// a [*FileError], a [*ListError], or one of reading a file. Load does not run the tests.
func Load(dir fs.FS, name string, o LoadOptions) (*Policy, error) {
	p, err := load(dir, name, o)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// load is Load, and returns a Policy with the names of the files after an error, too.
func load(dir fs.FS, name string, o LoadOptions) (*Policy, error) {
	l := &loader{
		dir:    dir,
		name:   name,
		policy: &Policy{dir: dir, options: o, dryRun: o.DryRun, lists: make(map[string]*fileList)},
	}
	var err error
	if l.source, err = l.read(name, MaxFileSize); err != nil {
		return l.policy, fmt.Errorf("reading the policy: %w", err)
	}
	if root := l.parse(); root != nil {
		l.file(root)
	}
	return l.policy, l.err()
}

// A loader reads a policy from a file.
type loader struct {
	dir    fs.FS
	name   string
	source []byte
	text   string // source, once a place was needed
	starts []int  // of its lines
	policy *Policy
	errs   []placedError
	nodes  int  // that were visited
	limits int  // that were read
	broken bool // a rule has an error
}

// A placedError is an error with its place in the policy's file.
type placedError struct {
	line, column int
	err          error
}

// Bounds of what errors tell and of what aliases may repeat.
const (
	maxFileErrors = 50
	maxNodes      = 1 << 20
)

func (l *loader) err() error {
	slices.SortStableFunc(l.errs, func(a, b placedError) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var errs []error
	for _, e := range l.errs {
		if len(errs) == 0 || errs[len(errs)-1].Error() != e.err.Error() {
			errs = append(errs, e.err)
		}
	}
	if more := len(errs) - maxFileErrors; more > 0 {
		errs = append(errs[:maxFileErrors], fmt.Errorf("%s: and %d more errors", l.name, more))
	}
	return errors.Join(errs...)
}

// fail adds an error at a node.
func (l *loader) fail(n *yaml.Node, format string, args ...any) {
	l.failAt(n.Line, n.Column, fmt.Sprintf(format, args...))
}

func (l *loader) failAt(line, column int, message string) {
	l.add(line, column, &FileError{File: l.name, Line: line, Column: column, Message: message})
}

// add adds an error that has a place of its own, sorted where it was caused.
func (l *loader) add(line, column int, err error) {
	l.errs = append(l.errs, placedError{line, column, err})
}

// parse returns the root of the file, or nil after an error.
func (l *loader) parse() *yaml.Node {
	source := bytes.TrimPrefix(l.source, []byte("\ufeff"))
	l.source = source
	d := yaml.NewDecoder(bytes.NewReader(source))
	var doc, second yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		l.failAt(1, 1, "the file is empty: write rules: [] for a policy without rules")
		return nil
	case err != nil:
		l.failYAML(err)
		return nil
	}
	switch err := d.Decode(&second); {
	case err == nil:
		l.fail(&second, "the file has a second document: a policy is one")
		return nil
	case !errors.Is(err, io.EOF):
		l.failYAML(err)
		return nil
	}
	root := doc.Content[0]
	if isNull(root) {
		l.failAt(1, 1, "the file is empty: write rules: [] for a policy without rules")
		return nil
	}
	return root
}

// resolve returns the name of a file that the policy refers to.
func (l *loader) resolve(name string) string {
	if filepath.IsAbs(name) || path.IsAbs(name) {
		return name
	}
	return path.Join(path.Dir(filepath.ToSlash(l.name)), filepath.ToSlash(name))
}

// uses notes that the policy depends on a file. info is nil if there is none.
func (l *loader) uses(name string, info fs.FileInfo) {
	if !slices.ContainsFunc(l.policy.stamps, func(s stamp) bool { return s.name == name }) {
		l.policy.stamps = append(l.policy.stamps, stamp{name, info})
	}
}

// read reads a file of at most limit bytes.
func (l *loader) read(name string, limit int64) ([]byte, error) {
	// Opening a pipe would wait for somebody to write to it, and perhaps for ever.
	if info, err := fs.Stat(l.dir, name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		l.uses(name, info)
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	f, err := l.dir.Open(name)
	if err != nil {
		l.uses(name, nil)
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // before it is read: what changes it meanwhile is seen later
	if err != nil {
		l.uses(name, nil)
		return nil, err
	}
	l.uses(name, info)
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, err
}
