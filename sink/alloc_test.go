//go:build !race

package sink_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/sink"
)

// TestRecorderAllocatesNothing: what holds a line is used again.
func TestRecorderAllocatesNothing(t *testing.T) {
	q := &sink.Queue{W: io.Discard}
	go q.Run()
	r := &sink.Recorder{Events: q, Size: event.Full}
	e := new(event.Observer).Event(hello("x.example"), event.Full)
	encoding := testing.AllocsPerRun(1000, func() { e.AppendJSON(make([]byte, 0, 16<<10)) })
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, func() { r.Record(&e) }), encoding)
	require.NoError(t, q.Close(t.Context()))
}
