package main

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlspeek/tlspeek/sink"
)

// logQueueBytes bounds the lines of the log that wait for standard error.
const logQueueBytes = 1 << 20

// logGrace returns the part of --grace that is for the log.
func (f *frontFlags) logGrace() time.Duration { return max(f.grace/10, minFlush) }

// closeLog writes what waits in the log, and returns the result of serve, err. If the
// log cannot be written within grace, neither can the text of err.
func closeLog(lines *sink.Queue, grace time.Duration, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if lines.Close(ctx) != nil && err != nil {
		return errors.Join(err, errReported)
	}
	return err
}

// addLogMetrics adds a metric of the queue of the log to r.
func addLogMetrics(r *prometheus.Registry, lines *sink.Queue) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tlspeek_log_lines_lost_total",
		Help: "Lines of the log that were lost, because writing to standard error stalled or failed.",
	}, func() float64 {
		return float64(lines.Lost(sink.LostFull) + lines.Lost(sink.LostError) + lines.Lost(sink.LostEnd))
	}))
}
