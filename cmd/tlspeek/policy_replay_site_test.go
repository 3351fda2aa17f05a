package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/policy"
)

// TestReplaySite: each rule of docs/examples/site matches as many hellos of captures as scan
// selects by its condition, and those that are decided add up.
func TestReplaySite(t *testing.T) {
	dir := "../../docs/examples/site"
	file := filepath.Join(dir, "policy.yaml")
	captures := []string{filepath.Join(dir, "clients.pcap")}
	for _, name := range []string{"curl", "curl-hrr", "curl-gap", "quic-go", "dtls-openssl", "starttls-smtp"} {
		captures = append(captures, "../../testdata/captures/"+name+".pcap")
	}
	p, err := policy.Load(policy.OS(), file, policy.LoadOptions{Capture: captureEvents(t.Context(), nil)})
	require.NoError(t, err)
	var lists []string
	for _, name := range []string{"office", "balancers", "names", "bad-ja4"} {
		lists = append(lists, "--list", name+"="+filepath.Join(dir, name+".txt"))
	}
	var result policy.ReplayResult
	require.NoError(t, json.Unmarshal([]byte(runs(t, append([]string{"policy", "replay", "-q", "--json", file}, captures...)...)), &result))
	assert.Greater(t, result.Hellos, int64(10))
	decided, matched := result.Undecided, make(map[string]int64)
	for i := range result.Rules {
		decided += result.Rules[i].Decided
		matched[result.Rules[i].Rule] = result.Rules[i].Matched
		assert.Zero(t, result.Rules[i].Errors)
	}
	assert.Equal(t, result.Hellos, decided)
	for r := range p.Rules() {
		args := append([]string{"scan", "--count", "--where", r.Expr().String()}, lists...)
		assert.Equal(t, runs(t, append(args, captures...)...), fmt.Sprintln(matched[r.Name]), r.Name)
	}
	for _, name := range []string{"not-ours", "scanners", "programs", "flood"} {
		assert.Positive(t, matched[name], name)
	}
}
