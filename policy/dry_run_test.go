package policy

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

func countsOf(p *Policy) map[string]Counts {
	all := make(map[string]Counts)
	for r := range p.Rules() {
		all[r.Name] = r.Counts()
	}
	if d := p.Default(); d != nil {
		all[d.Name] = d.Counts()
	}
	return all
}

// TestCountsOfAllThatWouldAct: each rule that would have acted counts, also behind others
// that only count, and a limit only over its rate.
func TestCountsOfAllThatWouldAct(t *testing.T) {
	p := loadText(t, `
rules:
  - {name: cnt, when: 'true', do: deny, mode: count}
  - {name: tag, when: 'true', do: tag}
  - {name: rate, when: 'true', do: limit, rate: 1/h burst 2, mode: count}
  - {name: both, when: 'true', do: close, mode: count}
  - {name: rate2, when: 'true', do: limit, rate: 1/h burst 4}
  - {name: last, when: 'true', do: tag}
`)
	for range 6 {
		p.Decide(AtHello, ask(named("a"), nil), noon)
	}
	assert.Equal(t, map[string]Counts{
		"cnt":   {Matched: 6, Acted: 6, Decided: 4},
		"tag":   {Matched: 6, Acted: 6},
		"rate":  {Matched: 6, Acted: 4},
		"both":  {Matched: 6, Acted: 6},
		"rate2": {Matched: 6, Acted: 2, Decided: 2},
		"last":  {Matched: 4, Acted: 4},
	}, countsOf(p))
}

const dryPolicy = `
default: deny
rules:
  - {name: counted, when: 'sni == "c"', do: close, mode: count}
  - {name: shut, when: 'sni == "s"', do: close}
  - {name: behind, when: 'true', do: tag}
  - {name: slow, when: 'user_agent == ""', do: limit, rate: 1/h}
`

// TestDryRunCountsAsInEarnest: what a dry run counts, and what its Events have first, is what
// happens without.
func TestDryRunCountsAsInEarnest(t *testing.T) {
	var want map[string]Counts
	for _, dry := range []bool{false, true} {
		p, err := Load(files("p.yaml", dryPolicy), "p.yaml", LoadOptions{DryRun: dry})
		require.NoError(t, err)
		assert.Equal(t, dry, p.DryRun())
		r := NewReplay(p)
		for _, sni := range []string{"s", "c", "x", "s"} {
			e := named(sni)
			r.Add(&e)
			if sni == "s" {
				var in Input
				in.Reset(&e, nil)
				x := p.Explain(t.Context(), &in, noon)
				assert.Equal(t, "shut", x.Verdict.Rule)
			}
		}
		got := countsOf(p)
		if !dry {
			want = got
			assert.Equal(t, uint64(4), got["shut"].Acted)
		}
		assert.Equal(t, want, got)
	}
}

func TestEndsAtHello(t *testing.T) {
	p := loadText(t, dryPolicy+"  - {name: office, when: sni == 'o', do: allow}\n")
	for rule, want := range map[string]bool{"counted": false, "shut": true, "behind": false, "slow": false, "office": false, "default": false, "": false, "gone": false} {
		assert.Equal(t, want, p.EndsAtHello(rule), rule)
	}
	assert.True(t, loadText(t, "default: close\nrules: []").EndsAtHello(DefaultName))
	assert.False(t, loadText(t, "rules: []").EndsAtHello(DefaultName))
}

// TestCountsOfAnotherMode: what was only counted is not what was done.
func TestCountsOfAnotherMode(t *testing.T) {
	counted := loadText(t, "rules: [{name: a, when: 'true', do: limit, rate: 1/h, mode: count}]")
	for range 3 {
		counted.Decide(AtHello, ask(event.Event{}, nil), noon)
	}
	p, err := Load(files("p.yaml", "rules: [{name: a, when: 'true', do: limit, rate: 1/h}]"), "p.yaml", LoadOptions{Previous: counted})
	require.NoError(t, err)
	assert.Equal(t, map[string]Counts{"a": {}}, countsOf(p))
	assert.Equal(t, Limit, p.Decide(AtHello, ask(event.Event{}, nil), noon).Action, "the limit goes on")
	assert.Equal(t, map[string]Counts{"a": {Matched: 1, Acted: 1, Decided: 1}}, countsOf(p))
}
