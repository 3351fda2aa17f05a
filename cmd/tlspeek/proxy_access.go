package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/headertext"
	"github.com/tlspeek/tlspeek/server/proxy"
	"github.com/tlspeek/tlspeek/sink"
)

// accessFlags has the flags of the access log.
type accessFlags struct {
	log     string
	format  string
	maxSize int64
	maxAge  time.Duration
}

func (f *accessFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.log, "access-log", "log", "`where` a line for each request goes, or for each connection with --pass: log (the log on standard error), - (standard output), a file, or none")
	flags.StringVar(&f.format, "access-format", "text", "`format` of these lines on standard output and in a file: text, json, or combined (of Apache, with JA4 and client)")
	flags.Int64Var(&f.maxSize, "access-max-size", 0, "begin a new access log before one exceeds this number of `bytes`; 0 for no limit")
	flags.DurationVar(&f.maxAge, "access-max-age", 0, "begin a new access log after this time; 0 for no limit")
}

func (f *accessFlags) check(p *proxyFlags) error {
	switch {
	case f.format != "text" && f.format != "json" && f.format != "combined":
		return fmt.Errorf("--access-format %q: must be text, json or combined", f.format)
	case f.log == "":
		return errors.New("--access-log: must be log, -, a file or none")
	case f.format != "text" && f.log == "log":
		return fmt.Errorf("--access-format %s needs --access-log - or a file: lines of the log have its --log-format", f.format)
	case f.format == "combined" && p.passed:
		return errors.New("--access-format combined is for requests, and --pass sees none: use text or json")
	case f.log == "-" && p.events == "-":
		return errors.New("--access-log - and --events -: name a file for one of them")
	case f.log != "log" && f.log != "none" && f.log != "-" && (sameFile(f.log, p.events) || sameFile(f.log, p.helloJSON)):
		return fmt.Errorf("--access-log %s: is also the file of --events or --hello-json: name another", f.log)
	case f.maxSize < 0 || f.maxAge < 0:
		return errors.New("--access-max-size and --access-max-age must be 0 or more")
	case (f.maxSize > 0 || f.maxAge > 0) && (f.log == "log" || f.log == "none" || f.log == "-"):
		return errors.New("--access-max-size and --access-max-age are for a file: name one with --access-log")
	}
	return nil
}

// An accessLog is where the lines of an access log go. Nil is for none.
type accessLog struct {
	log    *slog.Logger // for requests, that of the program; and for connections
	queue  *sink.Queue  // nil for those of the program's own log
	format proxy.AccessFormat
	close  func() error
	done   chan error
}

// open opens the access log. Log is that of the program.
func (f *accessFlags) open(stdout io.Writer, log *slog.Logger) (*accessLog, error) {
	switch f.log {
	case "none":
		return nil, nil
	case "log":
		return &accessLog{log: log}, nil
	}
	a := &accessLog{queue: &sink.Queue{W: stdout, Of: "lines of the access log", Log: log.With("file", f.log)}, close: func() error { return nil }, done: make(chan error, 1)}
	if f.log != "-" {
		file := &sink.RotatingFile{Path: f.log, MaxSize: f.maxSize, MaxAge: f.maxAge}
		if err := file.Open(); err != nil {
			return nil, fmt.Errorf("--access-log: %w", err)
		}
		a.queue.W, a.close = file, file.Close
	}
	switch f.format {
	case "json":
		a.format = proxy.AccessJSON
		a.log = slog.New(slog.NewJSONHandler(a.queue, nil))
	case "combined":
		a.format = proxy.AccessCombined
	default:
		a.log = slog.New(slog.NewTextHandler(a.queue, nil))
	}
	go func() {
		a.queue.Run()
		a.done <- a.close()
	}()
	return a, nil
}

// requests returns what writes a line for each request.
func (a *accessLog) requests() *proxy.AccessLog {
	switch {
	case a == nil:
		return new(proxy.AccessLog)
	case a.queue == nil:
		return &proxy.AccessLog{Log: a.log}
	}
	return &proxy.AccessLog{W: a.queue, Format: a.format}
}

// passed writes the line of a connection.
func (a *accessLog) passed(c *proxy.PassedConn) {
	if a == nil {
		return
	}
	e := &c.Event
	var client netip.Addr
	if addr, err := netip.ParseAddrPort(c.Client.String()); err == nil {
		client = addr.Addr().Unmap()
	}
	var attrs []slog.Attr
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	if client.IsValid() {
		text("client", client.String())
	}
	text("server_name", c.ServerName)
	text("route", passedRoute(c))
	text("result", resultOf(c))
	attrs = append(attrs, slog.Float64("seconds", c.Took.Round(time.Microsecond).Seconds()), slog.Int64("sent", c.Received), slog.Int64("received", c.Sent))
	if e.ID != (event.ID{}) {
		text("event", e.ID.String())
	}
	text("ja4", e.JA4())
	text("tls_client", headertext.List(headertext.NearestNames(e.Client)))
	text("rule", e.Rule)
	text("action", e.Action)
	text("tags", strings.Join(e.Tags, ","))
	if c.Err != nil {
		text("error", c.Err.Error())
	}
	a.log.LogAttrs(context.Background(), slog.LevelInfo, "connection", attrs...)
}

// passedRoute returns the route of a connection as lines of requests have it. It is empty for
// none.
func passedRoute(c *proxy.PassedConn) string {
	if c.Route == "" && c.To != "" {
		return "default"
	}
	return c.Route
}

// finish writes what waits, and waits for that until ctx is done.
func (a *accessLog) finish(ctx context.Context, log *slog.Logger) error {
	if a == nil || a.queue == nil {
		return nil
	}
	err := a.queue.Close(ctx)
	if lost := a.lost(); lost > 0 {
		log.Warn("lines of the access log were lost", "lost", lost, "written", a.queue.Written())
	}
	if err != nil {
		return fmt.Errorf("--access-log: %w", err)
	}
	return within(ctx, a.done, "closing the file of --access-log")
}

func (a *accessLog) lost() int64 {
	return a.queue.Lost(sink.LostFull) + a.queue.Lost(sink.LostError) + a.queue.Lost(sink.LostEnd)
}

// addMetrics adds to r how many lines were lost.
func (a *accessLog) addMetrics(r *prometheus.Registry) {
	if a == nil || a.queue == nil {
		return
	}
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tlspeek_access_lines_lost_total",
		Help: "Lines of the access log that were lost, because writing them stalled or failed.",
	}, func() float64 { return float64(a.lost()) }))
}
