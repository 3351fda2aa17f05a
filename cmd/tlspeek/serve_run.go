package main

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
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
	recorder *sink.Recorder
	grace    time.Duration // that open connections have at the end
	log      *slog.Logger
}

// connect connects the parts of e.
func (e *endpoint) connect() {
	clients := e.listener.Clients
	h := &echo.Handler{Page: e.page, Clients: clients}
	e.server.Handler, e.server.Lines = h, h.ServeLines
	e.page.Enter, e.page.Clients = h.Enter, clients
	if e.page.Live != nil {
		e.page.Live.Clients = clients
	}
	e.recorder.Observer.Clients = clients
	e.listener.Observe = e.observe
}

func (e *endpoint) observe(o *event.Observation) {
	if o.Err != nil {
		logFailure(e.log, o)
	}
	if e.page.Live != nil {
		e.page.Live.Observe(o)
	}
	e.recorder.Observe(o)
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
	recording, stopRecording := context.WithCancel(context.Background())
	recorded := make(chan error, 1)
	go func() { recorded <- e.recorder.Run(recording) }()
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
	grace, release := context.WithTimeout(context.Background(), e.grace)
	defer release()
	// It is no error that the grace period was too short for a connection.
	_ = e.server.Shutdown(grace)
	stopRecording()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, <-recorded)
}
