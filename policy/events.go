package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tlspeek/tlspeek/event"
)

// ReadEvents reads Events in JSON, one after the other, as on the lines that scan prints,
// and calls each with them. A key that an Event does not have is an error.
func ReadEvents(r io.Reader, each func(*event.Event) error) error {
	d := json.NewDecoder(r)
	for n := 1; ; n++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			if errors.Is(err, io.EOF) && n > 1 {
				return nil
			}
			if errors.Is(err, io.EOF) {
				return errors.New("has no Event")
			}
			return fmt.Errorf("Event %d is not JSON: %w", n, err)
		}
		var e event.Event
		if err := decodeEvent(raw, &e); err != nil {
			return fmt.Errorf("Event %d: %w", n, err)
		}
		if err := each(&e); err != nil {
			return err
		}
	}
}
