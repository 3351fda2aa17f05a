package policy

import (
	"context"
	"time"
)

// A RuleExplanation is what a rule says of one client, and why.
type RuleExplanation struct {
	Rule    *Rule
	Matched bool   // whether the condition is true
	Err     error  // why that cannot be told; then the rule does not match
	Part    Part   // the condition with the values of its parts
	Outcome string // what follows, such as "decides: deny"
}

// A StageExplanation is what the rules of a stage say of one client.
type StageExplanation struct {
	Stage   Stage
	Rules   []RuleExplanation // all, also those behind the one that decides
	Verdict Verdict
}

// An Explanation is what a policy says of one client.
type Explanation struct {
	Hello, Request StageExplanation
	Verdict        Verdict // of the stage hello, and of the stage request unless that one ends
}

// Explain asks each rule about in, whose Event has at least the size that Size returns for
// both stages, and decides as Decide does, which counts. Conditions see the tags of rules
// before them. One that is not explained before ctx ends has an error.
func (p *Policy) Explain(ctx context.Context, in *Input, now time.Time) Explanation {
	in.use(p.env.schema)
	event := in.event
	x := Explanation{Hello: p.explain(ctx, AtHello, in, now)}
	x.Verdict = x.Hello.Verdict
	if x.Verdict.Tags != nil {
		in.showTags(event, x.Verdict.Tags)
	}
	x.Request = p.explain(ctx, AtRequest, in, now)
	if !p.endsAtHello(&x.Verdict) {
		x.Verdict = x.Verdict.And(x.Request.Verdict)
	}
	in.Reset(event, in.request)
	return x
}

// explain asks the rules of a stage about in, and may change the tags that it shows.
func (p *Policy) explain(ctx context.Context, stage Stage, in *Input, now time.Time) StageExplanation {
	x := StageExplanation{Stage: stage, Verdict: p.Decide(stage, in, now)}
	event := in.event
	var tags Verdict
	decided := false
	for _, r := range p.stages[stage] {
		e := RuleExplanation{Rule: r}
		e.Matched, e.Err = r.expr.Match(in)
		part, err := r.expr.Explain(ctx, in)
		if err != nil {
			part = Part{Text: cutText(r.When, maxValueText), Error: "is not explained: " + err.Error()}
		}
		e.Part = part
		e.Outcome = outcome(&e, &x.Verdict, decided)
		acts := e.Matched && r.Mode != Count
		if acts && r.Do == Tag && !decided {
			addTags(&tags, r.Tags...)
			in.showTags(event, tags.Tags)
		}
		decided = decided || acts && r.Do != Tag && x.Verdict.Rule == r.Name
		x.Rules = append(x.Rules, e)
	}
	return x
}

// outcome says what follows from e, if the verdict is v. decided is true if a rule before
// has decided.
func outcome(e *RuleExplanation, v *Verdict, decided bool) string {
	r := e.Rule
	switch {
	case decided:
		return "not asked: " + v.Rule + " has decided"
	case e.Err != nil:
		return "does not match: has an error"
	case !e.Matched:
		return "does not match"
	case r.Do == Limit && v.Rule != r.Name:
		return "matches: the rate is not reached"
	case r.Mode == Count:
		return "matches: counts, and would decide: " + string(r.Do)
	case r.Do == Tag:
		return "matches: adds tags, and goes on"
	case v.DryRun:
		return "would decide: " + string(r.Do)
	}
	return "decides: " + string(r.Do)
}
