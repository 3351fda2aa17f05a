package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/sink"
)

// minEventsQueue has room for some 50 compact Events.
const minEventsQueue = 64 << 10

// minFlush is the time for writing files at the end, however short --grace is.
const minFlush = 100 * time.Millisecond

// openRecorder opens the files of --events and --hello-json. closeFile closes that
// of --events.
func openRecorder(f *frontFlags, stdout io.Writer) (r *sink.Recorder, closeFile func() error, err error) {
	r, closeFile = &sink.Recorder{}, func() error { return nil }
	if f.eventsFull {
		r.Size = event.Full
	}
	if f.helloJSON != "" {
		r.Latest = &sink.Latest{Path: f.helloJSON, Keep: f.helloJSONKeep, MaxBytes: f.helloJSONSize}
		if err := r.Latest.Load(); err != nil {
			return nil, nil, err
		}
		if err := r.Latest.Save(); err != nil { // fails now rather than when there are Events to lose
			return nil, nil, err
		}
	}
	if f.events == "" {
		return r, closeFile, nil
	}
	r.Events = &sink.Queue{W: stdout, MaxBytes: f.eventsQueue}
	if f.events != "-" {
		file := &sink.RotatingFile{Path: f.events, MaxSize: f.eventsMaxSize, MaxAge: f.eventsMaxAge}
		if file.SyncEvery, err = f.syncEvery(); err != nil {
			return nil, nil, err
		}
		if err := file.Open(); err != nil {
			return nil, nil, fmt.Errorf("--events: %w", err)
		}
		r.Events.W, closeFile = file, file.Close
	}
	return r, closeFile, nil
}

// A recording is what writes the files of a Recorder.
type recording struct {
	recorder *sink.Recorder
	stop     context.CancelFunc
	saved    chan error // the result of saving the latest Events at the end
	closed   chan error // and of closing the events file
}

// startRecording starts writing the files of r until finish is called.
func startRecording(r *sink.Recorder, closeFile func() error) *recording {
	ctx, stop := context.WithCancel(context.Background())
	rec := &recording{recorder: r, stop: stop, saved: make(chan error, 1), closed: make(chan error, 1)}
	go func() { rec.saved <- r.Run(ctx) }()
	go func() {
		if r.Events != nil {
			r.Events.Run()
		}
		rec.closed <- closeFile()
	}()
	return rec
}

// finish writes what waits, and waits for that until ctx is done. A disk or a pipe
// may hold up the goroutines that write for longer.
func (rec *recording) finish(ctx context.Context, log *slog.Logger) error {
	rec.stop()
	err := rec.flush(ctx, log)
	if err == nil {
		err = within(ctx, rec.closed, "closing the file of --events")
	}
	return errors.Join(err, within(ctx, rec.saved, "writing the file of --hello-json"))
}

// flush has the queue of --events written, and logs how many Events were lost since
// the start.
func (rec *recording) flush(ctx context.Context, log *slog.Logger) error {
	q := rec.recorder.Events
	if q == nil {
		return nil
	}
	err := q.Close(ctx)
	full, failed, end := q.Lost(sink.LostFull), q.Lost(sink.LostError), q.Lost(sink.LostEnd)
	if full+failed+end > 0 {
		log.Warn("Events were lost", "full", full, "error", failed, "end", end, "written", q.Written())
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && end > 0:
		return fmt.Errorf("--events: %d Events were not written within the grace period", end)
	}
	return fmt.Errorf("--events: %w", err)
}

// within returns what comes from result, or an error if ctx is done before.
func within(ctx context.Context, result <-chan error, what string) error {
	select {
	case err := <-result:
		return err
	default:
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: not done within the grace period", what)
	}
}

// addEventMetrics adds metrics of q, the queue of --events, and of the Events that
// ln has lost, to r. q may be nil.
func addEventMetrics(r *prometheus.Registry, q *sink.Queue, ln *server.Listener) {
	lost := func(reason string, value func() int64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "tlspeek_events_lost_total",
			Help:        "Events that were not written, by reason.",
			ConstLabels: prometheus.Labels{"reason": reason},
		}, func() float64 { return float64(value()) }))
	}
	lost("unsettled", ln.Lost)
	if q == nil {
		return
	}
	for _, why := range []sink.LossReason{sink.LostFull, sink.LostError, sink.LostEnd} {
		lost(string(why), func() int64 { return q.Lost(why) })
	}
	r.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tlspeek_events_written_total",
			Help: "Events that were written to --events.",
		}, func() float64 { return float64(q.Written()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tlspeek_events_queue_bytes",
			Help: "Length of the Events that wait to be written.",
		}, func() float64 { return float64(q.Waiting()) }))
}
