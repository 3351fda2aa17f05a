package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/signals"
)

// signalsFlags has the flags of what is counted by fingerprint.
type signalsFlags struct {
	memory sizeFlag
}

func (f *signalsFlags) add(flags *pflag.FlagSet) {
	f.memory = signals.DefaultMaxBytes
	flags.Var(&f.memory, "signals-memory", "maximum `size` of what is counted by fingerprint, client and network over the last hour, for /api/signals of --admin and for agg in a --policy; 0 to count nothing")
}

func (f *signalsFlags) check() error {
	if f.memory != 0 && f.memory < signals.MinMaxBytes {
		return fmt.Errorf("--signals-memory %s: must be 1MiB or more, or 0", &f.memory)
	}
	return nil
}

// counter returns what counts requests if that is used for anything, and otherwise nil.
func (f *signalsFlags) counter(used bool) *signalCounter {
	if !used || f.memory == 0 {
		return nil
	}
	return &signalCounter{Table: signals.New(signals.Options{MaxBytes: int64(f.memory)})}
}

// A signalCounter counts requests, and connections without one, in a Table. Nil counts
// nothing.
type signalCounter struct {
	*signals.Table
	early earlyConns
}

// feed has ln count connections that are settled without a request.
func (s *signalCounter) feed(ln *server.Listener) {
	if s == nil {
		return
	}
	settled := ln.Settled
	ln.Settled = func(o *event.Observation, e *event.Event) {
		s.settled(o, e)
		if settled != nil {
			settled(o, e)
		}
	}
}

// settled counts a connection that was settled without a request. Its second hello does
// not count, nor does one over QUIC that anybody may have sent.
func (s *signalCounter) settled(o *event.Observation, e *event.Event) {
	if o.Unverified || e.HelloIndex > 1 || e.Settled == event.SettledRequest {
		return
	}
	if e.Settled == event.SettledTime || e.Settled == event.SettledFull {
		s.early.add(e.Conn) // a request may come yet
	}
	s.Observe(signals.SampleOf(e), time.Now())
}

// handler returns a handler that counts requests. The first one of a connection that was
// counted without one adds only what it says.
func (s *signalCounter) handler(next http.Handler) http.Handler {
	if s == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, ok := server.FromContext(r.Context()); ok && (e.AddressVerified == nil || *e.AddressVerified) {
			sample := signals.SampleOf(&e)
			sample.UserAgent, sample.Path = r.UserAgent(), r.URL.Path
			sample.HTTP2, sample.HTTP3 = r.ProtoMajor == 2, r.ProtoMajor == 3
			sample.Again = (e.Settled == event.SettledTime || e.Settled == event.SettledFull) && s.early.remove(e.Conn)
			s.Observe(sample, time.Now())
		}
		next.ServeHTTP(w, r)
	})
}

// agg returns what rules ask by a fingerprint, a client or an address, or nil if nothing
// is counted.
func (s *signalCounter) agg() func(key string) (signals.Values, bool) {
	if s == nil {
		return nil
	}
	return func(key string) (signals.Values, bool) { return s.Lookup(key, time.Now()) }
}

// maxEarly is how many connections are remembered that were counted before their first
// request. They take about 1 MiB. The first request of others counts anew.
const maxEarly = 1 << 14

// earlyConns are connections that were counted before their first request.
type earlyConns struct {
	mu   sync.Mutex
	has  map[event.ConnID]struct{}
	list []event.ConnID // in the order in which they came, from next on
	next int
}

func (c *earlyConns) add(id event.ConnID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has == nil {
		c.has = make(map[event.ConnID]struct{})
	}
	c.has[id] = struct{}{}
	if len(c.list) < maxEarly {
		c.list = append(c.list, id)
		return
	}
	delete(c.has, c.list[c.next])
	c.list[c.next] = id
	c.next = (c.next + 1) % maxEarly
}

// remove reports whether id was there.
func (c *earlyConns) remove(id event.ConnID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.has[id]
	delete(c.has, id)
	return ok
}

// announce logs how many keys there is room for.
func (s *signalCounter) announce(log *slog.Logger) {
	if s == nil {
		return
	}
	now := time.Now()
	of := s.Stats(signals.JA4, now)
	log.Info("counting requests by fingerprint", "keys", of.Slots, "with_distinct_values", of.Holders, "networks_with_distinct_values", s.Stats(signals.Prefix, now).Holders)
}

// defaultSignalRows is how many rows of a kind /api/signals has by default.
const defaultSignalRows = 100

// api returns a handler that serves /api/signals before next.
func (s *signalCounter) api(next http.Handler) http.Handler {
	if s == nil {
		return next
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/signals", func(w http.ResponseWriter, r *http.Request) {
		status, answer := http.StatusBadRequest, any(nil)
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err == nil {
			status, answer, err = s.answer(query, time.Now())
		}
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer) // the client may have gone
	})
	mux.Handle("/", next)
	return mux
}

// answer returns the answer to a query: one row, or the first rows of one kind or of all.
func (s *signalCounter) answer(query url.Values, now time.Time) (status int, answer any, err error) {
	bad := func(format string, args ...any) (int, any, error) {
		return http.StatusBadRequest, nil, fmt.Errorf(format, args...)
	}
	limit, kinds := defaultSignalRows, []signals.Kind{signals.JA4, signals.Stable, signals.Client, signals.Prefix}
	row, of, key := false, signals.Kind(0), ""
	for name, values := range query {
		value := values[0]
		if len(values) > 1 {
			return bad("%s is given %d times", name, len(values))
		}
		if name == "kind" {
			k, err := signals.ParseKind(value)
			if err != nil {
				return bad("kind %v", err)
			}
			kinds = []signals.Kind{k}
			continue
		}
		if name == "limit" {
			n, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				return bad("limit %q: must be a number, 0 for all", value)
			}
			limit = int(n)
			continue
		}
		k, err := signals.ParseKind(name)
		if name == "address" {
			k, err = signals.Prefix, nil
		}
		switch {
		case err != nil:
			return bad("%q: must be ja4, stable, client, address, kind or limit", name)
		case row:
			return bad("%s and %s exclude each other", of, k)
		case k == signals.Prefix && !isAddress(value):
			return bad("%s %q: neither an address nor a network", name, value)
		}
		row, of, key = true, k, value
	}
	if row && (query.Has("kind") || query.Has("limit")) {
		return bad("kind and limit are for lists, and there is one row of %s", of)
	}
	if row {
		r, ok := s.Row(of, key, now)
		if !ok {
			return http.StatusNotFound, nil, fmt.Errorf("no request of this %s within the last hour, or none that is still counted", of)
		}
		one := newSignalRow(&r)
		one.Kind = of.String()
		return http.StatusOK, one, nil
	}
	lists := make(map[string]any)
	slots := make(map[string]signals.Stats)
	for _, k := range kinds {
		lists[k.String()], slots[k.String()] = newSignalRows(s.Top(k, limit, now)), s.Stats(k, now)
	}
	lists["slots"] = slots
	return http.StatusOK, lists, nil
}

// isAddress reports whether text is an address or a network.
func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	if err != nil {
		_, err = netip.ParsePrefix(text)
	}
	return err == nil
}

// addMetrics adds to r how many keys of each kind there are, and none of them.
func (s *signalCounter) addMetrics(r *prometheus.Registry) {
	if s == nil {
		return
	}
	for k := range signals.Kind(signals.Kinds) {
		labels := prometheus.Labels{"kind": k.String()}
		of := func(value func(signals.Stats) int64) func() float64 {
			return func() float64 { return float64(value(s.Stats(k, time.Now()))) }
		}
		r.MustRegister(
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "tlspeek_signals_requests_total", ConstLabels: labels,
				Help: "Requests, and connections without one, that were counted by a key, by kind of key.",
			}, of(func(s signals.Stats) int64 { return s.Requests })),
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "tlspeek_signals_replaced_total", ConstLabels: labels,
				Help: "Keys that are no longer counted for want of room, by kind of key.",
			}, of(func(s signals.Stats) int64 { return s.Replaced })),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "tlspeek_signals_keys", ConstLabels: labels,
				Help: "Keys that have had requests within the last hour, by kind of key.",
			}, of(func(s signals.Stats) int64 { return int64(s.Used) })),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "tlspeek_signals_slots", ConstLabels: labels,
				Help: "Keys that there is room for, by kind of key.",
			}, of(func(s signals.Stats) int64 { return int64(s.Slots) })))
	}
}
