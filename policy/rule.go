package policy

import (
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/signals"
)

// An Action is what a rule does about a client.
type Action string

// The actions.
const (
	Allow  Action = "allow"  // let it pass; ends the stage
	Deny   Action = "deny"   // answer 403, or close the connection at [AtHello]
	Close  Action = "close"  // close the connection
	Tag    Action = "tag"    // add tags, and go on with the next rule
	Limit  Action = "limit"  // refuse what is over a rate: 429, or close at [AtHello]
	Tarpit Action = "tarpit" // hold the connection, and close it then
	Config Action = "config" // use another certificate; only at [AtHello]
)

var actions = []string{string(Allow), string(Deny), string(Close), string(Tag), string(Limit), string(Tarpit), string(Config)}

// A Mode says whether a rule acts.
type Mode string

// The modes.
const (
	Enforce Mode = "enforce"
	Count   Mode = "count" // add the tag would-ACTION, and go on with the next rule
)

// A Rule is a rule of a [Policy]. It must not be changed.
type Rule struct {
	Name        string
	When        string // the condition
	Do          Action
	Mode        Mode
	Tags        []string      // that it adds
	By          []string      // for Limit: the keys whose values have a rate together; none for one rate in all
	Rate        signals.Rate  // for Limit
	Certificate string        // for Config
	Hold        time.Duration // for Tarpit
	Line        int           // of the file, where it begins; 0 for the default

	expr    *Expr // nil for the default
	stages  [2]bool
	by      []limitKey
	would   string // the tag of a rule that does not act
	counts  *counts
	limiter *signals.Limiter
}

// At reports whether the rule is asked at a stage. A rule that allows may be asked at both.
func (r *Rule) At(stage Stage) bool { return r.stages[stage] }

// StageText returns "hello", "request", or "hello and request".
func (r *Rule) StageText() string {
	var texts []string
	for _, stage := range []Stage{AtHello, AtRequest} {
		if r.At(stage) {
			texts = append(texts, stage.String())
		}
	}
	return strings.Join(texts, " and ")
}

// Expr returns the condition, or nil for the default.
func (r *Rule) Expr() *Expr { return r.expr }

// Keys returns the keys that the rule reads, in alphabetical order: those of its condition,
// and those that its limit is by.
func (r *Rule) Keys() []string {
	keys := slices.Clone(r.By)
	if r.expr != nil {
		keys = append(keys, r.expr.keys...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Counts returns how often the rule was asked with what result, since it was first loaded.
func (r *Rule) Counts() Counts {
	c := r.counts
	return Counts{c.matched.Load(), c.acted.Load(), c.decided.Load(), c.errors.Load()}
}

// Counts says how often a rule had a result. A rule that is asked at both stages counts
// at each.
type Counts struct {
	Matched uint64 // the condition was true
	Acted   uint64 // and of a limit the rate was used up: the rule did what it says, or would have
	Decided uint64 // and the rule is that of the Verdict
	Errors  uint64 // the condition had an error, and so did not match
}

// counts has what Counts returns.
type counts struct{ matched, acted, decided, errors atomic.Uint64 }

// sameLimit reports whether r and old limit the same things, so that a new policy goes
// on with the limiter of the one before.
func (r *Rule) sameLimit(old *Rule) bool {
	return r.Name == old.Name && r.Rate == old.Rate && slices.Equal(r.By, old.By)
}

// sameCounts reports whether what r counts means what that of old does.
func (r *Rule) sameCounts(old *Rule) bool {
	return r.sameLimit(old) && r.Do == old.Do && r.Mode == old.Mode
}

// A Verdict is what a policy says of one client at one stage. The zero Verdict is that
// of a policy of which no rule matched.
type Verdict struct {
	Rule   string        // that decided; "default"; else the last one that added tags
	Action Action        // empty if nothing matched
	Tags   []string      // in the order of the rules, each once; not to be changed
	Config string        // for Config: the name of the certificate
	Hold   time.Duration // for Tarpit
	Retry  time.Duration // for Limit: when to try again
	DryRun bool          // Action is what would be, and not to be taken
}

// EventAction returns what an Event has as action: "count" for what would be, and
// otherwise the action.
func (v Verdict) EventAction() string {
	if v.DryRun {
		return string(Count)
	}
	return string(v.Action)
}

// weight orders verdicts by what they mean for the client.
func (v Verdict) weight() int {
	switch {
	case v.Ends():
		return 5
	case v.Action == Config && !v.DryRun:
		return 4
	case v.DryRun:
		return 3
	case v.Action == Allow:
		return 2
	case v.Action == Tag:
		return 1
	}
	return 0
}

// And returns the verdict of the stage hello and a later one of the stage request in
// one: what means more for the client, the later one if both mean the same, and the tags of
// both.
func (v Verdict) And(later Verdict) Verdict {
	both := v
	if later.Action != "" && later.weight() >= v.weight() {
		both = later
	}
	both.Tags = slices.Clip(v.Tags)
	addTags(&both, later.Tags...)
	return both
}

// Ends reports whether v is the end of the connection or of the request: not the zero
// Verdict, no tag, nothing allowed and no dry run.
func (v Verdict) Ends() bool {
	switch v.Action {
	case Deny, Close, Limit, Tarpit:
		return !v.DryRun
	}
	return false
}

// A Certificate is a certificate that rules may choose.
type Certificate struct {
	Name      string
	Cert, Key string // paths of PEM files, as the file system of [Load] has them
	Line      int    // of the file
}

// A Policy has rules. It is safe for use by several goroutines, and never changes but for
// its counts and what its limits have seen.
type Policy struct {
	dir          fs.FS
	rules        []*Rule
	stages       [2][]*Rule
	defaults     *Rule // nil to allow
	dryRun       bool
	readsTags    bool // a rule reads the tags of an Event
	lists        map[string]*fileList
	certificates []Certificate
	tests        []fileTest
	stamps       []stamp // of the files, the policy's first
	options      LoadOptions
	env          *Env
}

// Rules returns an iterator over the rules in their order, without the default.
func (p *Policy) Rules() func(yield func(*Rule) bool) {
	return func(yield func(*Rule) bool) {
		for _, r := range p.rules {
			if !yield(r) {
				return
			}
		}
	}
}

// Default returns the rule that decides if no other does, or nil if it allows.
func (p *Policy) Default() *Rule { return p.defaults }

// Certificates returns the certificates of the file.
func (p *Policy) Certificates() []Certificate { return slices.Clone(p.certificates) }

// Files returns the names of all files that p depends on, the policy's first.
func (p *Policy) Files() (names []string) {
	for _, s := range p.stamps {
		names = append(names, s.name)
	}
	return names
}

// Env returns what the conditions were compiled with.
func (p *Policy) Env() *Env { return p.env }

// Has reports whether p can decide anything at a stage.
func (p *Policy) Has(stage Stage) bool {
	return len(p.stages[stage]) > 0 || p.defaults != nil && p.defaults.At(stage)
}

// Size returns the least size of Event that p can be asked about at a stage.
func (p *Policy) Size(stage Stage) (size event.Size) {
	for _, r := range p.stages[stage] {
		size = max(size, r.expr.Size())
		for _, key := range r.by {
			size = max(size, key.size())
		}
	}
	return size
}

// NeedsClients reports whether a rule of a stage reads who sent a hello: client, tells
// or claim.
func (p *Policy) NeedsClients(stage Stage) bool {
	return slices.ContainsFunc(p.stages[stage], func(r *Rule) bool {
		return r.expr.NeedsClients() || slices.ContainsFunc(r.By, isClientKey)
	})
}

func isClientKey(key string) bool { return key == "client" || key == "tells" || key == "claim" }
