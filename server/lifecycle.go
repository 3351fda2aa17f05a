package server

import (
	"context"
	"sync"
)

// A lifecycle ends what a server runs, first politely and then at once. The
// zero value is ready.
type lifecycle struct {
	once sync.Once

	softStop context.Context // done when no new work may begin
	hardStop context.Context // done when open work must end
	stopSoft context.CancelFunc
	stopHard context.CancelFunc

	mu      sync.Mutex // so that nothing begins while end waits
	running sync.WaitGroup
}

func (l *lifecycle) init() {
	l.once.Do(func() {
		l.hardStop, l.stopHard = context.WithCancel(context.Background())
		l.softStop, l.stopSoft = context.WithCancel(l.hardStop)
	})
}

// begin counts the caller as running, until running.Done. It returns false once
// the end has begun. Only a caller that is counted may start goroutines with
// running.Go.
func (l *lifecycle) begin() bool {
	l.init()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.softStop.Err() != nil {
		return false
	}
	l.running.Add(1)
	return true
}

// end stops what runs, at once when ctx is done, and waits for it. It returns the
// error of ctx if that was done first.
func (l *lifecycle) end(ctx context.Context) error {
	l.init()
	l.mu.Lock()
	l.stopSoft()
	l.mu.Unlock()
	inTime := context.AfterFunc(ctx, l.stopHard)
	l.running.Wait()
	if !inTime() {
		return ctx.Err()
	}
	return nil
}

// close stops what runs at once, and waits for it.
func (l *lifecycle) close() {
	l.init()
	l.stopHard()
	_ = l.end(context.Background())
}
