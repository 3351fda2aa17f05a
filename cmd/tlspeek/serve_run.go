package main

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
	"github.com/tlspeek/tlspeek/server/page"
	"github.com/tlspeek/tlspeek/sink"
)

// An endpoint is what "tlspeek serve" runs.
type endpoint struct {
	server   *server.Server
	listener *server.Listener
	page     *page.Page
	rates    *rates
	handler  *echo.Handler
	recorder *sink.Recorder
	guarded  *guarded       // nil without a policy
	signals  *signalCounter // nil if nothing is counted
	atHello  bool           // Events are recorded when the hello has come
	grace    time.Duration  // that open connections have at the end
	log      *slog.Logger

	recording *recording

	observing sync.Mutex
	observer  event.Observer // of what is shown at once
}

// connect connects the parts of e.
func (e *endpoint) connect() {
	clients := e.listener.Clients
	e.handler.Page, e.handler.NextLine = e.page, e.rates.nextLine
	e.server.Handler, e.server.Lines = e.rates.handler(e.signals.handler(e.guarded.connect(e.listener, e.handler))), e.handler.ServeLines
	e.rates.bound(e.listener.Limits)
	e.page.Clients = clients
	e.observer.Clients = clients
	e.listener.Observe = e.observe
	if e.recorder.Events != nil && !e.atHello {
		e.listener.Settled = func(_ *event.Observation, settled *event.Event) { e.recorder.Record(settled) }
	}
}

func (e *endpoint) observe(o *event.Observation) {
	if o.Err != nil {
		logFailure(e.log, o)
	}
	if e.page.Live == nil && e.recorder.Latest == nil && !e.atHello {
		return
	}
	seen := e.eventOf(o)
	if e.page.Live != nil {
		e.page.Live.Add(&seen)
	}
	e.recorder.Show(&seen)
	if e.atHello {
		e.recorder.Record(&seen)
	}
}

// eventOf returns the full Event of what was observed.
func (e *endpoint) eventOf(o *event.Observation) event.Event {
	e.observing.Lock()
	defer e.observing.Unlock()
	return e.observer.Event(o, event.Full)
}

// logFailure logs that a connection has no hello.
func logFailure(log *slog.Logger, o *event.Observation) {
	level := slog.LevelInfo
	if len(o.Received) == 0 { // a port scan, or a silent client
		level = slog.LevelDebug
	}
	seen := hex.EncodeToString(o.Received[:min(len(o.Received), 32)])
	log.Log(context.Background(), level, "no hello", "client", o.Src, "error", o.Err, "seen", seen)
}

// serve runs until ctx is done or the listener fails. Then it gives the open
// connections the grace period, and writes the files.
func (e *endpoint) serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- e.server.Serve(e.listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	if e.page.Live != nil {
		e.page.Live.Stop()
	}
	e.guarded.end()
	// A tenth of the grace period is for what was not settled before, and for the
	// files. It is no error that the rest was too short for a connection.
	end := time.Now().Add(e.grace)
	grace, release := context.WithDeadline(context.Background(), end)
	defer release()
	open, releaseOpen := context.WithTimeout(grace, e.grace*9/10)
	defer releaseOpen()
	_ = e.server.Shutdown(open)
	if e.listener.SettleAll(grace) != nil {
		e.log.Warn("events were lost: the grace period was too short to write them")
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	flush, releaseFlush := context.WithTimeout(context.Background(), max(time.Until(end), minFlush))
	defer releaseFlush()
	return errors.Join(err, e.recording.finish(flush, e.log))
}
