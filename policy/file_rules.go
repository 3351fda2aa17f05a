package policy

import (
	"bytes"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/nearest"
	"github.com/tlspeek/tlspeek/signals"
)

// DefaultName is the name of the rule that decides if no other does.
const DefaultName = "default"

const (
	defaultHold = 10 * time.Second
	maxHold     = 10 * time.Minute
)

// A fileList is a list of the file.
type fileList struct {
	*List
	line int
}

// file reads the whole file.
func (l *loader) file(root *yaml.Node) {
	keys := l.object(root, "the policy")
	if n := keys["lists"].value; n != nil && !isNull(n) {
		for _, p := range l.pairs(n, "lists") {
			l.list(p.key, p.value)
		}
	}
	if n := keys["certificates"].value; n != nil && !isNull(n) {
		for _, p := range l.pairs(n, "certificates") {
			l.certificate(p.key, p.value)
		}
	}
	var err error
	if l.policy.env, err = NewEnv(EnvOptions{Lists: l.policy.sets(), Agg: l.policy.options.Agg}); err != nil {
		l.fail(root, "%v", err)
		return
	}
	if n := keys["default"].value; n != nil {
		l.defaultRule(n)
	}
	switch rules := keys["rules"]; {
	case rules.value == nil && len(keys) > 0:
		l.fail(root, "the policy has no rules: write rules: [] if that is meant")
	case rules.value != nil && isNull(follow(rules.value)):
		l.fail(rules.value, "rules is empty: write rules: [] if that is meant")
	case rules.value != nil:
		l.rules(rules.value)
	}
	if n := keys["tests"].value; n != nil && !isNull(n) {
		for i, e := range l.elements(n, "tests") {
			l.test(i+1, e)
		}
	}
	l.policy.arrange()
}

func (l *loader) list(key, n *yaml.Node) {
	name := key.Value
	list := &fileList{new(List), key.Line}
	l.policy.lists[name] = list // also if it is broken, so that inList finds it
	if err := checkLabel(name); err != nil {
		l.fail(key, "the name of the list %q %v", clip(name), err)
	}
	keys := l.object(n, "a list")
	listType := ListAuto
	if t := keys["type"]; t.value != nil {
		if s, ok := l.oneOf(t.value, "type", listTypes[:]); ok {
			listType, _ = ParseListType(s)
		}
	}
	file, values := keys["file"], keys["values"]
	switch {
	case file.value != nil && values.value != nil:
		l.fail(values.key, "the list %s has a file and values: one of the two", name)
	case file.value != nil:
		if s, ok := l.str(file.value, "file"); ok {
			l.listFile(list, file.value, s, listType)
		}
	case values.value != nil:
		l.listValues(list, values.value, listType)
	case len(keys) > 0 || follow(n).Kind == yaml.MappingNode:
		l.fail(key, "the list %s has neither a file nor values", name)
	}
}

func (l *loader) listFile(list *fileList, n *yaml.Node, name string, listType ListType) {
	if name == "" {
		l.fail(n, "file is empty")
		return
	}
	name = l.resolve(name)
	data, err := l.read(name, MaxListSize)
	if err != nil {
		l.fail(n, "reading the list: %v", err)
		return
	}
	read, err := ReadList(bytes.NewReader(data), name, listType)
	if err != nil {
		l.add(n.Line, n.Column, err)
		return
	}
	list.List = read
}

func (l *loader) listValues(list *fileList, n *yaml.Node, listType ListType) {
	var values []string
	var nodes []*yaml.Node
	for _, e := range l.elements(n, "values") {
		// A number stands for itself here: 123456, and not "123456".
		if s, ok := l.word(e, "a value of the list"); ok {
			values, nodes = append(values, s), append(nodes, e)
		}
	}
	read, err := NewList(listType, values...)
	if err == nil {
		list.List = read
		return
	}
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		at, message := n, e.Error()
		if broken, ok := e.(*ListError); ok {
			at = nodes[broken.Line-1]
			message = strconv.Quote(broken.Text) + ": " + broken.Err.Error()
		}
		l.fail(at, "%s", message)
	}
}

func (l *loader) certificate(key, n *yaml.Node) {
	c := Certificate{Name: key.Value, Line: key.Line}
	if err := checkLabel(c.Name); err != nil {
		l.fail(key, "the name of the certificate %q %v", clip(c.Name), err)
	}
	keys := l.object(n, "a certificate")
	for _, want := range []struct {
		key string
		to  *string
	}{{"cert", &c.Cert}, {"key", &c.Key}} {
		p := keys[want.key]
		if p.value == nil {
			l.fail(key, "the certificate %s has no %s", c.Name, want.key)
			continue
		}
		if s, ok := l.str(p.value, want.key); ok && s == "" {
			l.fail(p.value, "%s is empty", want.key)
		} else if ok {
			*want.to = l.resolve(s)
			// It need not be there: only who loads it knows. Until it is, it is tried again.
			info, err := fs.Stat(l.dir, *want.to)
			if err != nil {
				info = nil
			}
			l.uses(*want.to, info)
		}
	}
	l.policy.certificates = append(l.policy.certificates, c)
}

func (l *loader) defaultRule(n *yaml.Node) {
	s, ok := l.oneOf(n, "default", []string{string(Allow), string(Deny), string(Close)})
	if !ok || Action(s) == Allow {
		return
	}
	r := &Rule{Name: DefaultName, Do: Action(s), Mode: Enforce, would: "would-" + s, counts: new(counts)}
	r.stages[AtHello] = r.Do == Close
	r.stages[AtRequest] = r.Do == Deny
	l.policy.defaults = r
}

func (l *loader) rules(n *yaml.Node) {
	names := make(map[string]int)
	for _, e := range l.elements(n, "rules") {
		if r := l.rule(e, names); r != nil {
			l.policy.rules = append(l.policy.rules, r)
		} else {
			l.broken = true
		}
	}
}

// rule reads a rule. names has the lines of those before.
func (l *loader) rule(n *yaml.Node, names map[string]int) *Rule {
	failed := len(l.errs)
	keys := l.object(n, "a rule")
	if len(keys) == 0 && len(l.errs) > failed {
		return nil
	}
	at := follow(n)
	r := &Rule{Mode: Enforce, Line: at.Line, counts: new(counts)}
	what := "a rule"
	if p := keys["name"]; p.value == nil {
		l.fail(n, "a rule has no name")
	} else if s, ok := l.str(p.value, "name"); ok {
		r.Name, what = s, "rule "+clip(s)
		switch err := checkLabel(s); {
		case err != nil:
			l.fail(p.value, "the name of a rule %v", err)
		case s == DefaultName:
			l.fail(p.value, "a rule cannot be called default: that is what decides if no rule does")
		case names[s] > 0:
			l.fail(p.value, "there is a rule %s already, in line %d", s, names[s])
		default:
			names[s] = p.value.Line
		}
	}
	if p := keys["do"]; p.value == nil {
		l.fail(n, "%s has no do: write one of %s", what, strings.Join(actions, ", "))
	} else if s, ok := l.oneOf(p.value, "do", actions); ok {
		r.Do = Action(s)
	}
	if p := keys["mode"]; p.value != nil {
		if s, ok := l.oneOf(p.value, "mode", []string{string(Enforce), string(Count)}); ok {
			r.Mode = Mode(s)
		}
	}
	r.would = "would-" + string(r.Do)
	l.ruleOptions(r, what, keys)
	l.condition(r, what, n, keys)
	if len(l.errs) > failed {
		return nil
	}
	l.inherit(r)
	return r
}

// ruleOptions reads what only some actions have.
func (l *loader) ruleOptions(r *Rule, what string, keys map[string]pair) {
	for _, o := range []struct {
		key string
		do  Action
	}{{"by", Limit}, {"rate", Limit}, {"certificate", Config}, {"hold", Tarpit}} {
		if p := keys[o.key]; p.value != nil && r.Do != o.do && r.Do != "" {
			l.fail(p.key, "%s: %s is for do: %s", what, o.key, o.do)
		}
	}
	if p := keys["tags"]; p.value != nil {
		var nodes []*yaml.Node
		r.Tags, nodes = l.texts(p.value, "tags")
		for i, t := range r.Tags {
			if err := checkLabel(t); err != nil {
				l.fail(nodes[i], "the tag %q %v", clip(t), err)
			}
		}
	}
	switch r.Do {
	case Tag:
		if len(r.Tags) == 0 {
			r.Tags = []string{r.Name}
		}
	case Limit:
		l.limit(r, what, keys)
	case Config:
		l.chooseCertificate(r, what, keys)
	case Tarpit:
		r.Hold = defaultHold
		if p := keys["hold"]; p.value != nil {
			r.Hold, _ = l.duration(p.value, "hold", maxHold)
		}
	}
}

// maxLimits is how many limits a policy may have: their tables take 128 MiB.
const maxLimits = 256

func (l *loader) limit(r *Rule, what string, keys map[string]pair) {
	if l.limits++; l.limits > maxLimits {
		l.fail(keys["do"].value, "a policy may have %d limits: give one more keys in by", maxLimits)
	}
	if p := keys["rate"]; p.value == nil {
		l.fail(keys["do"].value, "%s has no rate, such as 50/s burst 100", what)
	} else if s, ok := l.word(p.value, "rate"); ok {
		rate, err := signals.ParseRate(s)
		switch {
		case strings.HasPrefix(s, "0/"):
			l.fail(p.value, "%s: %q is no rate: to refuse all, write do: deny", what, s)
		case err != nil:
			l.fail(p.value, "%s: %v", what, err)
		case rate.IsZero() && s == "none":
			l.fail(p.value, "%s: %q is no limit: leave out the rule, or write a rate such as 50/s burst 100", what, s)
		case rate.IsZero():
			l.fail(p.value, "%s: %q is no limit: to refuse all, write do: deny", what, s)
		}
		r.Rate = rate
	}
	p := keys["by"]
	if p.value == nil {
		return
	}
	var nodes []*yaml.Node
	if r.By, nodes = l.texts(p.value, "by"); len(r.By) == 0 && follow(p.value).Kind == yaml.SequenceNode {
		l.fail(p.value, "by has no keys: leave it out for one rate in all")
	}
	for i, name := range r.By {
		k := limitKey{name: name, part: requestParts[name]}
		for j := range event.Fields {
			if event.Fields[j].Key == name {
				k.field = &event.Fields[j]
			}
		}
		switch {
		case k.part == nil && k.field == nil:
			l.fail(nodes[i], "by: there is no key %s%s", clip(name), hintAfter(nearest.Hint(name, limitKeys())))
		case uniqueKeys[name]:
			l.fail(nodes[i], "by: %s differs from one to the next, so that no rate would be reached", name)
		case slices.Contains(r.By[:i], name):
			l.fail(nodes[i], "by: %s is there twice", name)
		}
		r.by = append(r.by, k)
	}
}

func hintAfter(hint string) string {
	if hint == "" {
		return ""
	}
	return ": " + hint
}

// limitKeys returns the keys that a limit may have.
func limitKeys() (keys []string) {
	for i := range event.Fields {
		if key := event.Fields[i].Key; !uniqueKeys[key] {
			keys = append(keys, key)
		}
	}
	return append(keys, slices.Sorted(maps.Keys(requestParts))...)
}

func (l *loader) chooseCertificate(r *Rule, what string, keys map[string]pair) {
	p := keys["certificate"]
	if p.value == nil {
		l.fail(keys["do"].value, "%s has no certificate: its name", what)
		return
	}
	s, ok := l.str(p.value, "certificate")
	if !ok {
		return
	}
	names := slices.Clone(l.policy.options.Certificates)
	for _, c := range l.policy.certificates {
		names = append(names, c.Name)
	}
	if !slices.Contains(names, s) {
		hint := nearest.Hint(s, names)
		if hint == "" {
			hint = "certificates: names them"
		}
		l.fail(p.value, "there is no certificate %q: %s", clip(s), hint)
	}
	r.Certificate = s
}

// condition compiles the condition of r, and decides at which stages it is asked.
func (l *loader) condition(r *Rule, what string, n *yaml.Node, keys map[string]pair) {
	asked := keys["stage"]
	stage := AtRequest
	if asked.value != nil {
		s, ok := l.oneOf(asked.value, "stage", []string{AtHello.String(), AtRequest.String()})
		if !ok {
			asked.value = nil
		} else if s == AtHello.String() {
			stage = AtHello
		}
	}
	p := keys["when"]
	if p.value == nil {
		l.fail(n, "%s has no when: write true for all", what)
		return
	}
	s, ok := l.word(p.value, "when")
	if !ok || l.tagged(p.value, what) {
		return
	}
	x, err := l.policy.env.Compile(s, stage)
	if err != nil {
		l.failExpr(p.value, what+": when", err)
		return
	}
	needsRequest := x.NeedsRequest()
	for i, k := range r.by {
		if k.part == nil && !requestKeys[k.name] {
			continue
		}
		needsRequest = true
		if stage == AtHello {
			l.fail(keys["by"].value, "by: %s is not known at the stage hello: write stage: request", r.By[i])
		}
	}
	r.When, r.expr = s, x
	switch {
	case r.Do == Config && (needsRequest || asked.value != nil && stage == AtRequest):
		l.fail(keys["do"].value, "%s: a certificate is chosen at the stage hello, before there is a request", what)
	case asked.value != nil:
		r.stages[stage] = true
	case needsRequest:
		r.stages[AtRequest] = true
	default:
		r.stages[AtHello] = true
		r.stages[AtRequest] = r.Do == Allow
	}
}

// inherit gives r what it counts with.
func (l *loader) inherit(r *Rule) {
	if before := l.policy.options.Previous; before != nil {
		for _, old := range before.rules {
			if r.sameLimit(old) {
				r.limiter = old.limiter
			}
			if r.sameCounts(old) {
				r.counts = old.counts
			}
		}
	}
	if r.Do == Limit && r.limiter == nil {
		r.limiter = r.newLimiter(l.policy.options.Slots)
	}
}

func (r *Rule) newLimiter(slots int) *signals.Limiter {
	if len(r.By) == 0 {
		slots = 2 // one key
	}
	return signals.NewLimiter(r.Rate, slots)
}

// sets returns the lists for an Env.
func (p *Policy) sets() map[string]Set {
	sets := make(map[string]Set, len(p.lists))
	for name, list := range p.lists {
		sets[name] = list
	}
	return sets
}

// arrange sorts the rules by stage once all are read.
func (p *Policy) arrange() {
	for _, r := range p.rules {
		for stage := range p.stages {
			if r.stages[stage] {
				p.stages[stage] = append(p.stages[stage], r)
			}
		}
		p.readsTags = p.readsTags || slices.Contains(r.expr.keys, "tags")
	}
	if before := p.options.Previous; before != nil && before.defaults != nil && p.defaults != nil && p.defaults.sameCounts(before.defaults) {
		p.defaults.counts = before.defaults.counts
	}
	p.options.Previous = nil // which would keep all before
}
