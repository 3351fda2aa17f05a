package main

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// addServerMetrics adds metrics of s to r, before it serves.
func addServerMetrics(r *prometheus.Registry, s *server.Server) {
	handshakes := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "tlspeek_handshake_seconds",
		Help:    "Time from Accept to the end of a TLS handshake over TCP, by outcome.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 11),
	}, []string{"outcome"})
	r.MustRegister(handshakes, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tlspeek_half_open_quic_connections",
		Help: "QUIC connections that have not finished their handshake.",
	}, func() float64 { return float64(s.HalfOpenQUIC()) }))
	s.OnHandshake = func(took time.Duration, err error) {
		outcome := "ok"
		if err != nil {
			outcome = "failed"
		}
		handshakes.WithLabelValues(outcome).Observe(took.Seconds())
	}
	addQUICMetrics(r, s)
}

// addMetrics adds metrics of ln to r, before it is served. No label has a value chosen by a
// client.
func addMetrics(r *prometheus.Registry, ln *server.Listener) {
	hellos := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tlspeek_hellos_total",
		Help: "Hellos, and what came in place of one, by transport and outcome.",
	}, []string{"transport", "outcome"})
	bytes := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "tlspeek_hello_bytes",
		Help:    "Length of the handshake message of a hello, by transport.",
		Buckets: []float64{128, 256, 512, 1024, 1536, 2048, 4096, 16384, 65536},
	}, []string{"transport"})
	drops := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tlspeek_dropped_total",
		Help: "Connections closed for a limit, by limit.",
	}, []string{"limit"})
	for _, limit := range []string{string(server.DropConns), string(server.DropAddr), string(server.DropHalfOpen), "rate"} {
		drops.WithLabelValues(limit) // which has the metric show 0
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	unverified := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tlspeek_unverified_hellos_total",
		Help: "Hellos over QUIC when they came, before their client has shown its address; tlspeek_hellos_total has those whose client has shown it.",
	})
	r.MustRegister(unverified, hellos, bytes, drops,
		gauge("tlspeek_connections", "Open TCP connections.", func() int {
			open, _ := ln.Conns()
			return open
		}),
		gauge("tlspeek_half_open_connections", "TCP connections that have not finished their handshake.", func() int {
			_, halfOpen := ln.Conns()
			return halfOpen
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tlspeek_forgotten_clients_total",
			Help: "Clients whose earlier connections were forgotten for want of room, and are not compared with later ones.",
		}, func() float64 { return float64(ln.Forgotten()) }))

	count := func(o *event.Observation) {
		transport := o.Transport
		if o.Hello != nil {
			transport = o.Hello.Transport
			bytes.WithLabelValues(transport.String()).Observe(float64(len(o.Hello.Raw)))
		}
		hellos.WithLabelValues(transport.String(), outcomeOf(o)).Inc()
	}
	observe, verified := ln.Observe, ln.Verified
	ln.Observe = func(o *event.Observation) {
		if o.Unverified {
			unverified.Inc()
		} else {
			count(o)
		}
		if observe != nil {
			observe(o)
		}
	}
	ln.Verified = func(o *event.Observation) {
		count(o)
		if verified != nil {
			verified(o)
		}
	}
	ln.Limits.Dropped = func(why server.DropReason) { drops.WithLabelValues(string(why)).Inc() }
}

func outcomeOf(o *event.Observation) string {
	var malformed *parser.Error
	switch {
	case o.Hello != nil && o.Index > 1:
		return "second_hello"
	case o.Hello != nil:
		return "hello"
	case errors.Is(o.Err, parser.ErrNotTLS):
		return "not_tls"
	case errors.Is(o.Err, server.ErrOverLimit):
		return "over_limit"
	case errors.As(o.Err, &malformed):
		return "malformed"
	case len(o.Received) == 0:
		return "silent"
	}
	return "incomplete"
}
