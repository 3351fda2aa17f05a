package proxy

import (
	"sync"
	"time"
)

// A watcher looks at exchanges from time to time. They share a timer: one for each would
// wake the poller of the runtime with each request.
type watcher struct {
	period time.Duration

	mu    sync.Mutex
	first *exchange // of a list
	armed bool      // the timer runs
	timer *time.Timer
}

// add has x looked at until it is removed.
func (w *watcher) add(x *exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x.watched {
		return
	}
	x.watched = true
	if x.next = w.first; x.next != nil {
		x.next.prev = x
	}
	w.first = x
	switch {
	case w.armed:
		return
	case w.timer == nil:
		w.timer = time.AfterFunc(w.period, w.look)
	default:
		w.timer.Reset(w.period)
	}
	w.armed = true
}

func (w *watcher) remove(x *exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !x.watched {
		return
	}
	x.watched = false
	if x.next != nil {
		x.next.prev = x.prev
	}
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		w.first = x.next
	}
	x.prev, x.next = nil, nil
}

// look calls check for all of them.
func (w *watcher) look() {
	w.mu.Lock()
	var all []*exchange
	for x := w.first; x != nil; x = x.next {
		all = append(all, x)
	}
	if w.armed = len(all) > 0; w.armed {
		w.timer.Reset(w.period)
	}
	w.mu.Unlock()
	for _, x := range all {
		x.check()
	}
}
