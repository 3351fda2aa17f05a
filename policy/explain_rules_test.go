package policy

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

func policyOf(t *testing.T, text string, o LoadOptions) *Policy {
	p, err := Load(fstest.MapFS{"p.yaml": {Data: []byte(text)}}, "p.yaml", o)
	require.NoError(t, err)
	return p
}

const explainedPolicy = `
default: deny
rules:
  - {name: broken, when: ip(sni).isLoopback(), do: deny}
  - {name: other, when: sni == "other", do: deny}
  - {name: mark, when: sni != "", do: tag, tags: [named]}
  - {name: tagged, when: '"named" in tags', do: deny, mode: count}
  - {name: flood, when: sni != "", do: limit, by: [sni], rate: 1/s burst 2}
  - {name: ours, when: sni.endsWith(".example"), do: close}
  - {name: late, when: sni != "" && "named" in tags, do: deny}
  - {name: agents, when: user_agent == "", do: deny}
`

func outcomesOf(x *StageExplanation) (lines []string) {
	for i := range x.Rules {
		lines = append(lines, x.Rules[i].Rule.Name+": "+x.Rules[i].Outcome)
	}
	return lines
}

// TestExplainRules: each rule has its value, and what follows, also behind the one that
// decides; conditions see the tags of rules before them.
func TestExplainRules(t *testing.T) {
	p := policyOf(t, explainedPolicy, LoadOptions{})
	e := explainedEvent()
	var in Input
	in.Reset(e, nil)
	all := p.Explain(t.Context(), &in, e.Time)
	x := &all.Hello
	assert.Equal(t, []string{
		"broken: does not match: has an error",
		"other: does not match",
		"mark: matches: adds tags, and goes on",
		"tagged: matches: counts, and would decide: deny",
		"flood: matches: the rate is not reached",
		"ours: decides: close",
		"late: not asked: ours has decided",
	}, outcomesOf(x))
	assert.Equal(t, "ours", x.Verdict.Rule)
	assert.Equal(t, []string{"named", "would-deny"}, x.Verdict.Tags)
	assert.Equal(t, x.Verdict, all.Verdict)
	var matched []string
	for i := range x.Rules {
		r := &x.Rules[i]
		assert.Equal(t, r.Err != nil, r.Part.Error != "", r.Rule.Name)
		if r.Matched {
			matched = append(matched, r.Rule.Name)
			assert.Equal(t, "true", r.Part.Value)
		}
	}
	assert.Equal(t, []string{"mark", "tagged", "flood", "ours", "late"}, matched)
	assert.Equal(t, []string{"agents: decides: deny"}, outcomesOf(&all.Request))
	assert.Empty(t, e.Tags, "the Event has no tags of its own")
	assert.Same(t, e, in.Event())

	p.Explain(t.Context(), &in, e.Time)
	all = p.Explain(t.Context(), &in, e.Time)
	assert.Equal(t, "flood: decides: limit", outcomesOf(x)[4])
	assert.Equal(t, "ours: not asked: flood has decided", outcomesOf(x)[5])

	dry := policyOf(t, explainedPolicy, LoadOptions{DryRun: true})
	all = dry.Explain(t.Context(), &in, e.Time)
	assert.Equal(t, "ours: would decide: close", outcomesOf(x)[5])

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all = p.Explain(ctx, &in, e.Time)
	assert.Len(t, x.Rules, 7)
	assert.Equal(t, "is not explained: context canceled", x.Rules[0].Part.Error)
}

// TestExplainTags: the tags of a rule are seen at the stage request, too, and by no rule
// of another Event.
func TestExplainTags(t *testing.T) {
	p := policyOf(t, `
rules:
  - {name: mark, when: sni != "", do: tag, tags: [named]}
  - {name: late, when: '"named" in tags && size(tags) == 1', do: deny, stage: request}
`, LoadOptions{})
	var in Input
	r := NewReplay(p)
	for _, name := range []string{"a", "", "b"} {
		e := event.Event{SNI: &name}
		in.Reset(&e, nil)
		x := p.Explain(t.Context(), &in, e.Time)
		assert.Equal(t, name != "", x.Request.Rules[0].Matched, name)
		assert.Equal(t, map[bool]string{true: "late"}[name != ""], x.Verdict.Rule)
		r.Add(&e)
		assert.Empty(t, e.Tags)
	}
	result := r.Result(0)
	assert.Equal(t, int64(2), result.Rules[1].Decided)
	assert.Equal(t, int64(1), result.Undecided)
}

// TestExplainNothing: stages without rules, and an Event that no rule matches.
func TestExplainNothing(t *testing.T) {
	p := policyOf(t, "rules:\n  - {name: other, when: sni == \"other\", do: deny}\n", LoadOptions{})
	var in Input
	in.Reset(&event.Event{}, nil)
	x := p.Explain(t.Context(), &in, time.Now())
	assert.Equal(t, []string{"other: does not match"}, outcomesOf(&x.Hello))
	assert.Empty(t, x.Request.Rules)
	assert.Equal(t, Verdict{}, x.Verdict)
	in = Input{}
	in.Reset(&event.Event{}, nil)
	x = policyOf(t, "rules: []\n", LoadOptions{}).Explain(t.Context(), &in, time.Now())
	assert.Equal(t, Verdict{}, x.Verdict)

	for _, rules := range []string{"[]", "[{name: late, when: 'size(tags) == 1', do: deny, stage: request}]"} {
		p := policyOf(t, "default: close\nrules: "+rules+"\n", LoadOptions{DryRun: true})
		in = Input{}
		in.Reset(&event.Event{}, nil)
		x = p.Explain(t.Context(), &in, time.Now())
		assert.Equal(t, []string{"would-close"}, x.Hello.Verdict.Tags)
		r := NewReplay(p)
		r.Add(&event.Event{})
		assert.Equal(t, int64(0), r.Result(0).Undecided)
	}
}

func TestReadEvents(t *testing.T) {
	read := func(text string) (names []string, err error) {
		err = ReadEvents(strings.NewReader(text), func(e *event.Event) error {
			names = append(names, *e.SNI)
			return nil
		})
		return names, err
	}
	names, err := read(`{"transport":"tls","sni":"a"}` + "\n{\n  \"transport\": \"quic\",\n  \"sni\": \"b\"\n}\n\n")
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, names)
	for text, want := range map[string]string{
		"":                                    "has no Event",
		" \n":                                 "has no Event",
		`{"sni":"a"} x`:                       "Event 2 is not JSON: invalid character 'x' looking for beginning of value",
		`{"sni":"a"`:                          "Event 1 is not JSON: unexpected EOF",
		`{"sni":"a"}` + "\n" + `{"snii":"b"}`: "Event 2: an Event has no key snii: did you mean sni?",
		`["a"]`:                               "Event 1: is no Event: a JSON object",
		`{"sni":7}`:                           "Event 1: json: cannot unmarshal number into Go struct field .sni of type string",
	} {
		_, err := read(text)
		assert.ErrorContains(t, err, strings.TrimSuffix(want, " into Go struct field .sni of type string"), text)
	}
}
