package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// countedOutcomes has an Observation for each outcome.
func countedOutcomes(t *testing.T) map[string]*event.Observation {
	h := hellotest.Real(t)["go-1.26"]
	return map[string]*event.Observation{
		"hello":        {Hello: h, Index: 1},
		"second_hello": {Hello: h, Index: 2},
		"not_tls":      {Err: parser.ErrNotTLS, Received: []byte("GET")},
		"over_limit":   {Err: fmt.Errorf("reading: %w", server.ErrOverLimit), Received: []byte{22}},
		"malformed":    {Err: fmt.Errorf("reading: %w", &parser.Error{Err: parser.ErrTruncated}), Received: []byte{22}},
		"silent":       {Err: server.ErrNoHello},
		"incomplete":   {Err: server.ErrNoHello, Received: []byte{22}},
	}
}

// TestMetricsCount counts one of everything that has a label.
func TestMetricsCount(t *testing.T) {
	ln := &server.Listener{Limits: new(server.Limits)}
	registry := prometheus.NewRegistry()
	passed := 0
	ln.Observe = func(*event.Observation) { passed++ }
	addMetrics(registry, ln)
	addServerMetrics(registry, new(server.Server))
	outcomes := countedOutcomes(t)
	for _, o := range outcomes {
		ln.Observe(o)
	}
	assert.Equal(t, len(outcomes), passed)
	drops := []server.DropReason{server.DropConns, server.DropAddr, server.DropHalfOpen, "rate"}
	for _, why := range drops {
		ln.Limits.Dropped(why)
	}

	counts := map[string]float64{}
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			if m.Counter == nil {
				continue
			}
			for _, l := range m.Label {
				if l.GetName() != "transport" {
					counts[f.GetName()+" "+l.GetValue()] = m.Counter.GetValue()
				}
			}
		}
	}
	for outcome := range outcomes {
		assert.Equal(t, 1.0, counts["tlspeek_hellos_total "+outcome], outcome)
	}
	for _, why := range drops {
		assert.Equal(t, 1.0, counts["tlspeek_dropped_total "+string(why)], why)
	}
	for _, limit := range []string{"port", "room", "total"} {
		assert.Contains(t, counts, "tlspeek_dropped_quic_hellos_total "+limit)
	}
	assert.Len(t, counts, len(outcomes)+len(drops)+3)
}

// TestUnverifiedHellosAreCountedApart: a hello over QUIC counts with others once its
// client has shown its address, and is then shown, too.
func TestUnverifiedHellosAreCountedApart(t *testing.T) {
	ln := &server.Listener{Limits: new(server.Limits)}
	registry := prometheus.NewRegistry()
	var shown []bool
	settled := 0
	ln.Observe = func(o *event.Observation) { shown = append(shown, o.Unverified) }
	ln.Settled = func(*event.Observation, *event.Event) { settled++ }
	showVerified(ln)
	addMetrics(registry, ln)
	hello := *countedOutcomes(t)["hello"]
	forged := hello
	forged.Unverified = true
	for range 3 {
		ln.Observe(&forged)
		ln.Settled(&forged, nil)
	}
	assert.Empty(t, shown)
	ln.Verified(&hello)
	ln.Settled(&hello, nil)
	assert.Equal(t, []bool{false}, shown)
	assert.Equal(t, 1, settled)

	counts := map[string]float64{}
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			counts[f.GetName()] += m.GetCounter().GetValue()
		}
	}
	assert.Equal(t, 3.0, counts["tlspeek_unverified_hellos_total"])
	assert.Equal(t, 1.0, counts["tlspeek_hellos_total"])
}

// TestMetricsAreDocumented finds each metric, and each outcome, in docs/serve.md.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/serve.md")
	require.NoError(t, err)
	docs := string(text)
	ln := &server.Listener{Limits: new(server.Limits)}
	registry := prometheus.NewRegistry()
	s := new(server.Server)
	addMetrics(registry, ln)
	addServerMetrics(registry, s)
	outcomes := countedOutcomes(t)
	ln.Observe(outcomes["hello"])
	ln.Limits.Dropped(server.DropAddr)
	s.OnHandshake(0, nil)
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 10, "a metric without a value is not gathered: count one here")
	for _, f := range families {
		assert.True(t, strings.Contains(docs, "`"+f.GetName()+"`"), "docs/serve.md lacks %s", f.GetName())
	}
	_, row, found := strings.Cut(docs, "| `tlspeek_hellos_total` | ")
	require.True(t, found)
	row, _, _ = strings.Cut(row, "\n")
	for outcome := range outcomes {
		assert.Regexp(t, `\b`+outcome+`\b`, row)
	}
}
