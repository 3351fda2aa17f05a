package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/policy"
)

// runs runs the program, and returns its standard output.
func runs(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Equal(t, 0, run(args, strings.NewReader(""), &stdout, &stderr), stderr.String())
	return stdout.String()
}

// TestReplayMatchesWhere: a rule of a policy matches as many hellos as scan selects by its
// condition, whatever the other rules, with the same first one and as many errors.
func TestReplayMatchesWhere(t *testing.T) {
	dir := filteredCaptures(t)
	list := filepath.Join(t.TempDir(), "names.txt")
	require.NoError(t, os.WriteFile(list, []byte("*.example\n"), 0o600))
	conditions := []string{
		`true`,
		`sni == ""`,
		`inList("names", sni)`,
		`client.exists(c, c.family == "Firefox" && c.distance == 0)`,
		`tells.exists(t, t.name == "frozen-order")`,
		`size(tells) > 0 && !cidr("192.0.2.100/30").containsIP(src_ip)`,
		`ip(sni).isLoopback()`,
		`sni != "" && ip(sni).isLoopback()`,
		`size(supported_groups) > 4 && carrier.bytes > 1000`,
		`user_agent == "" && request.path == "" && ja4.startsWith("t13")`,
		`size(raw) > 1800`,
		`has(event.alpn) && !("h2" in alpn)`,
		`size(tags) > 0`,
	}
	text := "default: close\nlists:\n  names: {file: " + list + "}\nrules:\n  - {name: tagged, when: true, do: tag}\n"
	for i, c := range conditions {
		do := []string{"deny", "tag", "allow", "close", "deny, mode: count"}[i%5]
		text += fmt.Sprintf("  - {name: r%d, when: '%s', do: %s}\n", i, c, do)
	}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))

	var result policy.ReplayResult
	require.NoError(t, json.Unmarshal([]byte(runs(t, "policy", "replay", "-q", "--json", file, dir)), &result))
	require.Len(t, result.Rules, len(conditions)+2)
	assert.Equal(t, fmt.Sprintln(result.Hellos), scanned(t, "--count", dir))
	decided := result.Undecided
	for i := range result.Rules {
		decided += result.Rules[i].Decided
	}
	assert.Equal(t, result.Hellos, decided)
	for i, c := range conditions {
		r := &result.Rules[i+1]
		args := []string{"--where", c, dir}
		if strings.Contains(c, "inList") {
			args = append([]string{"--list", "names=" + list}, args...)
		}
		var stdout, stderr bytes.Buffer
		require.Equal(t, 0, run(append([]string{"scan", "-j", "1", "--tsv", "--fields", "file,packet"}, args...), nil, &stdout, &stderr))
		lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")[1:]
		assert.Equal(t, len(lines), int(r.Matched), c)
		if len(lines) > 0 {
			assert.Equal(t, strings.ReplaceAll(lines[0], "\t", ":"), r.Example, c)
		}
		if r.Errors > 0 {
			assert.Contains(t, strings.ReplaceAll(stderr.String(), ",", ""), fmt.Sprintf("%d hellos not selected because --where failed", r.Errors), c)
			assert.NotEmpty(t, r.Error, c)
		} else {
			assert.NotContains(t, stderr.String(), "failed", c)
		}
	}
	assert.Positive(t, result.Rules[7].Errors)

	// The example is one that policy explain takes, and gives the same.
	for i := range result.Rules {
		r := &result.Rules[i]
		if r.Example == "" || r.Rule == policy.DefaultName {
			continue
		}
		var explained struct{ Rules []ruleJSON }
		require.NoError(t, json.Unmarshal([]byte(runs(t, "policy", "explain", "--json", file, r.Example)), &explained))
		for _, x := range explained.Rules {
			if x.Rule == r.Rule && i != len(conditions) { // the last sees tags
				assert.True(t, x.Matched, r.Rule)
			}
		}
	}
}
