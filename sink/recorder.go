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

// A Recorder writes the Event of each observation to an events file, and adds it to
// the latest Events. It is safe for use by several goroutines at once. The fields
// must not be changed once it is used.
type Recorder struct {
	File   io.Writer  // gets one JSON line for each Event, in one Write; may be nil
	Size   event.Size // of the Events
	Latest *Latest    // may be nil

	// Observer makes the Events. It must not be used elsewhere.
	Observer event.Observer

	// Log gets an error when recording begins to fail, and a message when it
	// works again, with the number of Events lost. Nil discards both.
	Log *slog.Logger

	mu   sync.Mutex
	line []byte
	lost int // observations, since recording fails
}

// record writes down o. If writing to File fails, Latest has the Event all the
// same.
func (r *Recorder) record(o *event.Observation) error {
	e := r.Observer.Event(o, r.Size)
	line, err := e.AppendJSON(r.line[:0])
	if err != nil {
		return fmt.Errorf("writing an Event: %w", err)
	}
	r.line = line
	if r.Latest != nil {
		r.Latest.Add(line)
	}
	if r.File == nil {
		return nil
	}
	r.line = append(line, '\n')
	if _, err := r.File.Write(r.line); err != nil {
		return fmt.Errorf("writing to the events file: %w", err)
	}
	return nil
}

// Observe records o, unless the client has sent nothing. It is for the Observe of a
// listener of package server, and keeps nothing of o. It blocks as long as writing
// to File does.
func (r *Recorder) Observe(o *event.Observation) {
	switch {
	case r.File == nil && r.Latest == nil:
		return
	case o.Err != nil && len(o.Received) == 0: // a port scan, or a silent client
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.record(o)
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
