package main

import (
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/signals"
)

// recentSignals is what agg asks in captures: the hellos within the hour before one, by
// their times. Hellos must come one after the other, so that it depends on the captures
// alone. Without begin it counts nothing.
type recentSignals struct {
	table *signals.Table
	now   time.Time // of the hello at hand

	observer event.Observer
	event    event.Event
}

// begin has s count in a table of this size.
func (s *recentSignals) begin(maxBytes int64) {
	s.table = signals.New(signals.Options{MaxBytes: maxBytes, Reproducible: true})
}

// agg is for policy.EnvOptions.
func (s *recentSignals) agg(value string) (signals.Values, bool) {
	if s.table == nil {
		return signals.Values{}, false
	}
	return s.table.Lookup(value, s.now)
}

// add counts the hello of o, when all has been asked about it.
func (s *recentSignals) add(o *event.Observation) {
	s.observer.Fill(&s.event, o, event.Full)
	s.table.ObserveHello(&s.event)
}
