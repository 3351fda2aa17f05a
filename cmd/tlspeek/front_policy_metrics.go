package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlspeek/tlspeek/policy"
)

// A policyCollector collects what a policy has decided. Its labels are the names of rules,
// which clients cannot choose.
type policyCollector struct{ *guarded }

var (
	policyHitsDesc     = prometheus.NewDesc("tlspeek_policy_hits_total", "Hellos and requests about which a rule did what it says, or would have: its condition was true, and of a limit the rate was used up; by rule, and by action, which is count for what would have been.", []string{"rule", "action"}, nil)
	policyErrorsDesc   = prometheus.NewDesc("tlspeek_policy_errors_total", "Hellos and requests for which the condition of a rule had an error, and so did not match, by rule.", []string{"rule"}, nil)
	policyReloadsDesc  = prometheus.NewDesc("tlspeek_policy_reloads_total", "Times that the policy was read again, by result: ok or error.", []string{"result"}, nil)
	policyFailingDesc  = prometheus.NewDesc("tlspeek_policy_failing", "1 if the policy has changed and cannot be loaded: the one before is in use.", nil, nil)
	policyLoadedDesc   = prometheus.NewDesc("tlspeek_policy_loaded_timestamp_seconds", "When the policy in use was loaded.", nil, nil)
	policyTarpitsDesc  = prometheus.NewDesc("tlspeek_policy_tarpits", "Connections and requests that a rule holds back now.", nil, nil)
	policyOverDesc     = prometheus.NewDesc("tlspeek_policy_tarpits_refused_total", "Connections and requests closed because too many are held back.", nil, nil)
	policyDescriptions = []*prometheus.Desc{policyHitsDesc, policyErrorsDesc, policyReloadsDesc, policyFailingDesc, policyLoadedDesc, policyTarpitsDesc, policyOverDesc}
)

// addPolicyMetrics adds metrics of g, which may be nil, to r.
func addPolicyMetrics(r *prometheus.Registry, g *guarded) {
	if g != nil {
		r.MustRegister(policyCollector{g})
	}
}

// Describe implements [prometheus.Collector].
func (policyCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range policyDescriptions {
		descs <- d
	}
}

// Collect implements [prometheus.Collector].
func (c policyCollector) Collect(metrics chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n, labels...)
	}
	gauge := func(d *prometheus.Desc, n float64) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n)
	}
	p := c.rules.Policy()
	rule := func(r *policy.Rule) {
		counter(policyHitsDesc, float64(r.Counts().Acted), r.Name, c.action(r))
		counter(policyErrorsDesc, float64(r.Counts().Errors), r.Name)
	}
	for r := range p.Rules() {
		rule(r)
	}
	if d := p.Default(); d != nil {
		rule(d)
	}
	stats := c.rules.Stats()
	counter(policyReloadsDesc, float64(stats.Reloads), "ok")
	counter(policyReloadsDesc, float64(stats.Failures), "error")
	failing := 0.0
	if stats.Failing {
		failing = 1
	}
	gauge(policyFailingDesc, failing)
	gauge(policyLoadedDesc, float64(stats.Loaded.UnixMilli())/1000)
	now, over := c.guard.Tarpits()
	gauge(policyTarpitsDesc, float64(now))
	counter(policyOverDesc, float64(over))
}

// action returns what an Event has as action where r decides.
func (c policyCollector) action(r *policy.Rule) string {
	if r.Mode == policy.Count || c.guard.DryRun && r.Do != policy.Allow && r.Do != policy.Tag {
		return string(policy.Count)
	}
	return string(r.Do)
}
