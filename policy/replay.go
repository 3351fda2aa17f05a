package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// A Replay asks a [Policy] about Events that were recorded, and counts what its rules
// say. It is not for use by several goroutines at once.
type Replay struct {
	policy    *Policy
	input     Input
	hellos    int64
	undecided int64
	rules     []*RuleCount // those of the policy, and then the default if there is one
	byName    map[string]*RuleCount
}

// A RuleCount says what a rule did about the Events of a [Replay].
type RuleCount struct {
	Rule    string `json:"rule"`
	Line    int    `json:"line,omitempty"`
	Stage   string `json:"stage"`
	Do      Action `json:"do"`
	Mode    Mode   `json:"mode,omitempty"`
	Matched int64  `json:"matched"` // the condition alone is true, without the tags of other rules
	Decided int64  `json:"decided"` // the rule is that of the Verdict
	Errors  int64  `json:"errors"`  // it cannot be told whether the condition is true

	Example      string        `json:"example,omitempty"` // the first that matched: "capture.pcap:17"
	Clients      []ClientCount `json:"clients,omitempty"` // of those that matched, the most frequent first
	Error        string        `json:"error,omitempty"`   // the first
	ErrorExample string        `json:"error_example,omitempty"`
	Empty        []string      `json:"empty,omitempty"` // keys that the condition reads and that no capture has

	expr    *Expr
	clients map[string]int64
}

// A ClientCount says how many hellos there are of a client.
type ClientCount struct {
	Name   string `json:"name"` // of the best candidate, see [known.Best]
	Hellos int64  `json:"hellos"`
}

// A ReplayResult is what a Replay has counted.
type ReplayResult struct {
	Hellos    int64       `json:"hellos"`
	Undecided int64       `json:"undecided"` // of which no rule decided
	Rules     []RuleCount `json:"rules"`     // in the order of the policy, the default last
}

// NewReplay returns a Replay for p, whose counts and limits it uses.
func NewReplay(p *Policy) *Replay {
	r := &Replay{policy: p, byName: make(map[string]*RuleCount)}
	add := func(rule *Rule) {
		c := &RuleCount{Rule: rule.Name, Line: rule.Line, Stage: rule.StageText(), Do: rule.Do, Mode: rule.Mode, expr: rule.expr, clients: make(map[string]int64)}
		if rule.expr != nil {
			c.Empty = slices.DeleteFunc(rule.expr.LiveKeys(), func(key string) bool { return key == "tags" }) // which rules before it add
		}
		r.rules = append(r.rules, c)
		r.byName[rule.Name] = c
	}
	for rule := range p.Rules() {
		add(rule)
	}
	if p.defaults != nil {
		add(p.defaults)
	}
	return r
}

// Add asks the rules about e: each alone, and then the policy, first at the stage hello
// and then, unless that ends the connection, at the stage request. It has the time of e.
func (r *Replay) Add(e *event.Event) {
	r.hellos++
	r.input.use(r.policy.env.schema)
	r.input.Reset(e, nil)
	for _, c := range r.rules {
		if c.expr == nil {
			continue
		}
		switch matched, err := c.expr.Match(&r.input); {
		case err != nil:
			if c.Errors++; c.Errors == 1 {
				c.Error, c.ErrorExample = err.Error(), exampleOf(e)
			}
		case matched:
			c.matched(e)
		}
	}
	v := r.policy.Decide(AtHello, &r.input, e.Time)
	if !r.policy.endsAtHello(&v) {
		if v.Tags != nil && r.policy.readsTags {
			r.input.showTags(e, v.Tags)
		}
		v = v.And(r.policy.Decide(AtRequest, &r.input, e.Time))
	}
	c, ok := r.byName[v.Rule]
	if !ok {
		r.undecided++
		return
	}
	if c.Decided++; c.expr == nil { // the default, of which each that it decides matches
		c.matched(e)
	}
}

func (c *RuleCount) matched(e *event.Event) {
	if c.Matched++; c.Matched == 1 {
		c.Example = exampleOf(e)
	}
	name := known.Unknown
	if best := known.Best(e.Client); best != nil {
		name = best.Name
	}
	c.clients[name]++
}

// exampleOf returns how policy explain is told of an Event.
func exampleOf(e *event.Event) string { return fmt.Sprintf("%s:%d", e.File, e.Packet) }

// Result returns what was counted so far, with at most so many clients of each rule.
func (r *Replay) Result(clients int) ReplayResult {
	result := ReplayResult{Hellos: r.hellos, Undecided: r.undecided, Rules: make([]RuleCount, len(r.rules))}
	for i, c := range r.rules {
		result.Rules[i] = *c
		names := slices.SortedFunc(maps.Keys(c.clients), func(a, b string) int {
			return cmp.Or(cmp.Compare(c.clients[b], c.clients[a]), cmp.Compare(a, b))
		})
		for _, name := range names[:min(len(names), clients)] {
			result.Rules[i].Clients = append(result.Rules[i].Clients, ClientCount{name, c.clients[name]})
		}
	}
	return result
}
