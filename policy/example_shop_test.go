package policy

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// TestExamplesKnowPrograms: the rules of the documentation that are about programs and tools
// match no built-in hello of a browser, and those of programs.
func TestExamplesKnowPrograms(t *testing.T) {
	shop, err := Load(OS(), "../docs/examples/shop.yaml", LoadOptions{Capture: func(io.Reader, int64) (*event.Event, error) { return nil, nil }})
	require.NoError(t, err)
	rules := make(map[string]*Expr)
	for r := range shop.Rules() {
		rules[r.Name] = r.Expr()
	}
	env, err := NewEnv(EnvOptions{})
	require.NoError(t, err)
	tools, err := env.Compile(`client.exists(c, c.distance == 0 && c.kind == "tool") && client.all(c, c.distance > 0 || c.kind in ["tool", "library"])`, AtHello)
	require.NoError(t, err)
	entries, err := known.BuiltinEntries()
	require.NoError(t, err)
	var observer event.Observer
	matched := make(map[string]map[string]bool)
	browsers := 0
	for i := range entries {
		h, err := entries[i].ParseHello()
		require.NoError(t, err)
		if h == nil {
			continue // only recorded
		}
		e := observer.Event(&event.Observation{Hello: h, Transport: h.Transport}, event.Full)
		kind := entries[i].Kind.String()
		if kind == "browser" {
			browsers++
		}
		for name, x := range map[string]*Expr{"programs": rules["programs"], "tools": tools} {
			var in Input
			in.Reset(&e, &Request{Path: "/"})
			yes, err := x.Match(&in)
			require.NoError(t, err)
			if yes {
				assert.Contains(t, []string{"tool", "library"}, kind, "%s matches %s", name, entries[i].Name)
				if matched[name] == nil {
					matched[name] = make(map[string]bool)
				}
				matched[name][entries[i].Name] = true
			}
		}
	}
	assert.Greater(t, browsers, 50)
	assert.True(t, matched["programs"]["curl"] && matched["programs"]["Go net/http"] && matched["tools"]["curl"])
}
