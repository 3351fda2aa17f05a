package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/internal/filter"
)

// A timeRange says from when hellos are.
type timeRange struct {
	first, last time.Time
	met         bool // one is of the times that were asked for
}

// add adds the time of a hello.
func (r *timeRange) add(t time.Time, f *filter.Filter) {
	r.include(t)
	r.met = r.met || (f.Since.IsZero() || !t.Before(f.Since)) && (f.Until.IsZero() || t.Before(f.Until))
}

func (r *timeRange) include(t time.Time) {
	if r.first.IsZero() || t.Before(r.first) {
		r.first = t
	}
	if t.After(r.last) {
		r.last = t
	}
}

// write says from when the hellos are if none is of the times that were asked for.
func (r *timeRange) write(w io.Writer) {
	switch {
	case r.met || r.first.IsZero():
	case r.first.Equal(r.last):
		fmt.Fprintf(w, "%12s no hello is of the times of --since and --until: the only time is %s\n", "", timeText(r.first))
	default:
		fmt.Fprintf(w, "%12s no hello is of the times of --since and --until: they are from %s to %s\n", "", timeText(r.first), timeText(r.last))
	}
}

// timeText returns a time as --since takes it.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// times has the timeRange of all files, which several goroutines read.
type times struct {
	mu  sync.Mutex
	all timeRange
}

func (t *times) add(r *timeRange) {
	if r.first.IsZero() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all.include(r.first)
	t.all.include(r.last)
	t.all.met = t.all.met || r.met
}
