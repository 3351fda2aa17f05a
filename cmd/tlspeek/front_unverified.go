package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
)

// showVerified has ln call Observe with a hello over QUIC once its client has shown its
// address, and Settled only with those whose clients have. Anybody can send a flood of
// others under addresses that are not theirs.
func showVerified(ln *server.Listener) {
	observe, settled := ln.Observe, ln.Settled
	ln.Observe = func(o *event.Observation) {
		if !o.Unverified {
			observe(o)
		}
	}
	ln.Verified = observe
	if settled != nil {
		ln.Settled = func(o *event.Observation, e *event.Event) {
			if !o.Unverified {
				settled(o, e)
			}
		}
	}
}

// addQUICMetrics adds to r what was dropped of the hellos over QUIC of s.
func addQUICMetrics(r *prometheus.Registry, s *server.Server) {
	for i, limit := range []string{"port", "room", "total"} {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "tlspeek_dropped_quic_hellos_total",
			Help:        "Hellos and Initials over QUIC that were not read or kept, by limit.",
			ConstLabels: prometheus.Labels{"limit": limit},
		}, func() float64 {
			port, room, total := s.DroppedHellosQUIC()
			return float64([...]int64{port, room, total}[i])
		}))
	}
}
