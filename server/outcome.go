package server

import (
	"slices"

	"github.com/tlspeek/tlspeek/event"
)

// An outcome is what an Event says of a Decision.
type outcome struct {
	rule, action string
	tags         []string
}

// outcome returns what an Event says of d.
func (d *Decision) outcome() outcome {
	o := outcome{d.Rule, d.Action, d.Tags}
	switch {
	case o.rule == "" || o.action != "":
	case d.Close:
		o.action = "close"
	case d.Wait > 0:
		o.action = "wait"
	default:
		o.action = "pass"
	}
	return o
}

func (d *Decision) waitOver() {
	if d.WaitOver != nil {
		d.WaitOver()
	}
}

func (o outcome) isSet() bool { return o.rule != "" || o.action != "" || len(o.tags) > 0 }

// then returns o with what a later Decision says: its rule and its action, if it has
// one of them, and its tags besides those of o.
func (o outcome) then(later outcome) outcome {
	if later.rule != "" || later.action != "" {
		o.rule, o.action = later.rule, later.action
	}
	if len(o.tags) == 0 {
		o.tags = later.tags
		return o
	}
	o.tags = slices.Clip(o.tags)
	for _, tag := range later.tags {
		if !slices.Contains(o.tags, tag) {
			o.tags = append(o.tags, tag)
		}
	}
	return o
}

// of reports whether e says o.
func (o *outcome) of(e *event.Event) bool {
	return o.rule == e.Rule && o.action == e.Action && slices.Equal(o.tags, e.Tags)
}

// in sets what e says.
func (o *outcome) in(e *event.Event) { e.Rule, e.Action, e.Tags = o.rule, o.action, o.tags }
