package sink

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
)

// A Recorder writes Events to an events file, and keeps the latest ones. It is safe for use by several goroutines at once. The fields
// must not be changed once it is used.
type Recorder struct {
	File   io.Writer  // gets one JSON line for each Event, in one Write; may be nil
	Size   event.Size // of the Events in File: Compact or Full
	Latest *Latest    // may be nil

	// Log gets an error when recording begins to fail, and a message when it
	// works again, with the number of Events lost. Nil discards both.
	Log *slog.Logger

	mu   sync.Mutex
	line []byte
	lost int // Events, since recording fails
}

// record writes e to File.
func (r *Recorder) record(e *event.Event) error {
	if r.Size == event.Compact {
		compact := e.Compact()
		e = &compact
	}
	line, err := e.AppendJSON(r.line[:0])
	if err != nil {
		return fmt.Errorf("writing an Event: %w", err)
	}
	r.line = append(line, '\n')
	if _, err := r.File.Write(r.line); err != nil {
		return fmt.Errorf("writing to the events file: %w", err)
	}
	return nil
}

// Show adds e, which is full, to the latest Events, unless the client has sent
// nothing.
func (r *Recorder) Show(e *event.Event) {
	if r.Latest == nil || isSilent(e) {
		return
	}
	line, err := e.AppendJSON(nil)
	if err != nil { // an Event that is not of detail is always written
		return
	}
	r.Latest.Add(line)
}

// isSilent reports whether e is of a port scan or a silent client.
func isSilent(e *event.Event) bool { return e.Error != "" && e.Received == "" && e.SSLv2 == nil }

// Record writes e, which is full, to File, unless the client has sent nothing. It
// keeps nothing of e, and blocks as long as writing to File does.
func (r *Recorder) Record(e *event.Event) {
	if r.File == nil || isSilent(e) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.record(e)
	lost := r.lost
	if err != nil {
		r.lost++
	} else {
		r.lost = 0
	}
	switch {
	case r.Log == nil:
	case err != nil && lost == 0:
		r.Log.Error("recording a hello", "error", err)
	case err == nil && lost > 0:
		r.Log.Info("recording hellos again", "lost", lost)
	}
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
