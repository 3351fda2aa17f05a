package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/refusal"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/signals"
)

const (
	// networkFactor is how many times the rate of an address its network has: an
	// IPv4 /24 or IPv6 /48. Honest clients of one network are more than one, and a
	// client that has all of it has the addresses of 65,536 clients.
	networkFactor = 8

	// lineWait is how long a client of the line protocol waits at most.
	lineWait = 10 * time.Second

	// maxHold is how long an answer of 429 waits over HTTP/3.
	maxHold = time.Second

	// summaryInterval is the time between two warnings about refusals.
	summaryInterval = time.Minute
)

// unverifiedRate is how often a client over QUIC may begin a handshake without having
// proved its address, by the packet. Beyond it the proof costs a round trip.
var unverifiedRate = signals.Rate{Events: 200, Per: time.Second, Burst: 400}

// rateFlags has the flags that limit rates.
type rateFlags struct {
	conns, connsTotal       rateFlag
	requests, requestsTotal rateFlag
}

func (f *rateFlags) add(flags *pflag.FlagSet) {
	const forms = `, such as "50/s burst 100"; none for no limit; the default does not apply to loopback`
	add := func(flag *rateFlag, name string, events, burst int, usage string) {
		flag.Rate = signals.Rate{Events: events, Per: time.Second, Burst: burst}
		flags.Var(flag, name, usage)
	}
	add(&f.conns, "rate-conns", 50, 200, "maximum `rate` of new connections from an IPv4 address or IPv6 /64, and 8 times that from an IPv4 /24 or IPv6 /48"+forms)
	add(&f.connsTotal, "rate-conns-total", 2000, 4000, "maximum `rate` of new connections from all clients together"+forms)
	add(&f.requests, "rate-requests", 100, 500, "maximum `rate` of requests and lines, as --rate-conns")
	add(&f.requestsTotal, "rate-requests-total", 10000, 20000, "maximum `rate` of requests and lines, as --rate-conns-total")
}

// A rateFlag is the value of a flag.
type rateFlag struct {
	signals.Rate
	set bool // by the user: it also applies to loopback
}

// Set implements pflag.Value.
func (f *rateFlag) Set(s string) error {
	if err := f.UnmarshalText([]byte(s)); err != nil {
		return fmt.Errorf(`%w, or "none" for no limit`, err)
	}
	f.set = true
	return nil
}

// Type implements pflag.Value.
func (f *rateFlag) Type() string { return "rate" }

// rates limits how fast connections and requests come.
type rates struct {
	conns, requests *rateLimits
	refusals        *signals.Limiter // of requests of an address, at its rate
	unverified      *signals.Limiter
	proxies         []netip.Prefix // whose clients count, and not they

	refusedRequests *prometheus.CounterVec // by limit
	log             *slog.Logger
	summary         refusals
}

// rates returns what holds clients to the rates of f. Proxies are the trusted ones.
func (f *rateFlags) rates(proxies []netip.Prefix, log *slog.Logger) *rates {
	r := &rates{
		conns:    newRateLimits(f.conns, f.connsTotal),
		requests: newRateLimits(f.requests, f.requestsTotal),
		proxies:  proxies,
		log:      log,
		refusedRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tlspeek_refused_requests_total",
			Help: "Requests and lines refused for their rate, by limit.",
		}, []string{"limit"}),
	}
	if r.conns != nil {
		r.unverified = signals.NewLimiter(unverifiedRate, 2)
	}
	if r.requests != nil {
		r.refusals = signals.NewLimiter(f.requests.Rate, signals.DefaultSlots)
	}
	for _, limit := range []string{limitAddr, limitNetwork, limitTotal} {
		r.refusedRequests.WithLabelValues(limit) // which has the metric show 0
	}
	r.summary.start = time.Now()
	return r
}

// bound has l ask r about new connections.
func (r *rates) bound(l *server.Limits) {
	if r.conns == nil {
		return
	}
	l.Allow = func(client netip.Addr) bool {
		limit, _ := r.conns.refuse(client, r.trusts(client), time.Now())
		if limit != "" {
			r.refused("connection", limit, client, &r.summary.conns)
		}
		return limit == ""
	}
	l.AllowUnverified = func() bool { return r.unverified.Allow(nil, time.Now()) }
}

// handler returns a handler that answers 429 to requests that come too fast. A client
// that goes on is disconnected, since an answer of 429 costs half of one of 200, and a
// new connection is limited as well. Over HTTP/3, which has no way to say so, it has
// to wait for each answer.
func (r *rates) handler(next http.Handler) http.Handler {
	if r.requests == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		client := clientAddr(req.Context())
		limit, wait := r.requests.refuse(client, r.trusts(client), time.Now())
		if limit == "" {
			next.ServeHTTP(w, req)
			return
		}
		r.refusedRequest(limit, client)
		if r.persists(client, limit, time.Now()) {
			if req.ProtoMajor < 3 {
				w.Header().Set("Connection", "close") // over HTTP/2, too: GOAWAY
			} else {
				hold(req.Context(), min(wait, maxHold))
			}
		}
		seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
		h := w.Header()
		h.Set("Retry-After", seconds)
		h.Set("Cache-Control", "no-store")
		h.Set("Access-Control-Allow-Origin", "*") // as on what is answered
		text := "too many requests: try again in " + seconds + " s"
		if c := server.ClientOf(req.Context()); c != nil {
			if e, ok := c.Event(event.Compact); ok && e.ID != (event.ID{}) {
				text += "\nreference: " + e.ID.String() // as where a rule refuses
			}
		}
		refusal.Write(w, req, http.StatusTooManyRequests, text)
	})
}

// hold waits for d, or until ctx is done.
func hold(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

var errTooManyLines = errors.New("too many lines")

// nextLine waits until the client of ctx may send another line. It returns an error if
// that takes too long.
func (r *rates) nextLine(ctx context.Context) error {
	if r.requests == nil {
		return nil
	}
	client := clientAddr(ctx)
	deadline := time.Now().Add(lineWait)
	// Of the connections of a client that wait, one has its turn each time. The others
	// wait twice as long, so that many of them do not wake up all the time.
	for factor := time.Duration(1); ; factor *= 2 {
		now := time.Now()
		limit, wait := r.requests.refuse(client, r.trusts(client), now)
		if limit == "" {
			return nil
		}
		wait *= factor
		if now.Add(wait).After(deadline) {
			r.refusedRequest(limit, client)
			return errTooManyLines
		}
		if hold(ctx, wait); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// refusedRequest records that a request or line of client was refused.
func (r *rates) refusedRequest(limit string, client netip.Addr) {
	r.refusedRequests.WithLabelValues(limit).Inc()
	r.refused("request", limit, client, &r.summary.requests)
}

// persists counts a refusal of client, and reports whether it is refused as often as it
// may send. A refusal for the total is not its doing, and does not count.
func (r *rates) persists(client netip.Addr, limit string, now time.Time) bool {
	if limit == limitTotal {
		return false
	}
	addr, _ := rateKeys(client)
	return !r.refusals.Allow(addr, now)
}

// trusts reports whether client is a trusted proxy itself, which many clients share.
func (r *rates) trusts(client netip.Addr) bool {
	return slices.ContainsFunc(r.proxies, func(p netip.Prefix) bool { return p.Contains(client) })
}

// refused logs a refusal: each at level debug, and their numbers once a minute.
func (r *rates) refused(what, limit string, client netip.Addr, count *atomic.Int64) {
	if r.log.Enabled(context.Background(), slog.LevelDebug) {
		r.log.Debug("refused for its rate", "what", what, "limit", limit, "client", client)
	}
	count.Add(1)
	if limit == limitTotal {
		r.summary.total.Add(1)
	}
	if r.summary.due(time.Now()) {
		r.log.Warn("clients come faster than their rate allows", "refused_connections", r.summary.conns.Swap(0),
			"refused_requests", r.summary.requests.Swap(0), "for_the_total", r.summary.total.Swap(0))
	}
}

// refusals are those since the last summary.
type refusals struct {
	conns, requests atomic.Int64
	total           atomic.Int64 // of both, for a rate of all clients together

	start time.Time
	next  atomic.Int64 // nanoseconds from start to the next summary
}

// due reports whether it is time for a summary, to one caller each time.
func (s *refusals) due(now time.Time) bool {
	next, since := s.next.Load(), int64(now.Sub(s.start))
	return since >= next && s.next.CompareAndSwap(next, since+int64(summaryInterval))
}

// The limits, as in the metric.
const (
	limitAddr    = "addr"
	limitNetwork = "network"
	limitTotal   = "total"
)

// rateLimits holds one kind of event to a rate: of each address, of each network, and
// of all.
type rateLimits struct {
	addr, network, total        *signals.Limiter
	exemptPerAddr, exemptTotals bool // loopback
}

// newRateLimits returns nil where there is no limit.
func newRateLimits(perAddr, total rateFlag) *rateLimits {
	if perAddr.IsZero() && total.IsZero() {
		return nil
	}
	return &rateLimits{
		addr:          signals.NewLimiter(perAddr.Rate, signals.DefaultSlots),
		network:       signals.NewLimiter(perAddr.Times(networkFactor), signals.DefaultSlots),
		total:         signals.NewLimiter(total.Rate, 2),
		exemptPerAddr: !perAddr.set,
		exemptTotals:  !total.set,
	}
}

// refuse counts an event of client. It returns "" if there may be one, and else the
// limit that it is over, and how long to wait. The client may be zero if it has no
// IP address. One that is shared counts for the total alone.
func (l *rateLimits) refuse(client netip.Addr, shared bool, now time.Time) (limit string, wait time.Duration) {
	if client.IsValid() && !shared && !(l.exemptPerAddr && client.IsLoopback()) {
		addr, network := rateKeys(client)
		if !l.addr.Allow(addr, now) {
			return limitAddr, l.addr.Wait(addr, now)
		}
		if !l.network.Allow(network, now) {
			return limitNetwork, l.network.Wait(network, now)
		}
	}
	if !(l.exemptTotals && client.IsLoopback()) && !l.total.Allow(nil, now) {
		return limitTotal, l.total.Wait(nil, now)
	}
	return "", 0
}

// rateKeys returns the keys of an address, or IPv6 /64, and of its network.
func rateKeys(client netip.Addr) (addr, network []byte) {
	a := client.As16()
	if client.Is4() {
		return a[12:], a[12:15]
	}
	return a[:8], a[:6]
}

// clientAddr returns the address of the client of a request or line. It is zero if that
// has no IP address.
func clientAddr(ctx context.Context) netip.Addr {
	if c := server.ClientOf(ctx); c != nil {
		if a, ok := c.RemoteAddr().(interface{ AddrPort() netip.AddrPort }); ok { // over TCP and UDP
			return a.AddrPort().Addr().Unmap().WithZone("")
		}
	}
	return netip.Addr{}
}
