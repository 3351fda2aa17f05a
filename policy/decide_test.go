package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

func ask(e event.Event, r *Request) *Input {
	in := new(Input)
	in.Reset(&e, r)
	return in
}

func named(sni string) event.Event {
	return event.Event{Transport: "tls", SNI: &sni, SrcIP: netip.MustParseAddr("192.0.2.1")}
}

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	const text = `
rules:
  - {name: t1, when: sni.contains("1"), do: tag}
  - {name: c1, when: sni.contains("2"), do: deny, mode: count}
  - {name: c2, when: sni.contains("3"), do: tarpit, mode: count}
  - {name: t2, when: sni.contains("4"), do: tag, tags: [t1, x, y]}
  - {name: error, when: 'ip(sni).family() == 4', do: close}
  - {name: allow, when: sni.contains("5"), do: allow}
  - {name: deny, when: sni.contains("6"), do: deny, tags: [bad]}
  - {name: close, when: sni.contains("7"), do: close}
  - {name: pit, when: sni.contains("8"), do: tarpit, hold: 20s}
  - {name: c3, when: sni.contains("9"), do: tag, mode: count}
  - {name: path, when: request.path == "/", do: deny}
  - {name: later, when: '"t1" in tags', do: deny, stage: request}
`
	p := loadText(t, text)
	tests := []struct {
		sni  string
		want Verdict
	}{
		{"", Verdict{}},
		{"1", Verdict{Rule: "t1", Action: Tag, Tags: []string{"t1"}}},
		{"14", Verdict{Rule: "t2", Action: Tag, Tags: []string{"t1", "x", "y"}}},
		{"2", Verdict{Rule: "c1", Action: Deny, Tags: []string{"would-deny"}, DryRun: true}},
		{"3", Verdict{Rule: "c2", Action: Tarpit, Tags: []string{"would-tarpit"}, Hold: 10 * time.Second, DryRun: true}},
		{"1234", Verdict{Rule: "c1", Action: Deny, Tags: []string{"t1", "would-deny", "would-tarpit", "x", "y"}, DryRun: true}},
		{"5678", Verdict{Rule: "allow", Action: Allow}},
		{"26", Verdict{Rule: "deny", Action: Deny, Tags: []string{"would-deny", "bad"}}},
		{"7", Verdict{Rule: "close", Action: Close}},
		{"8", Verdict{Rule: "pit", Action: Tarpit, Hold: 20 * time.Second}},
		{"9", Verdict{Rule: "c3", Action: Tag, Tags: []string{"would-tag"}, DryRun: true}},
		{"192.0.2.1", Verdict{Rule: "close", Action: Close}},
	}
	for _, tt := range tests {
		if tt.sni == "192.0.2.1" { // has 1, 2 and 9
			tt.want = Verdict{Rule: "error", Action: Close, Tags: []string{"t1", "would-deny"}}
		}
		v := p.Decide(AtHello, ask(named(tt.sni), nil), noon)
		assert.Equal(t, tt.want, v, tt.sni)
	}
	in := ask(named("1"), &Request{Path: "/"})
	assert.Equal(t, Verdict{Rule: "path", Action: Deny}, p.Decide(AtRequest, in, noon))
	assert.Equal(t, Verdict{}, p.Decide(AtRequest, ask(named("1"), nil), noon))
	assert.Equal(t, Verdict{Rule: "allow", Action: Allow}, p.Decide(AtRequest, ask(named("5"), nil), noon), "what allows holds at both stages")
	tagged := named("1")
	tagged.Tags = []string{"t1"}
	assert.Equal(t, Verdict{Rule: "later", Action: Deny}, p.Decide(AtRequest, ask(tagged, nil), noon))

	got := make(map[string]Counts)
	for r := range p.Rules() {
		got[r.Name] = r.Counts()
	}
	assert.Equal(t, Counts{Matched: 4, Acted: 4, Decided: 1}, got["t1"])
	assert.Equal(t, Counts{Matched: 4, Acted: 4, Decided: 2}, got["c1"])
	assert.Equal(t, Counts{Matched: 2, Acted: 2, Decided: 1}, got["c2"])
	assert.Equal(t, Counts{Matched: 1, Acted: 1, Decided: 1, Errors: 11}, got["error"])
	assert.Equal(t, Counts{Matched: 1, Acted: 1, Decided: 1}, got["deny"])
	assert.Equal(t, Counts{Matched: 2, Acted: 2, Decided: 2}, got["allow"])
}

// TestTagsInConditions: a rule sees the tags of those before it, beside those that the
// Event has, which is not changed.
func TestTagsInConditions(t *testing.T) {
	p := loadText(t, `
rules:
  - {name: a, when: sni == "x", do: tag}
  - {name: no, when: '"b" in tags', do: deny}
  - {name: b, when: '"a" in tags && "own" in event.tags', do: tag}
  - {name: c, when: 'tags == ["own", "a", "b"]', do: close, mode: count}
  - {name: d, when: 'sni == "x" && "nobody" in tags', do: close}
`)
	e := named("x")
	e.Tags = []string{"own"}
	var in Input
	in.Reset(&e, nil)
	for range 2 {
		assert.Equal(t, Verdict{Rule: "c", Action: Close, Tags: []string{"a", "b", "would-close"}, DryRun: true}, p.Decide(AtHello, &in, noon))
		assert.Equal(t, []string{"own"}, e.Tags)
		assert.Same(t, &e, in.Event())
	}
}

func TestDefault(t *testing.T) {
	const rules = `
rules:
  - {name: a, when: sni == "a", do: allow}
  - {name: hello, when: sni == "h", do: allow, stage: hello}
  - {name: t, when: sni == "t", do: tag}
  - {name: c, when: sni == "c", do: allow, mode: count}
  - {name: r, when: request.path == "/r", do: allow}
  - {name: f, when: sni == "f", do: limit, rate: 1/h}
`
	deny := loadText(t, "default: deny"+rules)
	shut := loadText(t, "default: close"+rules)
	path := &Request{Path: "/r"}
	for _, tt := range []struct {
		p     *Policy
		stage Stage
		sni   string
		r     *Request
		want  Verdict
	}{
		{deny, AtHello, "x", nil, Verdict{}},
		{deny, AtRequest, "x", nil, Verdict{Rule: "default", Action: Deny}},
		{deny, AtRequest, "x", path, Verdict{Rule: "r", Action: Allow}},
		{deny, AtHello, "a", nil, Verdict{Rule: "a", Action: Allow}},
		{deny, AtRequest, "a", nil, Verdict{Rule: "a", Action: Allow}},
		{deny, AtRequest, "h", nil, Verdict{Rule: "default", Action: Deny}},
		{shut, AtHello, "x", nil, Verdict{Rule: "default", Action: Close}},
		{shut, AtRequest, "x", nil, Verdict{}},
		{shut, AtHello, "h", nil, Verdict{Rule: "hello", Action: Allow}},
		{shut, AtHello, "t", nil, Verdict{Rule: "default", Action: Close, Tags: []string{"t"}}},
		{shut, AtHello, "c", nil, Verdict{Rule: "default", Action: Close, Tags: []string{"would-allow"}}},
		{shut, AtHello, "f", nil, Verdict{Rule: "default", Action: Close}},
		{shut, AtHello, "f", nil, Verdict{Rule: "f", Action: Limit, Retry: time.Hour}},
	} {
		assert.Equal(t, tt.want, tt.p.Decide(tt.stage, ask(named(tt.sni), tt.r), noon), "%s %s", tt.stage, tt.sni)
	}
	assert.Equal(t, Counts{Matched: 4, Acted: 4, Decided: 4}, shut.Default().Counts())
}

func TestDryRun(t *testing.T) {
	text := "default: deny\n" + oneRule(`name: a`, `when: sni == "a"`, `do: close`, `tags: [x]`) +
		"  - {name: b, when: sni == 'b', do: allow}\n  - {name: c, when: sni == 'c', do: tag}\n"
	p, err := Load(files("policy.yaml", text), "policy.yaml", LoadOptions{DryRun: true})
	require.NoError(t, err)
	v := p.Decide(AtHello, ask(named("a"), nil), noon)
	assert.Equal(t, Verdict{Rule: "a", Action: Close, Tags: []string{"x", "would-close"}, DryRun: true}, v)
	assert.Equal(t, "count", v.EventAction())
	assert.False(t, v.Ends())
	assert.Equal(t, Verdict{Rule: "b", Action: Allow}, p.Decide(AtHello, ask(named("b"), nil), noon))
	assert.Equal(t, Verdict{Rule: "c", Action: Tag, Tags: []string{"c"}}, p.Decide(AtHello, ask(named("c"), nil), noon))
	assert.Equal(t, Verdict{Rule: "default", Action: Deny, Tags: []string{"would-deny"}, DryRun: true}, p.Decide(AtRequest, ask(named("c"), nil), noon))
	v = loadText(t, text).Decide(AtHello, ask(named("a"), nil), noon)
	assert.True(t, v.Ends())
	assert.Equal(t, "close", v.EventAction())
}

// TestLimit: each combination of values has a rate of its own.
func TestLimit(t *testing.T) {
	p := loadText(t, oneRule("name: f", "when: true", "do: limit", "by: [sni, alpn, src_ip, user_agent, request.path]", "rate: 1/h burst 2"))
	r := &Request{Path: "/"}
	allowed := func(e event.Event) (n int) {
		for range 5 {
			v := p.Decide(AtRequest, ask(e, r), noon)
			if v.Action == "" {
				n++
				continue
			}
			require.Equal(t, Verdict{Rule: "f", Action: Limit, Retry: v.Retry}, v)
			require.Equal(t, time.Hour, v.Retry)
		}
		return n
	}
	with := func(change func(e *event.Event)) event.Event {
		e := named("a")
		change(&e)
		return e
	}
	distinct := []event.Event{
		with(func(*event.Event) {}),
		with(func(e *event.Event) { e.SNI = nil }),
		with(func(e *event.Event) { *e.SNI = "" }),
		with(func(e *event.Event) { *e.SNI = `a","alpn":["b"` }),
		with(func(e *event.Event) { e.ALPN = []string{"b"} }),
		with(func(e *event.Event) { e.ALPN = []string{"b,c"} }),
		with(func(e *event.Event) { e.ALPN = []string{"b", "c"} }),
		with(func(e *event.Event) { e.UserAgent = "a" }),
		with(func(e *event.Event) { e.SrcIP = netip.MustParseAddr("192.0.2.2") }),
		with(func(e *event.Event) { e.SrcIP = netip.MustParseAddr("2001:db8:1:2:3::1") }),
		with(func(e *event.Event) { e.SrcIP = netip.MustParseAddr("2001:db8:1:3::1") }),
		with(func(e *event.Event) { e.SrcIP = netip.Addr{} }),
	}
	for i, e := range distinct {
		assert.Equal(t, 2, allowed(e), "%d", i)
	}
	same := with(func(e *event.Event) { e.SrcIP = netip.MustParseAddr("2001:db8:1:2::7"); e.SrcPort = 7; e.Packet = 5 })
	assert.Zero(t, allowed(same), "a client has the addresses of its /64")
	r = &Request{Path: "/2"}
	assert.Equal(t, 2, allowed(same))

	all := loadText(t, oneRule("name: f", "when: true", "do: limit", "rate: 1/h"))
	assert.Equal(t, Action(""), all.Decide(AtHello, ask(named("a"), nil), noon).Action)
	assert.Equal(t, Limit, all.Decide(AtHello, ask(named("b"), nil), noon).Action, "one rate for all")
	assert.Equal(t, Action(""), all.Decide(AtHello, ask(named("b"), nil), noon.Add(time.Hour)).Action)

	counted := loadText(t, oneRule("name: f", "when: true", "do: limit", "rate: 1/h", "mode: count"))
	assert.Equal(t, Verdict{}, counted.Decide(AtHello, ask(named("a"), nil), noon))
	v := counted.Decide(AtHello, ask(named("a"), nil), noon)
	assert.Equal(t, Verdict{Rule: "f", Action: Limit, Tags: []string{"would-limit"}, DryRun: true, Retry: time.Hour}, v)
}

// TestEveryLimitKey: a limit can be by each key that it takes, and tells its values apart.
func TestEveryLimitKey(t *testing.T) {
	for _, key := range limitKeys() {
		p := loadText(t, oneRule("name: f", "when: true", "do: limit", "rate: 1/h", "stage: request", "by: "+key))
		first := p.Decide(AtRequest, ask(named("a"), nil), noon)
		second := p.Decide(AtRequest, ask(named("a"), nil), noon)
		assert.Equal(t, []Action{"", Limit}, []Action{first.Action, second.Action}, key)
	}
}

// TestPrevious: counts and limits go on in the next policy if the rule is the same.
func TestPrevious(t *testing.T) {
	const text = `
default: close
rules:
  - {name: a, when: sni == "a", do: limit, rate: 1/h, by: sni}
  - {name: b, when: sni == "b", do: limit, rate: 1/h, by: sni}
  - {name: c, when: sni == "c", do: limit, rate: 1/h, by: sni}
  - {name: d, when: sni == "d", do: tag}
`
	next := strings.NewReplacer(`name: b, when: sni == "b", do: limit, rate: 1/h`, `name: b, when: sni == "b", do: limit, rate: 2/h burst 1`,
		`"c", do: limit, rate: 1/h, by: sni`, `"c", do: limit, rate: 1/h, by: ja4`, `when: sni == "a"`, `when: sni != "b" && sni != "c"`).Replace(text)
	old := loadText(t, text)
	decide := func(p *Policy, sni string) Action { return p.Decide(AtHello, ask(named(sni), nil), noon).Action }
	for _, sni := range []string{"a", "b", "c", "d"} {
		assert.Equal(t, Close, decide(old, sni))
	}
	p, err := Load(files("policy.yaml", next), "policy.yaml", LoadOptions{Previous: old})
	require.NoError(t, err)
	assert.Equal(t, Limit, decide(p, "a"), "the limit is that of before")
	assert.Equal(t, Close, decide(p, "b"), "another rate")
	assert.Equal(t, Close, decide(p, "c"), "another key")
	assert.Equal(t, Limit, decide(old, "a"))
	got := make(map[string]uint64)
	for r := range p.Rules() {
		got[r.Name] = r.Counts().Matched
	}
	assert.Equal(t, map[string]uint64{"a": 3, "b": 1, "c": 1, "d": 1}, got)
	assert.Equal(t, uint64(6), p.Default().Counts().Matched)
}

// TestDecideAtOnce has several goroutines use one policy.
func TestDecideAtOnce(t *testing.T) {
	p := loadText(t, wholePolicy, "bad.txt", chromeJA4)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			in := new(Input)
			for i := range 200 {
				e := named("busy.example")
				e.SrcPort = uint16(i)
				in.Reset(&e, nil)
				p.Decide(AtHello, in, noon)
				p.Decide(AtRequest, in, noon)
			}
		})
	}
	wg.Wait()
	for r := range p.Rules() {
		if r.Name == "flood" {
			assert.Equal(t, Counts{}, r.Counts(), "the office is allowed before")
		}
		if r.Name == "office" {
			assert.Equal(t, Counts{Matched: 1600, Acted: 1600, Decided: 1600}, r.Counts())
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	candidates := []known.Candidate{{Name: "curl", Family: "curl"}, {Name: "a", Family: "x"}, {Name: "b", Family: "y"}}
	e := named("www.shop.example")
	e.Client = candidates
	for _, tt := range []struct{ name, rule string }{
		{"equal", oneRule("name: a", "when: sni == 'x'", "do: deny")},
		{"exists", oneRule("name: a", `when: client.exists(c, c.family == "Go")`, "do: deny")},
		{"limit", oneRule("name: a", "when: true", "do: limit", "rate: 1000000000/s burst 2000000000", "by: [sni, src_ip]")},
		{"list", "lists: {a: {values: [192.0.2.0/28]}}\n" + oneRule("name: a", `when: inList("a", src_ip)`, "do: deny")},
		{"none", "rules: []"},
	} {
		p := loadText(b, tt.rule)
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			var in Input
			for b.Loop() {
				in.Reset(&e, nil)
				p.Decide(AtHello, &in, noon)
			}
		})
	}
}

func ExamplePolicy_Decide() {
	p, err := Load(files("policy.yaml", `
rules:
  - name: not-ours
    when: sni == "" || !sni.endsWith(".example")
    do: close
`), "policy.yaml", LoadOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	sni := "www.elsewhere.test"
	var in Input
	in.Reset(&event.Event{SNI: &sni}, nil)
	v := p.Decide(AtHello, &in, time.Now())
	fmt.Println(v.Rule, v.Action)
	// Output: not-ours close
}
