package guard

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server"
)

// DefaultMaxTarpit is how many connections and requests a [Guard] holds back at once.
const DefaultMaxTarpit = 256

// A Guard has a server do what a policy says. [Guard.Attach] gives it the hellos and the
// requests of a listener, and [Guard.Handler] answers those that are refused. The fields
// must not be changed once the server serves.
type Guard struct {
	// Policy returns the policy to ask, or nil to let all pass, as without a Policy. It is asked once for each
	// hello and each request, so that a policy may be replaced at any time: what is decided
	// about one of them is decided by one policy.
	Policy func() *policy.Policy

	// Config returns the configuration that has the certificate of the given name, for
	// rules of p that choose one. Nil, or a nil result, leaves the server's own.
	Config func(p *policy.Policy, name string) *tls.Config

	// DryRun has the Guard do nothing. The Event says what would be: it has the rule, the
	// action "count", and a tag such as "would-deny". The rules of requests are not asked on
	// a connection that would have ended at its hello.
	DryRun bool

	// MaxTarpit bounds how many connections and requests are held back at once. More are
	// closed. 0 is DefaultMaxTarpit, negative is for none.
	MaxTarpit int

	inputs sync.Pool // of *input
	held   atomic.Int64
	over   atomic.Int64

	once   sync.Once
	ctx    context.Context // done once Stop is called
	cancel context.CancelFunc
}

// An input is memory that a policy is asked with.
type input struct {
	policy.Input
	event   event.Event
	request policy.Request
}

// Attach has g decide about the hellos and the requests of l. Call it before l accepts. An
// HTTP3 without a [server.Server] has the same fields, Decide and DecideRequest.
func (g *Guard) Attach(l *server.Listener) { l.Decide, l.DecideRequest = g.Decide, g.DecideRequest }

// Tarpits returns how many connections and requests are held back now, and how many were
// closed because there were too many.
func (g *Guard) Tarpits() (now, refused int64) { return g.held.Load(), g.over.Load() }

// Stop lets all requests go that are held back, and those that follow: they are answered at
// once. Call it when the server shuts down, such as by [http.Server.RegisterOnShutdown].
func (g *Guard) Stop() { g.stopping(); g.cancel() }

// stopping returns a context that is done once Stop is called.
func (g *Guard) stopping() context.Context {
	g.once.Do(func() { g.ctx, g.cancel = context.WithCancel(context.Background()) })
	return g.ctx
}

func (g *Guard) policy() *policy.Policy {
	if g.Policy == nil {
		return nil
	}
	return g.Policy()
}

// Decide is for [server.Listener.Decide]: it asks the policy about a hello. A second hello of
// a connection is not asked about, since its Event is that of the first.
func (g *Guard) Decide(c server.Client) server.Decision {
	p := g.policy()
	if p == nil || !p.Has(policy.AtHello) {
		return server.Decision{Once: true}
	}
	in := g.input()
	defer g.putInput(in)
	var ok bool
	if in.event, ok = c.Event(sizeFor(p, policy.AtHello)); !ok {
		return server.Decision{Once: true}
	}
	in.Reset(&in.event, nil)
	v := p.Decide(policy.AtHello, &in.Input, time.Now())
	d := g.decision(&v)
	d.Once = true
	if d.Action != string(v.Action) { // it only counts
		return d
	}
	switch v.Action {
	case policy.Deny, policy.Close, policy.Limit:
		d.Close = true
	case policy.Tarpit:
		// Over QUIC nobody waits, and without a hello there is nobody to hold.
		d.Close = true
		if in.event.Transport == "tls" && in.event.Error == "" {
			g.holdBack(&d, v.Hold)
		}
	case policy.Config:
		if g.Config != nil {
			d.Config = g.Config(p, v.Config)
		}
	}
	return d
}

// DecideRequest is for [server.Listener.DecideRequest]: it asks the policy about a request, or
// with nil for r about a client that speaks no HTTP.
func (g *Guard) DecideRequest(c server.Client, r *http.Request) server.Decision {
	p := g.policy()
	if p == nil || !p.Has(policy.AtRequest) {
		return server.Decision{}
	}
	in := g.input()
	defer g.putInput(in)
	size := sizeFor(p, policy.AtRequest)
	var ok bool
	var asked *policy.Request
	if r == nil {
		in.event, ok = c.Event(size)
	} else {
		in.event, ok = server.EventOf(r, size)
		asked = &in.request
		setRequest(asked, r)
	}
	if !ok {
		return server.Decision{}
	}
	if (g.DryRun || p.DryRun()) && in.event.Rule != "" && p.EndsAtHello(in.event.Rule) {
		return server.Decision{} // the Event has what would have been
	}
	in.Reset(&in.event, asked)
	v := p.Decide(policy.AtRequest, &in.Input, time.Now())
	d := g.decision(&v)
	if d.Action != string(v.Action) {
		return d
	}
	switch v.Action {
	case policy.Deny, policy.Close:
		d.Close = true
	case policy.Limit:
		d.Close, d.Retry = true, v.Retry
	case policy.Tarpit:
		d.Close = true
		if r == nil {
			g.holdBack(&d, v.Hold)
		} else {
			d.Wait = v.Hold // the handler counts it: only it knows when it is over
		}
	}
	return d
}

// sizeFor returns the size of Event to ask for. That of size full is made in any case.
func sizeFor(p *policy.Policy, stage policy.Stage) event.Size { return max(event.Full, p.Size(stage)) }

// decision returns what is the same at both stages.
func (g *Guard) decision(v *policy.Verdict) server.Decision {
	d := server.Decision{Rule: v.Rule, Action: v.EventAction(), Tags: v.Tags}
	if g.DryRun && !v.DryRun && acts(v.Action) {
		d.Action = string(policy.Count)
		if would := "would-" + string(v.Action); !slices.Contains(d.Tags, would) {
			d.Tags = append(slices.Clip(d.Tags), would)
		}
	}
	return d
}

// acts reports whether an action does something to a client.
func acts(a policy.Action) bool {
	return a != "" && a != policy.Allow && a != policy.Tag
}

// holdBack has d wait, if there is room.
func (g *Guard) holdBack(d *server.Decision, wait time.Duration) {
	if wait > 0 && g.acquire() {
		d.Wait, d.WaitOver = wait, g.release
	}
}

// acquire counts one more that is held back. It returns false if there are too many.
func (g *Guard) acquire() bool {
	limit := int64(g.MaxTarpit)
	if limit == 0 {
		limit = DefaultMaxTarpit
	}
	if g.held.Add(1) > limit {
		g.release()
		g.over.Add(1)
		return false
	}
	return true
}

func (g *Guard) release() { g.held.Add(-1) }

func (g *Guard) input() *input {
	if in, ok := g.inputs.Get().(*input); ok {
		return in
	}
	return new(input)
}

// putInput takes in back, which refers to nothing of a client any more.
func (g *Guard) putInput(in *input) {
	in.event, in.request = event.Event{}, policy.Request{}
	in.Reset(nil, nil)
	g.inputs.Put(in)
}

// setRequest sets what expressions see of r.
func setRequest(q *policy.Request, r *http.Request) {
	*q = policy.Request{Method: r.Method, Host: hostOf(r.Host), Protocol: r.Proto, Header: r.Header}
	if r.URL != nil {
		q.Path, q.Query = r.URL.Path, r.URL.RawQuery
	}
}

// hostOf returns the host of a Host field without its port, in lower case.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(host)
}
