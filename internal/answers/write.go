package answers

import (
	"io"
	"slices"
	"time"
)

const (
	writeTimeout = time.Minute      // for a client to take a whole answer
	stepTimeout  = 10 * time.Second // to take the next step of it
	step         = 32 << 10         // bytes
)

// Write writes an answer with setDeadline set for each step of 32 KiB: a client
// has 10 seconds for a step, and a minute for all.
func Write(w io.Writer, setDeadline func(time.Time) error, body []byte) error {
	end := time.Now().Add(writeTimeout)
	for b := range slices.Chunk(body, step) {
		deadline := time.Now().Add(stepTimeout)
		if deadline.After(end) {
			deadline = end
		}
		// A writer without deadlines is bounded by its transport.
		_ = setDeadline(deadline)
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}
