package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/page"
	"github.com/tlspeek/tlspeek/sink"
)

// A front is what "tlspeek serve" and "tlspeek proxy" have in common: it accepts clients,
// decides about them, and writes their Events.
type front struct {
	flags    *frontFlags
	listener *server.Listener
	udp      []*net.UDPConn
	config   *tls.Config // nil if TLS is passed through
	rates    *rates
	recorder *sink.Recorder
	guarded  *guarded       // nil without a policy
	signals  *signalCounter // nil if nothing is counted
	live     *page.Live     // nil if nobody watches
	atHello  bool           // Events are recorded when the hello has come
	grace    time.Duration  // that open connections have at the end
	lines    *sink.Queue    // of the log
	log      *slog.Logger

	served service
	https  *server.Server // served, unless TLS is passed through

	closeEvents func() error
	recording   *recording

	observing sync.Mutex
	observer  event.Observer // of what is shown at once
}

// A service is what serves the clients of a front.
type service interface {
	Serve(*server.Listener) error
	Shutdown(context.Context) error
	Ready() bool
}

// runFront calls run with an open front. Its log, on stderr, holds up nobody.
func runFront(ctx context.Context, f *frontFlags, stdout, stderr io.Writer, run func(*front) error) error {
	signal.Ignore(syscall.SIGPIPE) // a reader of --events or of the log that ends does not end the program
	lines := &sink.Queue{W: stderr, MaxBytes: logQueueBytes}
	go lines.Run()
	options := &slog.HandlerOptions{Level: f.logLevel}
	log := slog.New(slog.NewTextHandler(lines, options))
	if f.logFormat == "json" {
		log = slog.New(slog.NewJSONHandler(lines, options))
	}
	// Packages that log by themselves, such as net/http, do so in the form of this log.
	slog.SetLogLoggerLevel(slog.LevelDebug)
	slog.SetDefault(log)
	e, err := openFront(ctx, f, stdout, log)
	if err == nil {
		e.lines = lines
		err = run(e)
	}
	return closeLog(lines, f.logGrace(), err)
}

// openFront opens what is needed to serve: the certificates, the policy, the files of
// Events, and last the sockets.
func openFront(ctx context.Context, f *frontFlags, stdout io.Writer, log *slog.Logger) (*front, error) {
	e := &front{flags: f, grace: max(0, f.grace-f.logGrace()), log: log}
	var err error
	if !f.passed {
		if e.config, err = certificates(ctx, f, log); err != nil {
			return nil, err
		}
	}
	proxies, err := prefixes(f.trustedProxies)
	if err != nil {
		return nil, err
	}
	clients, err := clientfile.Database(f.clients)
	if err != nil {
		return nil, err
	}
	e.rates = f.rates.rates(proxies, log)
	e.signals = f.signals.counter(f.admin != "" || f.policy.file != "")
	if e.guarded, err = f.policy.load(e.config, clients, e.signals.agg(), log); err != nil {
		return nil, err
	}
	if e.recorder, e.closeEvents, err = openRecorder(f, stdout); err != nil {
		return nil, err
	}
	e.atHello = f.eventsAt == "hello" && e.recorder.Events != nil
	e.recorder.Log = log
	if e.recorder.Events != nil {
		e.recorder.Events.Log = log
	}
	ln, udp, err := listen.Sockets(f.listen, f.http3 && !f.passed)
	if err != nil {
		return nil, errors.Join(listenError(err), e.closeEvents())
	}
	if err := f.acmePortOf(ln.Addr()); err != nil {
		return nil, errors.Join(err, ln.Close(), e.closeEvents())
	}
	e.udp = udp
	e.listener = &server.Listener{
		Listener:         ln,
		HandshakeTimeout: f.handshakeTimeout,
		Limits:           &server.Limits{MaxConns: f.maxConns, MaxHalfOpen: f.maxHalfOpen, MaxPerAddr: f.maxPerAddr},
		MaxHello:         f.maxHello,
		MaxRecords:       f.maxRecords,
		TrustedProxies:   proxies,
		TrustHeader:      f.trustHeader,
		Clients:          clients,
		SettleTimeout:    f.settle,
	}
	return e, nil
}

// serveHTTP has e answer requests with h, once they are counted and the policy lets them
// pass.
func (e *front) serveHTTP(h http.Handler, lines server.LineHandler) *server.Server {
	e.https = &server.Server{
		Handler:    e.rates.handler(e.signals.handler(e.guarded.connect(e.listener, h))),
		Lines:      lines,
		TLSConfig:  e.config,
		UDP:        e.udp,
		RetryAbove: e.flags.retryAboveField(),
		Log:        e.log,
	}
	e.served = e.https
	return e.https
}

// observe has e see the hellos.
func (e *front) observe() {
	e.rates.bound(e.listener.Limits)
	e.observer.Clients = e.listener.Clients
	e.listener.Observe = e.observed
	if e.recorder.Events != nil && !e.atHello {
		e.listener.Settled = func(_ *event.Observation, settled *event.Event) { e.recorder.Record(settled) }
	}
	if !e.flags.unverified {
		showVerified(e.listener)
	}
	e.signals.feed(e.listener)
}

func (e *front) observed(o *event.Observation) {
	if o.Err != nil {
		logFailure(e.log, o)
	}
	if e.live == nil && e.recorder.Latest == nil && !e.atHello {
		return
	}
	seen := e.eventOf(o)
	if e.live != nil {
		e.live.Add(&seen)
	}
	e.recorder.Show(&seen)
	if e.atHello {
		e.recorder.Record(&seen)
	}
}

// eventOf returns the full Event of what was observed.
func (e *front) eventOf(o *event.Observation) event.Event {
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
	attrs := []any{"client", o.Src, "error", o.Err, "seen", seen}
	if what := notTLS(o.Received); what != "" {
		attrs = append(attrs, "hint", what)
	}
	log.Log(context.Background(), level, "no hello", attrs...)
}

// run serves until ctx is done or the listener fails. AddMetrics adds those of the verb, and
// hints tells how to try it.
func (e *front) run(ctx context.Context, addMetrics func(*prometheus.Registry), hints func(io.Writer, net.Addr)) error {
	e.observe()
	stopAdmin, err := startAdmin(e, addMetrics)
	if err != nil {
		return errors.Join(err, e.listener.Close(), e.closeEvents())
	}
	hints(e.lines, e.listener.Addr())
	e.signals.announce(e.log)
	e.guarded.announce(e.log)
	notifySystemd(ctx, e.log)
	e.recording = startRecording(e.recorder, e.closeEvents)
	e.guarded.watch()
	err = e.serve(ctx)
	return errors.Join(err, stopAdmin())
}

// serve runs until ctx is done or the listener fails. Then it gives the open
// connections the grace period, and writes the files.
func (e *front) serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- e.served.Serve(e.listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	if e.live != nil {
		e.live.Stop()
	}
	e.guarded.end()
	// A tenth of the grace period is for what was not settled before, and for the
	// files. It is no error that the rest was too short for a connection.
	end := time.Now().Add(e.grace)
	grace, release := context.WithDeadline(context.Background(), end)
	defer release()
	open, releaseOpen := context.WithTimeout(grace, e.grace*9/10)
	defer releaseOpen()
	_ = e.served.Shutdown(open)
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
