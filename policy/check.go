package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/nearest"
	"github.com/tlspeek/tlspeek/known"
)

// A Warning says what of a policy is of no use, although it is valid.
type Warning struct {
	Rule    string // that it is about, or empty
	Line    int    // of the file, where the rule or the list begins
	Message string
	Source  string // the line of the condition with a mark below, or empty
}

// Check looks for rules that can never match, or are never reached because of those
// before them, for values that no key can have, and for what no rule uses.
func (p *Policy) Check() []Warning {
	var c policyChecker
	c.p = p
	for _, r := range p.rules {
		c.rule(r)
	}
	for _, name := range slices.Sorted(maps.Keys(p.lists)) {
		list := p.lists[name]
		if list.Len() == 0 {
			c.warn("", list.line, "the list %s is empty", name)
		}
		if !c.usedLists[name] {
			c.warn("", list.line, "no rule uses the list %s", name)
		}
	}
	for _, cert := range p.certificates {
		if !slices.ContainsFunc(p.rules, func(r *Rule) bool { return r.Certificate == cert.Name }) {
			c.warn("", cert.Line, "no rule uses the certificate %s", cert.Name)
		}
	}
	if d := p.defaults; d != nil {
		for stage := range c.ended {
			if before := c.ended[stage]; before != "" && d.At(Stage(stage)) {
				c.warn("", 0, "the default is never used: rule %s always matches", before)
			}
		}
	}
	slices.SortStableFunc(c.warnings, func(a, b Warning) int { return a.Line - b.Line })
	return c.warnings
}

// A policyChecker looks for what is of no use in a policy.
type policyChecker struct {
	p         *Policy
	warnings  []Warning
	usedLists map[string]bool
	ended     [2]string // by stage: the rule that always ends it
	before    [2][]*checkedRule
}

// A checkedRule is a rule that ends a stage if it matches.
type checkedRule struct {
	name   string
	orders [][]string // its condition, as alternatives of conditions that all hold
}

func (c *policyChecker) warn(rule string, line int, format string, args ...any) {
	c.warnings = append(c.warnings, Warning{Rule: rule, Line: line, Message: fmt.Sprintf(format, args...)})
}

func (c *policyChecker) rule(r *Rule) {
	x := c.p.checker(r.expr)
	holds := x.check()
	x.checkAgg()
	for _, w := range x.warnings {
		w.Rule, w.Line = r.Name, r.Line
		c.warnings = append(c.warnings, w)
	}
	if c.usedLists == nil {
		c.usedLists = make(map[string]bool)
	}
	for _, name := range x.lists {
		c.usedLists[name] = true
	}
	own := &checkedRule{r.Name, x.alternatives()}
	if holds == never {
		c.warn(r.Name, r.Line, "the rule never matches")
	} else if by := c.hiddenBy(r, own); by != "" {
		c.warn(r.Name, r.Line, "the rule is never reached: where it would match, rule %s decides before", by)
	}
	if r.Mode == Count || r.Do == Tag || r.Do == Limit || holds == never {
		return
	}
	for stage := range c.ended {
		if !r.At(Stage(stage)) {
			continue
		}
		if !slices.Contains(r.expr.keys, "tags") { // which rules in between may add
			c.before[stage] = append(c.before[stage], own)
		}
		if holds == always && c.ended[stage] == "" {
			c.ended[stage] = r.Name
		}
	}
}

// hiddenBy returns the rule that decides wherever r would match, at each of its stages,
// or the empty text.
func (c *policyChecker) hiddenBy(r *Rule, own *checkedRule) (by string) {
	for stage := range c.ended {
		if !r.At(Stage(stage)) {
			continue
		}
		found := c.ended[stage]
		for _, b := range c.before[stage] {
			if found == "" && implies(own.orders, b.orders) {
				found = b.name
			}
		}
		if found == "" {
			return ""
		}
		by = found
	}
	return by
}

// implies reports whether one of the alternatives of b holds with each one of a: if all
// that it asks is asked there, too.
func implies(a, b [][]string) bool {
	for _, of := range a {
		if !slices.ContainsFunc(b, func(conditions []string) bool {
			return !slices.ContainsFunc(conditions, func(s string) bool { return !slices.Contains(of, s) })
		}) {
			return false
		}
	}
	return true
}

// closedSets are the values that keys can have, for those that have few. [] stands for
// an element of a list.
func closedSets() map[string][]string {
	var settled, verdicts []string
	for k := event.SettledRequest; k <= event.SettledPassed; k++ {
		settled = append(settled, k.String())
	}
	for v := known.VerdictUnknown; v <= known.VerdictInconsistent; v++ {
		verdicts = append(verdicts, v.String())
	}
	return map[string][]string{
		"transport":        {"tls", "quic", "dtls"},
		"session":          {"fresh", "ticket", "psk", "early_data"},
		"settled":          settled,
		"claim.verdict":    verdicts,
		"client[].kind":    known.KindNames(),
		"tells[].name":     known.TellNames(),
		"request.protocol": {"HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"},
	}
}

// wrongValue returns a message if a key hardly ever has a value, and never if it cannot.
// The empty text is that of an absent key.
func (x *exprChecker) wrongValue(key, value string) (message string, t truth) {
	if value == "" {
		return "", sometimes
	}
	if x.closed == nil {
		x.closed = closedSets()
	}
	name := strings.ReplaceAll(key, "[]", "")
	if set := x.closed[key]; set != nil {
		if slices.Contains(set, value) {
			return "", sometimes
		}
		hint := nearest.Hint(value, set)
		if hint == "" {
			hint = "it is one of " + strings.Join(set, ", ")
		}
		return fmt.Sprintf("%s is never %q: %s", name, clip(value), hint), never
	}
	isNever := func(why string) (string, truth) {
		return fmt.Sprintf("%s is never %q: %s", name, clip(value), why), never
	}
	switch key {
	case "ja4":
		if start, ok := digestStart(value); !ok || start == 0 || value[start:] != strings.ToLower(value[start:]) {
			return isNever("a JA4 looks like t13d1516h2_8daaf6152771_d8a2da3f94cd")
		}
	case "ja3", "ja3n":
		if len(value) != 32 || !isHex(value) || value != strings.ToLower(value) {
			return isNever("it is 32 hex digits in lower case")
		}
	case "src_ip", "dst_ip":
		r, err := parseRange(value)
		switch {
		case strings.Contains(value, "/"):
			return isNever(fmt.Sprintf("it is an address; write cidr(%q).containsIP(%s)", clip(value), key))
		case err != nil:
			return isNever("it is an address")
		case r.from.String() != value:
			return isNever(fmt.Sprintf("write %q", r.from))
		}
	case "request.host":
		if value != strings.ToLower(value) {
			return isNever("it is in lower case")
		}
	case "request.method":
		if value != strings.ToUpper(value) {
			return fmt.Sprintf("%s is hardly %q: methods are in upper case", name, clip(value)), sometimes
		}
	case "client[].name", "client[].family":
		names := known.NamesOf(nil)
		set, others, other := names.Clients, names.Families, "family"
		if key == "client[].family" {
			set, others, other = names.Families, names.Clients, "name"
		}
		what, hint := strings.TrimPrefix(name, "client."), nearest.Hint(value, set)
		switch {
		case slices.Contains(set, value):
		case slices.Contains(others, value):
			return fmt.Sprintf("no built-in client has the %s %q: it is a %s", what, clip(value), other), sometimes
		case hint != "":
			return fmt.Sprintf("no built-in client has the %s %q: %s", what, clip(value), hint), sometimes
		}
	case "tags[]":
		if x.tags == nil || slices.Contains(x.tags, value) || value == tagAgentsDiffer {
			return "", sometimes
		}
		message := fmt.Sprintf("no rule adds the tag %q", clip(value))
		if hint := nearest.Hint(value, x.tags); hint != "" {
			message += ": " + hint
		}
		return message, sometimes
	}
	return unlikely(key, value)
}

// allTags returns the tags that rules add.
func (p *Policy) allTags() (tags []string) {
	for _, r := range p.rules {
		tags = append(append(tags, r.Tags...), r.would)
	}
	return tags
}
