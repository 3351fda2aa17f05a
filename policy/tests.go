package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/signals"
)

// A TestResult is what a test of the file gave.
type TestResult struct {
	Name    string
	Line    int     // of the file
	Verdict Verdict // of both stages
	Differs string  // what is not as expected, or empty
	Err     error   // of reading the Event; then there is no Verdict
}

// Passed reports whether all was as expected.
func (r *TestResult) Passed() bool { return r.Err == nil && r.Differs == "" }

// String returns one line that says how the test went.
func (r *TestResult) String() string {
	switch {
	case r.Err != nil:
		return fmt.Sprintf("%s: %v", r.Name, r.Err)
	case r.Differs != "":
		return fmt.Sprintf("%s: %s", r.Name, r.Differs)
	}
	return r.Name + ": ok"
}

// Test runs the tests of the file, in their order. They neither count nor use up limits,
// what they ask of agg is in the file, and they do not look at [LoadOptions.DryRun].
func (p *Policy) Test() ([]TestResult, error) {
	var results []TestResult
	for i := range p.tests {
		t := &p.tests[i]
		r := TestResult{Name: t.name, Line: t.line}
		q, err := p.copyForTest(t)
		if err != nil {
			return nil, err
		}
		e, err := p.eventOf(t)
		if err != nil {
			r.Err = err
		} else {
			r.Verdict = q.run(t, e)
			r.Differs = t.expect.compare(&r.Verdict)
		}
		results = append(results, r)
	}
	return results, nil
}

// TestErr runs the tests, and returns an error that joins one line for each that failed.
func (p *Policy) TestErr() error {
	results, err := p.Test()
	if err != nil {
		return err
	}
	var failed []string
	for i := range results {
		if r := &results[i]; !r.Passed() {
			failed = append(failed, fmt.Sprintf("%s:%d: %s", p.stamps[0].name, r.Line, r))
		}
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("%d of %d tests failed:\n%s", len(failed), len(results), strings.Join(failed, "\n"))
}

// copyForTest returns a policy with the rules of p, and counts and limits of its own.
func (p *Policy) copyForTest(t *fileTest) (*Policy, error) {
	q := &Policy{lists: p.lists, env: p.env}
	usesAgg := func(r *Rule) bool { return r.expr.Uses(funcAgg) }
	if (p.options.Agg != nil || t.agg != nil) && slices.ContainsFunc(p.rules, usesAgg) {
		var err error
		q.env, err = NewEnv(EnvOptions{Lists: p.sets(), Agg: func(value string) (signals.Values, bool) {
			v, ok := t.agg[value]
			return v, ok
		}})
		if err != nil {
			return nil, err
		}
	}
	for _, r := range p.rules {
		c := *r
		c.counts = new(counts)
		if r.Do == Limit {
			c.limiter = signals.NewLimiter(r.Rate, 2)
		}
		if q.env != p.env && usesAgg(r) {
			var err error
			if c.expr, err = q.env.Compile(r.When, AtRequest); err != nil {
				return nil, err
			}
		}
		q.rules = append(q.rules, &c)
	}
	if p.defaults != nil {
		c := *p.defaults
		c.counts = new(counts)
		q.defaults = &c
	}
	q.arrange()
	return q, nil
}

// eventOf returns the Event of a test.
func (p *Policy) eventOf(t *fileTest) (*event.Event, error) {
	if t.event != nil {
		return t.event, nil
	}
	f, err := p.dir.Open(t.capture)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	e, err := p.options.Capture(f, t.packet)
	if err != nil {
		return nil, fmt.Errorf("%s, packet %d: %w", t.capture, t.packet, err)
	}
	return e, nil
}

// run returns the verdict of both stages on the last of the hellos of t.
func (p *Policy) run(t *fileTest, e *event.Event) (v Verdict) {
	now := time.Now()
	var in Input
	for range t.times {
		v = Verdict{}
		seen := *e
		if t.stages[AtHello] {
			in.Reset(&seen, nil)
			v = p.Decide(AtHello, &in, now)
		}
		if v.Ends() || !t.stages[AtRequest] {
			continue
		}
		request := requestOf(t, e)
		if seen.UserAgent == "" {
			seen.UserAgent = request.Header.Get("User-Agent")
		}
		seen.Tags = slices.Clone(e.Tags)
		for _, tag := range v.Tags {
			if !slices.Contains(seen.Tags, tag) {
				seen.Tags = append(seen.Tags, tag)
			}
		}
		in.Reset(&seen, request)
		v = v.And(p.Decide(AtRequest, &in, now))
	}
	return v
}

// requestOf returns the request of t. What it lacks is that of GET / to the server name.
func requestOf(t *fileTest, e *event.Event) *Request {
	r := Request{Method: "GET", Path: "/", Protocol: "HTTP/1.1"}
	if e.SNI != nil {
		r.Host = strings.ToLower(*e.SNI)
	}
	switch {
	case e.Fingerprint("http3") != "":
		r.Protocol = "HTTP/3.0"
	case e.Fingerprint("http2") != "":
		r.Protocol = "HTTP/2.0"
	}
	if given := t.request; given != nil {
		for _, part := range []struct {
			to   *string
			from string
		}{{&r.Method, given.Method}, {&r.Host, given.Host}, {&r.Path, given.Path}, {&r.Query, given.Query}, {&r.Protocol, given.Protocol}} {
			if part.from != "" {
				*part.to = part.from
			}
		}
		r.Header = given.Header
	}
	return &r
}

// compare returns what of v is not as expected, or the empty text.
func (x *expectation) compare(v *Verdict) string {
	var differs []string
	differ := func(what, got, want string) {
		if got != want {
			differs = append(differs, fmt.Sprintf("%s is %s, expected %s", what, orNone(got), orNone(want)))
		}
	}
	if x.rule != nil {
		differ("rule", v.Rule, *x.rule)
	}
	if x.do != nil {
		action := v.EventAction()
		if action == "" {
			action = string(Allow)
		}
		differ("do", action, *x.do)
	}
	for _, t := range x.tags {
		if !slices.Contains(v.Tags, t) {
			differs = append(differs, fmt.Sprintf("tags are %s, expected %s, too", orNone(strings.Join(v.Tags, ", ")), t))
		}
	}
	if x.tags != nil && len(x.tags) == 0 && len(v.Tags) > 0 {
		differs = append(differs, fmt.Sprintf("tags are %s, expected none", strings.Join(v.Tags, ", ")))
	}
	return strings.Join(differs, "; ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
