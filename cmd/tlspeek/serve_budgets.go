package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/server/echo"
)

// minAnswerMemory is what the answers to a few large hellos take.
const minAnswerMemory = 16 << 20

// budgetFlags has the flags that bound what answers cost.
type budgetFlags struct {
	answerMemory int64
}

func (f *budgetFlags) add(flags *pflag.FlagSet) {
	flags.Int64Var(&f.answerMemory, "answer-memory", 64<<20, "maximum `bytes` of answers and uploads in memory, until clients have read them; one client gets up to a third")
}

func (f *budgetFlags) check() error {
	if f.answerMemory < minAnswerMemory {
		return fmt.Errorf("--answer-memory %d: must be %d or more", f.answerMemory, minAnswerMemory)
	}
	return nil
}

// addBudgetMetrics adds metrics of what h holds and refuses, before it serves.
func addBudgetMetrics(r *prometheus.Registry, h *echo.Handler) {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tlspeek_refused_total",
		Help: "Requests, lines and watchers that were refused, by what there was too little of, and for whom: client or all.",
	}, []string{"resource", "cause"})
	r.MustRegister(refused)
	h.Refused = func(resource, cause string) { refused.WithLabelValues(resource, cause).Inc() }
	for _, of := range h.Resources() {
		for _, cause := range []string{"client", "all"} {
			refused.WithLabelValues(of.Name, cause) // which has the metric show 0
		}
	}
	r.MustRegister(resourceCollector{h})
}

// A resourceCollector collects how much of each resource is used.
type resourceCollector struct{ handler *echo.Handler }

var (
	usedDesc = prometheus.NewDesc("tlspeek_resource_used", "What answers use now: requests, bytes, renders or watchers, by resource.", []string{"resource"}, nil)
	maxDesc  = prometheus.NewDesc("tlspeek_resource_max", "What answers may use, by resource.", []string{"resource"}, nil)
)

// Describe implements [prometheus.Collector].
func (resourceCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- usedDesc
	descs <- maxDesc
}

// Collect implements [prometheus.Collector].
func (c resourceCollector) Collect(metrics chan<- prometheus.Metric) {
	for _, r := range c.handler.Resources() {
		metrics <- prometheus.MustNewConstMetric(usedDesc, prometheus.GaugeValue, float64(r.Used), r.Name)
		metrics <- prometheus.MustNewConstMetric(maxDesc, prometheus.GaugeValue, float64(r.Total), r.Name)
	}
}
