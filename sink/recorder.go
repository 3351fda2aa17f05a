package sink

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
)

// A Recorder has Events written to an events file, and keeps the latest ones. It is
// safe for use by several goroutines at once. The fields must not be changed once it
// is used.
type Recorder struct {
	Events *Queue     // gets one JSON line for each Event; may be nil
	Size   event.Size // of these: Compact or Full
	Latest *Latest    // may be nil

	// Log gets the errors of saving Latest. Nil discards them.
	Log *slog.Logger

	encoders sync.Pool // of *[]byte, memory for a line
}

// maxEncoder is the memory for a line that is kept for the next one.
const maxEncoder = 64 << 10

// encode calls use with e as JSON and a line feed. The line may not be used after that.
func (r *Recorder) encode(e *event.Event, use func(line []byte)) {
	buf, ok := r.encoders.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	line, err := e.AppendJSON((*buf)[:0])
	if err == nil { // an Event that is not of detail is always written
		line = append(line, '\n')
		use(line)
	}
	if cap(line) <= maxEncoder {
		*buf = line
		r.encoders.Put(buf)
	}
}

// Show adds e, which is full, to the latest Events, unless the client has sent
// nothing.
func (r *Recorder) Show(e *event.Event) {
	if r.Latest != nil && !isSilent(e) {
		r.encode(e, func(line []byte) { r.Latest.Add(line[:len(line)-1]) })
	}
}

// isSilent reports whether e is of a port scan or a silent client.
func isSilent(e *event.Event) bool { return e.Error != "" && e.Received == "" && e.SSLv2 == nil }

// Record adds e, which is full, to the queue of the events file, unless the client
// has sent nothing. It keeps nothing of e, and never waits for the file.
func (r *Recorder) Record(e *event.Event) {
	if r.Events == nil || isSilent(e) {
		return
	}
	if r.Size == event.Compact {
		compact := e.Compact()
		e = &compact
	}
	r.encode(e, func(line []byte) { _, _ = r.Events.Write(line) }) // the queue counts what it loses
}

// saveInterval is how often the file of the latest Events is written.
const saveInterval = 10 * time.Second

// Run writes the file of the latest Events every 10 seconds until ctx is done,
// and then once more. It logs errors, and returns that of the last time.
func (r *Recorder) Run(ctx context.Context) error {
	if r.Latest == nil {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(saveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return r.Latest.Save()
		case <-ticker.C:
			if err := r.Latest.Save(); err != nil && r.Log != nil {
				r.Log.Error("saving the latest hellos", "error", err)
			}
		}
	}
}
