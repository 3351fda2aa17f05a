package output

import "github.com/tlspeek/tlspeek/event"

// JSONL has an Event as one JSON object on each line.
var JSONL = &Format{
	Name:  "jsonl",
	About: "print a JSON object a line",
	appendEvent: func(dst []byte, e *event.Event) ([]byte, error) {
		dst, err := e.AppendJSON(dst)
		return append(dst, '\n'), err
	},
	appendObservation: func(dst []byte, ob *event.Observer, o *event.Observation, size event.Size) ([]byte, error) {
		dst, err := ob.AppendJSON(dst, o, size)
		return append(dst, '\n'), err
	},
}
