package server

import (
	"context"
	"sync"
)

// A lifecycle ends what a server runs, first politely and then at once. The
// zero value is ready.
type lifecycle struct {
	once     sync.Once
	stopping context.Context // done when no new work may begin
	killed   context.Context // done when open work must end
	stop     context.CancelFunc
	kill     context.CancelFunc

	mu      sync.Mutex // makes sure that nothing begins while end waits
	running sync.WaitGroup
}

func (l *lifecycle) init() {
	l.once.Do(func() {
		l.killed, l.kill = context.WithCancel(context.Background())
		l.stopping, l.stop = context.WithCancel(l.killed)
	})
}

// begin counts one that serves. It returns false once the end has begun. Who
// is counted may start goroutines with running.
func (l *lifecycle) begin() bool {
	l.init()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping.Err() != nil {
		return false
	}
	l.running.Add(1)
	return true
}

// end stops what runs, kills it when ctx is done, and waits for it. It returns
// the error of ctx if it has come to that.
func (l *lifecycle) end(ctx context.Context) error {
	l.init()
	l.mu.Lock()
	l.stop()
	l.mu.Unlock()
	inTime := context.AfterFunc(ctx, l.kill)
	l.running.Wait()
	if !inTime() {
		return ctx.Err()
	}
	return nil
}

// close kills what runs, and waits for it.
func (l *lifecycle) close() {
	l.init()
	l.kill()
	_ = l.end(context.Background())
}
