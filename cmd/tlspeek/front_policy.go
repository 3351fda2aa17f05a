package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/internal/preflight"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/guard"
	"github.com/tlspeek/tlspeek/signals"
)

// policyFlags has the flags of the policy.
type policyFlags struct {
	file   string
	dryRun bool
}

func (f *policyFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "policy", "", "do what the rules in `file` say, for hellos and for requests; it is read again when it changes")
	flags.BoolVar(&f.dryRun, "policy-dry-run", false, "only say in Events and metrics what the policy would do")
}

func (f *policyFlags) check() error {
	if f.dryRun && f.file == "" {
		return errors.New("--policy-dry-run needs --policy")
	}
	return nil
}

// A guarded is the policy of serve and what obeys it. A nil one is that of serve without
// a policy.
type guarded struct {
	rules *policy.Reloader
	guard *guard.Guard

	certificates atomic.Pointer[policyCertificates]
	stop         context.CancelFunc
	stopped      chan struct{}
}

// policyCertificates are those of a policy. They are ready before the policy is in use, while
// the one before still is.
type policyCertificates struct {
	policy  *policy.Policy
	configs map[string]*tls.Config
	before  *policyCertificates
}

// load reads the policy of f, or returns nil if there is none. Base is what another
// certificate is put into, or nil, and agg what rules ask for signals; it may be nil.
func (f *policyFlags) load(base *tls.Config, clients *known.Database, agg func(string) (signals.Values, bool), log *slog.Logger) (*guarded, error) {
	if f.file == "" {
		return nil, nil
	}
	if base == nil { // nobody uses the certificates
		base = new(tls.Config)
	}
	g := &guarded{rules: &policy.Reloader{
		Name:    f.file,
		Options: policy.LoadOptions{Agg: agg, DryRun: f.dryRun, Capture: captureEvents(context.Background(), clients)},
		Log:     log,
	}}
	g.rules.Prepare = func(p *policy.Policy) error {
		if agg == nil && log != nil && usesAgg(p) {
			log.Warn("the policy asks agg for signals, which are all 0 with --signals-memory 0", "policy", f.file)
		}
		return g.prepare(p, base, log)
	}
	g.guard = &guard.Guard{Policy: g.rules.Policy, Config: g.config, DryRun: f.dryRun}
	if err := g.rules.Load(); err != nil {
		return nil, fmt.Errorf("--policy: %w", err)
	}
	return g, nil
}

// usesAgg reports whether a rule of p asks for signals.
func usesAgg(p *policy.Policy) bool {
	for r := range p.Rules() {
		if r.Expr().Uses("agg") {
			return true
		}
	}
	return false
}

// prepare loads the certificates of p, before it is in use.
func (g *guarded) prepare(p *policy.Policy, base *tls.Config, log *slog.Logger) error {
	c := &policyCertificates{policy: p, configs: make(map[string]*tls.Config)}
	var errs []error
	for _, cert := range p.Certificates() {
		files := &listen.CertificateFiles{Cert: cert.Cert, Key: cert.Key, Log: log}
		if err := files.Load(); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: certificate %s: %w", g.rules.Name, cert.Line, cert.Name, err))
			continue
		}
		config := base.Clone()
		config.Certificates, config.GetCertificate, config.GetConfigForClient = nil, files.GetCertificate, nil
		c.configs[cert.Name] = config
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if before := g.certificates.Load(); before != nil {
		c.before = &policyCertificates{policy: before.policy, configs: before.configs}
	}
	g.certificates.Store(c)
	return nil
}

// config is [guard.Guard.Config].
func (g *guarded) config(p *policy.Policy, name string) *tls.Config {
	for c := g.certificates.Load(); c != nil; c = c.before {
		if c.policy == p {
			return c.configs[name]
		}
	}
	return nil
}

// connect has g decide about the clients of l. It returns a handler that answers those that
// are refused, and calls next for the others.
func (g *guarded) connect(l *server.Listener, next http.Handler) http.Handler {
	if g == nil {
		return next
	}
	g.guard.Attach(l)
	return g.guard.Handler(next)
}

// watch reads the policy again when a file of it changes, until end is called.
func (g *guarded) watch() {
	if g == nil {
		return
	}
	var ctx context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	g.stopped = make(chan struct{})
	go func() {
		defer close(g.stopped)
		g.rules.Run(ctx)
	}()
}

// end lets all go that are held back, and ends watch.
func (g *guarded) end() {
	if g == nil {
		return
	}
	g.guard.Stop()
	g.stop()
	<-g.stopped
}

// checkPolicy loads the policy, and runs its tests.
func (f *frontFlags) checkPolicy(r *preflight.Report) {
	if f.policy.file == "" {
		return
	}
	clients, _ := clientfile.Database(f.clients) // checkClients has told its error
	g, err := f.policy.load(&tls.Config{}, clients, nil, nil)
	if err != nil {
		for _, line := range policy.ErrorLines(err) {
			r.Fail("--policy", strings.TrimPrefix(line, "--policy: "), "")
		}
		return
	}
	p, rules := g.rules.Policy(), 0
	if usesAgg(p) && f.signals.memory == 0 {
		r.Warn("--policy", "agg asks for signals, which are all 0 with --signals-memory 0", "give --signals-memory a size")
	}
	for range p.Rules() {
		rules++
	}
	text := fmt.Sprintf("%s: %d rules", f.policy.file, rules)
	if rules == 1 {
		text = f.policy.file + ": 1 rule"
	}
	if f.policy.dryRun {
		text += ", which only count (--policy-dry-run)"
	}
	r.OK("--policy", text)
	for _, w := range p.Check() {
		w.Source = "" // one line each
		r.Warn("--policy", strings.Replace(warningText(f.policy.file, &w), ": warning: ", ": ", 1), "")
	}
}

// announce logs which policy is in use.
func (g *guarded) announce(log *slog.Logger) {
	if g == nil {
		return
	}
	p, rules := g.rules.Policy(), 0
	for range p.Rules() {
		rules++
	}
	log.Info("the policy is in use", "file", g.rules.Name, "rules", rules, "dry_run", p.DryRun())
}
