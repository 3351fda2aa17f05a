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
)

// adminHandler serves a list of its paths, /healthz, /readyz and /metrics to the operator of a service,
// and with profiling /debug/pprof/.
func adminHandler(s service, metrics prometheus.Gatherer, profiling bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "/healthz\n/readyz\n/metrics\n/api/signals\n")
		if profiling {
			io.WriteString(w, "/debug/pprof/\n")
		}
	})
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
// stop is called. Without --admin it does nothing. AddMore adds the metrics of the verb.
func startAdmin(e *front, addMore func(*prometheus.Registry)) (stop func() error, err error) {
	if e.flags.admin == "" {
		return func() error { return nil }, nil
	}
	inner, err := net.Listen("tcp", e.flags.admin)
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	addMetrics(registry, e.listener)
	if e.https != nil {
		registry.MustRegister(e.rates.refusedRequests)
		addServerMetrics(registry, e.https)
	}
	addEventMetrics(registry, e.recorder.Events, e.listener)
	addLogMetrics(registry, e.lines)
	addPolicyMetrics(registry, e.guarded)
	e.signals.addMetrics(registry)
	addMore(registry)
	srv := &http.Server{Handler: e.signals.api(adminHandler(e.served, registry, e.flags.pprof)), ReadHeaderTimeout: 10 * time.Second}
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
