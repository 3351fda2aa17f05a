package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/policy"
)

// TestPolicyHits: each rule that acted, or would have, is a hit, with count for what would
// have been.
func TestPolicyHits(t *testing.T) {
	const text = `
rules:
  - {name: cnt, when: 'true', do: deny, mode: count}
  - {name: tag, when: 'true', do: tag}
  - {name: rate, when: 'true', do: limit, rate: 1/h burst 2, mode: count}
  - {name: real, when: 'true', do: limit, rate: 1/h burst 4}
  - {name: office, when: sni == "", do: allow}
  - {name: last, when: 'true', do: close}
`
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	for _, dry := range []bool{false, true} {
		f := policyFlags{file: file, dryRun: dry}
		g, err := f.load(&tls.Config{}, nil, nil, nil)
		require.NoError(t, err)
		for range 6 {
			var in policy.Input
			in.Reset(&event.Event{Transport: "tls"}, nil)
			g.rules.Policy().Decide(policy.AtHello, &in, time.Unix(1, 0))
		}
		registry := prometheus.NewRegistry()
		addPolicyMetrics(registry, g)
		families, err := registry.Gather()
		require.NoError(t, err)
		hits := make(map[string]float64)
		for _, family := range families {
			if family.GetName() != "tlspeek_policy_hits_total" {
				continue
			}
			for _, m := range family.Metric {
				name := ""
				for _, label := range m.Label { // in alphabetical order: action, rule
					name += label.GetValue() + " "
				}
				hits[name] = m.GetCounter().GetValue()
			}
		}
		want := map[string]float64{"count cnt ": 6, "tag tag ": 6, "count rate ": 4, "limit real ": 2, "allow office ": 4, "close last ": 0}
		if dry {
			want = map[string]float64{"count cnt ": 6, "tag tag ": 6, "count rate ": 4, "count real ": 2, "allow office ": 4, "count last ": 0}
		}
		assert.Equal(t, want, hits)
	}
}
