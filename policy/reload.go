package policy

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Reloader is a policy that is read again when its file, or one that it refers to,
// changes. The one before stays in use until the new one is compiled and its tests pass.
// It is safe for use by several goroutines once its fields are set and Load has returned.
type Reloader struct {
	Dir     fs.FS // nil for [OS]
	Name    string
	Options LoadOptions // without Previous

	// Prepare, unless it is nil, is called with each new policy before it is used, such as to
	// load its certificates. An error of it is one of the policy.
	Prepare func(*Policy) error

	Log *slog.Logger // nil discards messages

	current  atomic.Pointer[Policy]
	reloads  atomic.Uint64
	failures atomic.Uint64
	loaded   atomic.Int64 // Unix time in nanoseconds
	failing  atomic.Bool

	mu       sync.Mutex
	reported string    // the last error, until a reload succeeds
	stamps   []stamp   // of the files that were read last
	waiting  time.Time // since when files that have changed have not settled
}

// checkInterval is how often files are checked. settleTime is how long they are left
// alone after a change: half a list is a list, too. Those that never settle are read
// after maxWait all the same.
const (
	checkInterval = time.Second
	settleTime    = time.Second
	maxWait       = 10 * time.Second
)

// A stamp tells the versions of a file apart.
type stamp struct {
	name string
	info fs.FileInfo // nil if there is no such file
}

// same reports whether a file is still that of s.
func (s stamp) same(now fs.FileInfo) bool {
	if s.info == nil || now == nil {
		return s.info == nil && now == nil
	}
	// SameFile knows files of the operating system alone.
	return s.info.Size() == now.Size() && s.info.ModTime().Equal(now.ModTime()) &&
		(os.SameFile(s.info, now) || !os.SameFile(now, now))
}

// Load reads the policy for the first time, and runs its tests.
func (r *Reloader) Load() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.load()
	return err
}

// Policy returns the policy in use. What is decided about one client at one stage should
// be decided by one policy: call it once.
func (r *Reloader) Policy() *Policy { return r.current.Load() }

// Run checks the files each second until ctx is done.
func (r *Reloader) Run(ctx context.Context) {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.Check()
		}
	}
}

// Check loads the policy again if files have changed, but not within the last second.
// It logs how that went.
func (r *Reloader) Check() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.changed() {
		return
	}
	start, before := time.Now(), r.stamps
	p, err := r.load()
	switch {
	case err != nil && err.Error() == r.reported && slices.EqualFunc(before, r.stamps, func(a, b stamp) bool { return a.name == b.name && a.same(b.info) }):
		return // a file that is there still cannot be read
	case err != nil:
		r.reported = err.Error()
		r.failures.Add(1)
		if r.Log != nil {
			lines := ErrorLines(err)
			r.Log.Error("the policy cannot be reloaded: the one before stays in use", "file", r.Name, "errors", len(lines), "error", lines[0])
			for _, line := range lines[1:] {
				r.Log.Error("the policy has another error", "file", r.Name, "error", line)
			}
		}
	default:
		r.reported = ""
		r.reloads.Add(1)
		if r.Log != nil {
			r.Log.Info("the policy was reloaded", "file", r.Name, "rules", len(p.rules), "took", time.Since(start).Round(time.Millisecond))
		}
	}
	r.failing.Store(err != nil)
}

// changed reports whether a file has changed, and all of them have settled.
func (r *Reloader) changed() bool {
	differs, settled := false, true
	now := time.Now()
	for _, s := range r.stamps {
		info, err := fs.Stat(r.dir(), s.name)
		if err != nil {
			info = nil
		} else if age := now.Sub(info.ModTime()); 0 <= age && age < settleTime {
			settled = false
		}
		differs = differs || !s.same(info)
	}
	switch {
	case differs && !settled && r.waiting.IsZero():
		r.waiting = now
		return false
	case differs && !settled && now.Sub(r.waiting) < maxWait:
		return false
	}
	r.waiting = time.Time{}
	return differs
}

func (r *Reloader) dir() fs.FS {
	if r.Dir == nil {
		return OS()
	}
	return r.Dir
}

// load reads the policy and puts it into use if there is no error.
func (r *Reloader) load() (*Policy, error) {
	o := r.Options
	o.Previous = r.current.Load()
	p, err := load(r.dir(), r.Name, o)
	r.stamps = p.stamps
	if err == nil {
		err = p.TestErr()
	}
	if err == nil && r.Prepare != nil {
		err = r.Prepare(p)
	}
	if err != nil {
		return nil, err
	}
	r.current.Store(p)
	r.loaded.Store(time.Now().UnixNano())
	return p, nil
}

// ReloadStats says how reloading went, not counting the first Load.
type ReloadStats struct {
	Reloads  uint64    // that succeeded
	Failures uint64    // after which the policy before stayed
	Failing  bool      // the last one failed
	Loaded   time.Time // when the policy in use was loaded
}

// Stats returns how reloading went.
func (r *Reloader) Stats() ReloadStats {
	s := ReloadStats{Reloads: r.reloads.Load(), Failures: r.failures.Load(), Failing: r.failing.Load()}
	if at := r.loaded.Load(); at != 0 {
		s.Loaded = time.Unix(0, at)
	}
	return s
}
