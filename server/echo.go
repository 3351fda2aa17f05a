package server

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/sink"
)

// An Echo is an endpoint that tells each client what its hello was: over
// HTTP/1.1, HTTP/2 and HTTP/3, and line by line to clients that speak neither.
type Echo struct {
	// TLSConfig has the certificate. Serve adds to its NextProtos.
	TLSConfig *tls.Config

	// Page, if not nil, is what browsers get.
	Page *Page

	// Users has clients of the user's own, by which clients are named beside
	// the built-in ones: in the answers, on the page and in the record. It may
	// be nil.
	Users *known.Database

	// UDP are the sockets to serve HTTP/3 on. They should have the port of
	// the Listener.
	UDP []*net.UDPConn

	// RetryAbove is that of [HTTP3].
	RetryAbove int

	// Recorder, if not nil, is given each hello, and what came in place of one.
	Recorder *sink.Recorder

	// Shaken, if not nil, is told of each TLS handshake over TCP that has ended:
	// its time since Accept, and why it failed if it did.
	Shaken func(took time.Duration, err error)

	// Grace is how long the open connections have to finish when Serve is
	// told to stop.
	Grace time.Duration

	// Log says what goes wrong. Nil is for silence.
	Log *slog.Logger

	server     atomic.Pointer[Server]
	unrecorded atomic.Int64 // hellos, since recording fails
}

// Ready reports whether the endpoint accepts connections.
func (e *Echo) Ready() bool {
	srv := e.server.Load()
	return srv != nil && srv.Ready()
}

// HalfOpenQUIC returns how many QUIC handshakes are open.
func (e *Echo) HalfOpenQUIC() int {
	if srv := e.server.Load(); srv != nil {
		return srv.HalfOpenQUIC()
	}
	return 0
}

// Serve accepts connections from ln, until ctx is done: then it closes ln and
// the connections that have not shaken hands, lets the others finish within
// the grace period, and closes what is left. Its error is that of ln, if that
// ended it. What ln observes the Echo is told of, too.
func (e *Echo) Serve(ctx context.Context, ln *Listener) error {
	e.attach(ln)
	e.giveUsers(ln)
	var a answers
	srv := &Server{
		Handler:     handler(e.Page, &a),
		Lines:       a.answerLines,
		TLSConfig:   e.TLSConfig,
		UDP:         e.UDP,
		RetryAbove:  e.RetryAbove,
		OnHandshake: e.Shaken,
		Log:         e.Log,
	}
	e.server.Store(srv)
	saving, saved := context.WithCancel(context.Background())
	var save sync.WaitGroup
	save.Go(func() { e.save(saving) })
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	if e.Page != nil && e.Page.Live != nil {
		e.Page.Live.Stop()
	}
	grace, release := context.WithTimeout(context.Background(), e.Grace)
	defer release()
	_ = srv.Shutdown(grace)
	saved()
	save.Wait()
	return errors.Join(err, e.saveLatest())
}

// attach has ln tell e what happens.
func (e *Echo) attach(ln *Listener) {
	observe := ln.Observe
	ln.Observe = func(o *event.Observation) {
		if observe != nil {
			observe(o)
		}
		e.observe(o)
	}
}

// giveUsers gives the user's clients to all who make Events.
func (e *Echo) giveUsers(ln *Listener) {
	if e.Users == nil {
		return
	}
	ln.Users = e.Users
	if e.Recorder != nil {
		e.Recorder.Observer.Users = e.Users
	}
	if e.Page != nil {
		e.Page.users = e.Users
		if e.Page.Live != nil {
			e.Page.Live.observer.Users = e.Users
		}
	}
}

func (e *Echo) observe(o *event.Observation) {
	if e.Log != nil && o.Err != nil {
		level := slog.LevelInfo
		if len(o.Seen) == 0 { // a port scan, or a client that was silent
			level = slog.LevelDebug
		}
		e.Log.Log(context.Background(), level, "no hello", "client", o.Src, "error", o.Err, "seen", slog.StringValue(hexText(o.Seen)))
	}
	if e.Page != nil && e.Page.Live != nil {
		e.Page.Live.Observe(o)
	}
	if e.Recorder == nil || o.Err != nil && len(o.Seen) == 0 {
		return
	}
	e.recorded(e.Recorder.Record(o))
}

func hexText(b []byte) string { return hex.EncodeToString(b[:min(len(b), 32)]) }

// recorded says when recording begins to fail, and when it works again.
func (e *Echo) recorded(err error) {
	switch {
	case err != nil:
		if e.unrecorded.Add(1) == 1 && e.Log != nil {
			e.Log.Error("recording a hello", "error", err)
		}
	case e.unrecorded.Load() > 0:
		if n := e.unrecorded.Swap(0); n > 0 && e.Log != nil {
			e.Log.Info("recording hellos again", "lost", n)
		}
	}
}

// saveEvery is how often the file of the latest Events is written.
const saveEvery = 10 * time.Second

func (e *Echo) save(ctx context.Context) {
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := e.saveLatest(); err != nil && e.Log != nil {
				e.Log.Error("saving the latest hellos", "error", err)
			}
		}
	}
}

func (e *Echo) saveLatest() error {
	if e.Recorder == nil || e.Recorder.Latest == nil {
		return nil
	}
	return e.Recorder.Latest.Save()
}
