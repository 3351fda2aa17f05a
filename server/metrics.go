package server

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// Metrics counts what an [Echo] does, for Prometheus. No label has a value
// that a client chose. A nil Metrics counts nothing.
type Metrics struct {
	registry   *prometheus.Registry
	hellos     *prometheus.CounterVec
	bytes      *prometheus.HistogramVec
	handshakes *prometheus.HistogramVec
	drops      *prometheus.CounterVec
}

// NewMetrics returns metrics that are registered with r.
func NewMetrics(r *prometheus.Registry) *Metrics {
	m := &Metrics{
		registry: r,
		hellos: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tlspeek_hellos_total",
			Help: "Hellos, and what came in place of one, by transport and outcome.",
		}, []string{"transport", "outcome"}),
		bytes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tlspeek_hello_bytes",
			Help:    "Length of the handshake message of a hello, by transport.",
			Buckets: []float64{128, 256, 512, 1024, 1536, 2048, 4096, 16384, 65536},
		}, []string{"transport"}),
		handshakes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tlspeek_handshake_seconds",
			Help:    "Time from Accept to the end of a TLS handshake over TCP, by outcome.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 11),
		}, []string{"outcome"}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tlspeek_dropped_total",
			Help: "Connections closed for a limit, by limit.",
		}, []string{"limit"}),
	}
	r.MustRegister(m.hellos, m.bytes, m.handshakes, m.drops)
	return m
}

// watch has the registry ask ln and h3, which may be nil, for their gauges.
func (m *Metrics) watch(ln *Listener, h3 *HTTP3) {
	if m == nil {
		return
	}
	gauge := func(name, help string, value func() int) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(value()) }))
	}
	gauge("tlspeek_connections", "Open TCP connections.", func() int {
		open, _ := ln.Conns()
		return open
	})
	gauge("tlspeek_half_open_connections", "TCP connections that have not finished their handshake.", func() int {
		_, halfOpen := ln.Conns()
		return halfOpen
	})
	if h3 != nil {
		gauge("tlspeek_half_open_quic_connections", "QUIC connections that have not finished their handshake.", h3.HalfOpen)
	}
}

func (m *Metrics) observe(o *event.Observation) {
	if m == nil {
		return
	}
	transport := o.Transport
	if o.Hello != nil {
		transport = o.Hello.Transport
	}
	m.hellos.WithLabelValues(transport.String(), outcomeOf(o)).Inc()
	if o.Hello != nil {
		m.bytes.WithLabelValues(transport.String()).Observe(float64(len(o.Hello.Raw)))
	}
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
	case errors.Is(o.Err, ErrOverLimit):
		return "over_limit"
	case errors.As(o.Err, &malformed):
		return "malformed"
	case len(o.Seen) == 0:
		return "silent"
	}
	return "incomplete"
}

func (m *Metrics) shaken(took time.Duration, err error) {
	if m == nil {
		return
	}
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.handshakes.WithLabelValues(outcome).Observe(took.Seconds())
}

func (m *Metrics) dropped(why DropReason) {
	if m != nil {
		m.drops.WithLabelValues(string(why)).Inc()
	}
}
