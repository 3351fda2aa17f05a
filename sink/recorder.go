package sink

import (
	"fmt"
	"io"
	"sync"

	"github.com/tlspeek/tlspeek/event"
)

// A Recorder writes down the Event of each observation. It is for use by
// several goroutines at once.
type Recorder struct {
	File   io.Writer  // one JSON line each, written at once; may be nil
	Size   event.Size // of the Events
	Latest *Latest    // may be nil

	// Observer makes the Events. It is not to be used elsewhere.
	Observer event.Observer

	mu   sync.Mutex
	line []byte
}

// Record writes down o.
func (r *Recorder) Record(o *event.Observation) error {
	r.mu.Lock()
	defer r.mu.Unlock()
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
