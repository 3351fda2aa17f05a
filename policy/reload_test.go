package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

// A reloadFixture is a policy in a folder, with a fake clock.
type reloadFixture struct {
	t   *testing.T
	dir string
	log bytes.Buffer
	*Reloader
}

func (f *reloadFixture) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	require.NoError(f.t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(f.t, os.Chtimes(path, time.Now(), time.Now()))
}

// later has a second and a half pass, and returns what the policy says of a server name.
func (f *reloadFixture) later(sni string) string {
	time.Sleep(settleTime * 3 / 2)
	f.Check()
	e := named(sni)
	return f.Policy().Decide(AtHello, ask(e, nil), time.Now()).Rule
}

func withReloader(t *testing.T, text string, do func(f *reloadFixture)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &reloadFixture{t: t, dir: dir}
		f.Reloader = &Reloader{Name: filepath.Join(dir, "policy.yaml"), Log: slog.New(slog.NewTextHandler(&f.log, nil))}
		f.write("names.txt", "a.example\n")
		f.write("policy.yaml", text)
		require.NoError(t, f.Load())
		time.Sleep(time.Minute)
		do(f)
	})
}

const reloaded = `
lists: {names: {file: names.txt, type: names}}
rules:
  - {name: listed, when: 'inList("names", sni)', do: deny}
tests:
  - {event: {sni: a.example}, expect: {rule: listed}}
`

func TestReload(t *testing.T) {
	withReloader(t, reloaded, func(f *reloadFixture) {
		first := f.Policy()
		start := time.Now().Add(-time.Minute)
		assert.Equal(t, ReloadStats{Loaded: start}, f.Stats(), "the first is none")
		assert.Equal(t, "listed", f.later("a.example"))
		assert.Same(t, first, f.Policy(), "nothing has changed")

		f.write("names.txt", "a.example\nb.example\n")
		f.Check()
		assert.Same(t, first, f.Policy(), "there may be more to come")
		assert.Equal(t, "listed", f.later("b.example"), "a list has changed")
		s := f.Stats()
		assert.Equal(t, []any{uint64(1), uint64(0), false}, []any{s.Reloads, s.Failures, s.Failing})
		assert.True(t, s.Loaded.After(start))
		assert.Contains(t, f.log.String(), "the policy was reloaded")

		second := f.Policy()
		f.write("policy.yaml", strings.ReplaceAll(reloaded, "listed", "renamed"))
		assert.Equal(t, "renamed", f.later("b.example"))
		assert.NotSame(t, second, f.Policy())
	})
}

// TestReloadFails: the policy before stays, and the error is logged once.
func TestReloadFails(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want string }{
		{"no YAML", "policy.yaml", "rules: [", "policy.yaml:1:1: is not YAML"},
		{"an empty file", "policy.yaml", "", "the file is empty"},
		{"an unknown key", "policy.yaml", strings.ReplaceAll(reloaded, "sni)", "sin)"), "there is no key sin"},
		{"a broken list", "names.txt", "a.example\nb..example\n", "names.txt:2:"},
		{"a test fails", "names.txt", "b.example\n", "1 of 1 tests failed"},
		{"no list", "names.txt", "remove", "names.txt: no such file or directory"},
		{"no policy", "policy.yaml", "remove", "policy.yaml: no such file or directory"},
	} {
		withReloader(t, reloaded, func(f *reloadFixture) {
			first := f.Policy()
			change := func() {
				f.write(tt.file, tt.text)
				if tt.text == "remove" {
					require.NoError(t, os.Remove(filepath.Join(f.dir, tt.file)))
				}
			}
			change()
			assert.Equal(t, "listed", f.later("a.example"), tt.name)
			assert.Equal(t, "listed", f.later("a.example"), tt.name)
			assert.Same(t, first, f.Policy())
			assert.Equal(t, 1, strings.Count(f.log.String(), "the one before stays in use"), "%s: %s", tt.name, f.log.String())
			assert.Contains(t, f.log.String(), tt.want, tt.name)
			s := f.Stats()
			assert.Equal(t, []any{uint64(0), uint64(1), true}, []any{s.Reloads, s.Failures, s.Failing}, tt.name)

			f.write("names.txt", "a.example\nc.example\n")
			f.write("policy.yaml", reloaded)
			assert.Equal(t, "listed", f.later("c.example"), tt.name)
			assert.False(t, f.Stats().Failing)
			assert.Equal(t, uint64(1), f.Stats().Reloads)
		})
	}
}

// TestReloadOtherFile: another file in the place of one counts, whatever its time.
func TestReloadOtherFile(t *testing.T) {
	withReloader(t, reloaded, func(f *reloadFixture) {
		path := filepath.Join(f.dir, "names.txt")
		before, err := os.Stat(path)
		require.NoError(t, err)
		f.write("new.txt", "a.example#")
		require.NoError(t, os.Chtimes(filepath.Join(f.dir, "new.txt"), before.ModTime(), before.ModTime()))
		require.NoError(t, os.Rename(filepath.Join(f.dir, "new.txt"), path))
		f.later("a.example")
		assert.Equal(t, uint64(1), f.Stats().Failures, "a.example# is no name")
	})
}

// TestReloadOfWhatNeverSettles: a list that something adds to all the time is read now and then.
func TestReloadOfWhatNeverSettles(t *testing.T) {
	withReloader(t, reloaded, func(f *reloadFixture) {
		text := "a.example\n"
		for i := range 50 { // for 25 seconds
			text += fmt.Sprintf("%d.example\n", i)
			f.write("names.txt", text)
			f.Check()
			time.Sleep(settleTime / 2)
		}
		assert.Equal(t, uint64(2), f.Stats().Reloads)
		assert.Equal(t, "listed", f.later("49.example"))
		assert.Equal(t, uint64(3), f.Stats().Reloads)
	})
}

func TestReloadPrepare(t *testing.T) {
	withReloader(t, reloaded, func(f *reloadFixture) {
		first := f.Policy()
		f.Prepare = func(p *Policy) error {
			assert.NotSame(t, first, p)
			return errors.New("no such key")
		}
		f.write("names.txt", "a.example\nb.example\n")
		assert.Empty(t, f.later("b.example"))
		assert.Same(t, first, f.Policy())
		assert.Contains(t, f.log.String(), "no such key")
	})
}

func TestReloadRun(t *testing.T) {
	withReloader(t, reloaded, func(f *reloadFixture) {
		ctx, cancel := context.WithCancel(f.t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { f.Run(ctx) })
		f.write("names.txt", "a.example\nb.example\n")
		time.Sleep(3 * time.Second)
		assert.Equal(t, uint64(1), f.Stats().Reloads)
		cancel()
		wg.Wait()
	})
}

// TestReloadUnderLoad: while policies are swapped, each decision is by one of them.
func TestReloadUnderLoad(t *testing.T) {
	texts := make([]string, 2)
	for i := range texts {
		texts[i] = fmt.Sprintf("rules:\n  - {name: tag%[1]d, when: 'true', do: tag}\n  - {name: deny%[1]d, when: 'true', do: deny}\n", i)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "policy.yaml")
	write := func(i int) {
		require.NoError(t, os.WriteFile(name, []byte(texts[i%2]+strings.Repeat("#", i)), 0o600))
		old := time.Now().Add(-time.Hour)
		require.NoError(t, os.Chtimes(name, old, old))
	}
	write(0)
	r := &Reloader{Name: name}
	require.NoError(t, r.Load())
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			var in Input
			e := named("a")
			for {
				select {
				case <-done:
					return
				default:
				}
				in.Reset(&e, nil)
				v := r.Policy().Decide(AtHello, &in, noon)
				if assert.Len(t, v.Tags, 1) {
					assert.Equal(t, strings.TrimPrefix(v.Tags[0], "tag"), strings.TrimPrefix(v.Rule, "deny"))
				}
			}
		})
	}
	for i := 1; i <= 20; i++ {
		write(i)
		r.Check()
	}
	close(done)
	wg.Wait()
	assert.Equal(t, uint64(20), r.Stats().Reloads)
}

func BenchmarkReload(b *testing.B) {
	dir := b.TempDir()
	name := filepath.Join(dir, "policy.yaml")
	require.NoError(b, os.WriteFile(filepath.Join(dir, "bad.txt"), []byte(listText(ListValues, 100_000)), 0o600))
	require.NoError(b, os.WriteFile(name, []byte(wholePolicy), 0o600))
	r := &Reloader{Name: name}
	require.NoError(b, r.Load())
	for b.Loop() {
		if err := r.Load(); err != nil {
			b.Fatal(err)
		}
	}
}

// A sometimesFS is a file system in which a file can be seen, but perhaps not be opened.
type sometimesFS struct {
	fs.FS
	err map[string]error
}

func (f *sometimesFS) Open(name string) (fs.File, error) {
	if err := f.err[filepath.Base(name)]; err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f.FS.Open(name)
}

func (f *sometimesFS) Stat(name string) (fs.FileInfo, error) { return fs.Stat(f.FS, name) }

// TestReloadUnreadable: a file that cannot be opened is tried again, and told once.
func TestReloadUnreadable(t *testing.T) {
	withReloader(t, reloaded, func(f *reloadFixture) {
		files := &sometimesFS{OS(), map[string]error{"names.txt": fs.ErrPermission}}
		f.Dir = files
		f.write("names.txt", "a.example\nb.example\n")
		for range 5 {
			assert.Empty(t, f.later("b.example"))
		}
		assert.Equal(t, 1, strings.Count(f.log.String(), "permission denied"), f.log.String())
		assert.Equal(t, uint64(1), f.Stats().Failures)

		f.write("policy.yaml", reloaded+"# changed\n")
		assert.Empty(t, f.later("b.example"))
		assert.Equal(t, uint64(2), f.Stats().Failures, "there is something new to tell")

		files.err = nil
		assert.Equal(t, "listed", f.later("b.example"))
		assert.False(t, f.Stats().Failing)
	})
}

// TestIrregularFile: a pipe, which might never have a writer, is not opened.
func TestIrregularFile(t *testing.T) {
	for _, name := range []string{"policy.yaml", "l.txt", "a.pcap"} {
		files := fstest.MapFS{
			"policy.yaml": {Data: []byte("lists: {l: {file: l.txt}}\nrules: []\ntests: [{event: {capture: a.pcap, packet: 1}, expect: {do: allow}}]\n")},
			"l.txt":       {Data: []byte("a.example\n")},
			"a.pcap":      {},
		}
		files[name].Mode = fs.ModeNamedPipe
		_, err := Load(files, "policy.yaml", LoadOptions{Capture: func(io.Reader, int64) (*event.Event, error) { return nil, nil }})
		assert.ErrorContains(t, err, name+" is no regular file")
	}
}

// TestReloadForCertificate: a policy whose certificate was not there is read again when it is.
func TestReloadForCertificate(t *testing.T) {
	withReloader(t, reloaded, func(f *reloadFixture) {
		f.Prepare = func(p *Policy) error {
			for _, c := range p.Certificates() {
				if _, err := fs.Stat(OS(), c.Cert); err != nil {
					return err
				}
			}
			return nil
		}
		f.write("policy.yaml", "certificates: {other: {cert: a.pem, key: a.key}}\nrules: [{name: other, when: 'sni == \"b.example\"', do: config, certificate: other}]")
		for range 3 {
			assert.Equal(t, "listed", f.later("a.example"))
		}
		assert.Equal(t, uint64(1), f.Stats().Failures)
		f.write("a.pem", "certificate")
		assert.Equal(t, "other", f.later("b.example"))
	})
}
