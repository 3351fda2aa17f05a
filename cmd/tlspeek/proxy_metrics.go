package main

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// proxyMetrics count what a proxy that ends TLS does. No label has a value chosen by a
// client.
type proxyMetrics struct {
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	took     prometheus.Histogram
	failures *prometheus.CounterVec
}

var (
	httpVersions = [...]string{"1", "2", "3"}
	statusLabels = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}
)

func newProxyMetrics() *proxyMetrics {
	m := &proxyMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tlspeek_proxy_requests_total",
			Help: "Requests that were answered, by version of HTTP and class of status: 1xx is an upgraded connection that has ended, and none an answer that was broken off before its header.",
		}, []string{"http", "status"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tlspeek_proxy_bytes_total",
			Help: "Bytes of bodies and of upgraded connections, by direction: in is from clients.",
		}, []string{"direction"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tlspeek_proxy_request_seconds",
			Help:    "Time from the header of a request to the end of its answer, without upgraded connections.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 13),
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tlspeek_proxy_failures_total",
			Help: "Requests that did not end as they should, by kind.",
		}, []string{"kind"}),
	}
	for _, version := range httpVersions {
		for _, status := range statusLabels {
			m.requests.WithLabelValues(version, status) // which has the metric show 0
		}
	}
	m.bytes.WithLabelValues("in")
	m.bytes.WithLabelValues("out")
	for kind := proxy.FailConnect; kind <= proxy.FailClient; kind++ {
		m.failures.WithLabelValues(kind.String())
	}
	return m
}

// failed is [proxy.Reverse.Failed].
func (m *proxyMetrics) failed(_ string, kind proxy.FailKind) {
	m.failures.WithLabelValues(kind.String()).Inc()
}

// answered is [proxy.AccessLog.Done].
func (m *proxyMetrics) answered(a *proxy.Access) {
	version, status := "1", "none"
	if major, _, ok := http.ParseHTTPVersion(a.Proto); ok && major > 1 && major <= 3 {
		version = httpVersions[major-1]
	}
	if class := a.Status / 100; !(a.Status == proxy.StatusNoAnswer || a.Status == proxy.StatusClientGone) && class < len(statusLabels) {
		status = statusLabels[class]
	}
	m.requests.WithLabelValues(version, status).Inc()
	m.bytes.WithLabelValues("in").Add(float64(a.Received))
	m.bytes.WithLabelValues("out").Add(float64(a.Sent))
	if !a.Upgraded {
		m.took.Observe(a.Took.Seconds())
	}
}

// add returns what adds m and the metrics of the access log to a registry.
func (m *proxyMetrics) add(access *accessLog) func(*prometheus.Registry) {
	return func(r *prometheus.Registry) {
		r.MustRegister(m.requests, m.bytes, m.took, m.failures)
		access.addMetrics(r)
	}
}

// passMetrics count what a proxy that passes TLS through does.
type passMetrics struct {
	conns *prometheus.CounterVec
	bytes *prometheus.CounterVec
}

// The results of a connection that was to be passed.
const (
	passedOK      = "passed"
	passedBroken  = "broken"
	passedStalled = "stalled"
	passedRefused = "refused"
	passedNoRoute = "no_route"
	passedBackend = "backend"
	passedNoHello = "no_hello"
)

func newPassMetrics() *passMetrics {
	m := &passMetrics{
		conns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tlspeek_passed_connections_total",
			Help: "Connections that have ended with --pass, by result: passed, broken and stalled have reached a backend; refused is by the policy. Those that limits close at once are in tlspeek_dropped_total.",
		}, []string{"result"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tlspeek_passed_bytes_total",
			Help: "Bytes of the connections that have ended with --pass, by direction: in is from clients.",
		}, []string{"direction"}),
	}
	for _, result := range []string{passedOK, passedBroken, passedStalled, passedRefused, passedNoRoute, passedBackend, passedNoHello} {
		m.conns.WithLabelValues(result) // which has the metric show 0
	}
	m.bytes.WithLabelValues("in")
	m.bytes.WithLabelValues("out")
	return m
}

// resultOf returns the label of a connection that has ended.
func resultOf(c *proxy.PassedConn) string {
	switch {
	case errors.Is(c.Err, server.ErrRefused):
		return passedRefused
	case errors.Is(c.Err, proxy.ErrNoRoute):
		return passedNoRoute
	case errors.Is(c.Err, proxy.ErrBackend):
		return passedBackend
	case errors.Is(c.Err, proxy.ErrStalled):
		return passedStalled
	case c.To == "":
		return passedNoHello
	case c.Err != nil:
		return passedBroken
	}
	return passedOK
}

// passed is [proxy.Pass.Done].
func (m *passMetrics) passed(c *proxy.PassedConn) {
	m.conns.WithLabelValues(resultOf(c)).Inc()
	m.bytes.WithLabelValues("in").Add(float64(c.Sent))
	m.bytes.WithLabelValues("out").Add(float64(c.Received))
}

// add returns what adds m and the metrics of the access log to a registry.
func (m *passMetrics) add(access *accessLog) func(*prometheus.Registry) {
	return func(r *prometheus.Registry) {
		r.MustRegister(m.conns, m.bytes)
		access.addMetrics(r)
	}
}
