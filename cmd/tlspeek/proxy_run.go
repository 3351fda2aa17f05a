package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// runReverse runs a proxy that terminates TLS.
func runReverse(ctx context.Context, f *proxyFlags, stdout, stderr io.Writer) error {
	routes, errs := f.reverseRoutes()
	config, err := f.backendTLS()
	if err := errors.Join(err, errors.Join(errs...)); err != nil {
		return err
	}
	return runFront(ctx, &f.frontFlags, stdout, stderr, func(e *front) error {
		access, err := f.access.open(stdout, e.log)
		if err != nil {
			return err
		}
		m := newProxyMetrics()
		reverse := &proxy.Reverse{
			Routes:         routes,
			Headers:        server.Headers{All: true, JSON: f.headerJSON},
			TLS:            config,
			RewriteHost:    f.rewriteHost,
			ConnectTimeout: f.connectTimeout,
			AnswerTimeout:  f.answerTimeout,
			StallTimeout:   f.stallTimeout,
			Log:            e.log,
			Failed:         m.failed,
		}
		s := e.serveHTTP(reverse, nil)
		s.BodyTimeout, s.WriteTimeout = -1, -1 // the stall timeout bounds them
		s.IdleTimeout = f.idleTimeout
		log := access.requests()
		if access != nil || f.admin != "" {
			log.Done = m.answered
			s.Handler = log.Handler(s.Handler)
		}
		warnOfStages(e)
		err = e.run(ctx, m.add(access), f.hints())
		reverse.CloseIdleConnections()
		waitForLines(log, f.logGrace())
		return errors.Join(err, endAccess(access, f.logGrace(), e.log))
	})
}

// waitForLines waits a moment for the lines of requests whose connections were closed at the
// end of the grace period.
func waitForLines(log *proxy.AccessLog, grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = log.Wait(ctx)
}

// endAccess writes what waits in the access log.
func endAccess(a *accessLog, grace time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return a.finish(ctx, log)
}

// runPass runs a proxy that passes TLS through.
func runPass(ctx context.Context, f *proxyFlags, stdout, stderr io.Writer) error {
	routes, errs := f.passRoutes()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return runFront(ctx, &f.frontFlags, stdout, stderr, func(e *front) error {
		access, err := f.access.open(stdout, e.log)
		if err != nil {
			return err
		}
		m := newPassMetrics()
		pass := &passing{Pass: proxy.Pass{
			Routes:         routes,
			ConnectTimeout: f.connectTimeout,
			StallTimeout:   f.stallTimeout,
			Log:            e.log,
			Done: func(c *proxy.PassedConn) {
				m.passed(c)
				access.passed(c)
			},
		}}
		switch f.proxyProtocol {
		case "v1":
			pass.ProxyProtocol = proxy.ProxyV1
		case "none":
			pass.ProxyProtocol = proxy.ProxyNone
		}
		e.servePassed(pass)
		warnOfStages(e)
		err = e.run(ctx, m.add(access), f.hints())
		return errors.Join(err, endAccess(access, f.logGrace(), e.log))
	})
}

// A passing is a Pass that says when it serves.
type passing struct {
	proxy.Pass
	ready atomic.Bool
}

// Serve implements service.
func (p *passing) Serve(l *server.Listener) error {
	p.ready.Store(true)
	defer p.ready.Store(false)
	return p.Pass.Serve(l)
}

// Ready implements service.
func (p *passing) Ready() bool { return p.ready.Load() }

// servePassed has e pass the connections that the policy lets pass.
func (e *front) servePassed(p *passing) {
	e.guarded.connect(e.listener, http.NotFoundHandler())
	e.served = p
}
