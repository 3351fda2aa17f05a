package main

import (
	"slices"

	"github.com/tlspeek/tlspeek/internal/preflight"
	"github.com/tlspeek/tlspeek/policy"
)

// unasked returns the names of the rules of p that decide nothing where TLS is passed
// through: those about requests, and those that choose a certificate.
func unasked(p *policy.Policy) (names []string) {
	for r := range p.Rules() {
		if !r.At(policy.AtHello) || r.Do == policy.Config {
			names = append(names, r.Name)
		}
	}
	return names
}

// warnOfStages logs which rules decide nothing where TLS is passed through, each time that
// there are others.
func warnOfStages(e *front) {
	if e.guarded == nil || !e.flags.passed {
		return
	}
	var said []string
	warn := func(p *policy.Policy) {
		if names := unasked(p); len(names) > 0 && !slices.Equal(names, said) {
			said = names
			e.log.Warn("rules of the policy decide nothing with --pass: they are about requests or certificates", "rules", names)
		}
	}
	warn(e.guarded.rules.Policy())
	prepare := e.guarded.rules.Prepare
	e.guarded.rules.Prepare = func(p *policy.Policy) error {
		err := prepare(p)
		if err == nil {
			warn(p)
		}
		return err
	}
}

// checkStages warns of the rules that decide nothing with --pass.
func (f *proxyFlags) checkStages(r *preflight.Report) {
	if !f.passed || f.policy.file == "" {
		return
	}
	g, err := f.policy.load(nil, nil, nil, nil)
	if err != nil {
		return // checkPolicy has told it
	}
	for _, name := range unasked(g.rules.Policy()) {
		r.Warn("--policy", "rule "+name+" decides nothing with --pass: it is about requests or certificates", "")
	}
}
