package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/policy"
)

// TestExamplePolicies: the policies in docs have no mistakes, and pass their tests.
func TestExamplePolicies(t *testing.T) {
	names, err := filepath.Glob("../../docs/examples/*.yaml")
	require.NoError(t, err)
	sites, err := filepath.Glob("../../docs/examples/*/policy.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, sites)
	names = append(names, sites...)
	for _, name := range names {
		for _, args := range [][]string{{"policy", "check", "--strict", name}, {"policy", "test", name}} {
			var out, errs bytes.Buffer
			assert.Zero(t, run(args, strings.NewReader(""), &out, &errs), "%v:\n%s%s", args, &out, &errs)
			assert.NotEmpty(t, out.String())
		}
	}
}

// TestPolicyDocument: each policy in docs/policy.md has no mistakes, passes its tests, and
// the document names each key of the file.
func TestPolicyDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		name := filepath.Join(t.TempDir(), "policy.yaml")
		require.NoError(t, os.WriteFile(name, b[1], 0o600))
		var errs bytes.Buffer
		assert.Zero(t, run([]string{"policy", "check", "--strict", name}, strings.NewReader(""), io.Discard, &errs), "%s\n%s", b[1], &errs)
		p, err := policy.Load(policy.OS(), name, policy.LoadOptions{})
		require.NoError(t, err)
		assert.NoError(t, p.TestErr())
	}
	for _, m := range regexp.MustCompile(`"([a-z]+)": \{`).FindAllSubmatch(policy.Schema(), -1) {
		switch key := string(m[1]); key {
		case "properties", "propertyNames", "items", "not", "if", "then", "else": // of JSON Schema
		default:
			assert.Contains(t, string(text), key)
		}
	}
}

// TestPolicyConditions: the conditions in the table of docs/policy.md compile.
func TestPolicyConditions(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "| to ask | write |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	list, err := policy.NewList(policy.ListAuto, "x")
	require.NoError(t, err)
	env, err := policy.NewEnv(policy.EnvOptions{Lists: map[string]policy.Set{"bad": list}})
	require.NoError(t, err)
	var in policy.Input
	in.Reset(new(event.Event), nil)
	tried := 0
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(table, -1) {
		if regexp.MustCompile(`^!?a( && b)?$`).MatchString(m[1]) {
			continue
		}
		text := m[1]
		if strings.HasSuffix(text, ".lowerAscii()") {
			text += ` == ""`
		}
		x, err := env.Compile(text, policy.AtRequest)
		if assert.NoError(t, err, text) {
			_, err = x.Match(&in)
			if !strings.Contains(text, "containsIP") {
				assert.NoError(t, err, text)
			}
			tried++
		}
	}
	assert.Greater(t, tried, 18)
}
