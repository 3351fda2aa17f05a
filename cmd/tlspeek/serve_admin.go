package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/sink"
)

// adminHandler serves /healthz, /readyz and /metrics to the operator of a Server,
// and with profiling /debug/pprof/.
func adminHandler(s *server.Server, metrics prometheus.Gatherer, profiling bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.Ready() {
			http.Error(w, "not accepting connections", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ok\n")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	if profiling {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// startAdmin counts what e does, and its log, and serves the metrics at --admin until
// stop is called. Without --admin it does nothing.
func startAdmin(f *serveFlags, e *endpoint, log *sink.Queue) (stop func() error, err error) {
	if f.admin == "" {
		return func() error { return nil }, nil
	}
	inner, err := net.Listen("tcp", f.admin)
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(e.rates.refusedRequests)
	addMetrics(registry, e.server, e.listener)
	addEventMetrics(registry, e.recorder.Events, e.listener)
	addLogMetrics(registry, log)
	addBudgetMetrics(registry, e.handler)
	addPolicyMetrics(registry, e.guarded)
	e.signals.addMetrics(registry)
	srv := &http.Server{Handler: e.signals.api(adminHandler(e.server, registry, f.pprof)), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(inner) }()
	return func() error {
		err := srv.Close()
		if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
			err = errors.Join(err, failed)
		}
		return err
	}, nil
}
