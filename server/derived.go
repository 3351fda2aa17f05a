package server

import (
	"net/http"
	"slices"

	"github.com/tlspeek/tlspeek/event"
)

// A derived is the Event that requests have which say the same of their client, about
// which the same was decided, and for which a front says the same.
type derived struct {
	final *event.Event // what it was made from, the settled Event
	says  claimFields
	said  outcome
	asked bool            // it was decided about the request
	front *event.FrontJA4 // may be nil

	event  *event.Event
	fields *keptFields // what [Headers] makes of it; nil until that is asked
}

// maxDerived is the number of these that a connection keeps.
const maxDerived = 2

// derivedFor returns what there is to compare for r.
func derivedFor(r *http.Request) (d derived) {
	d.says, d.front = claimFieldsOf(r), frontOf(r)
	if j, _ := r.Context().Value(decisionKey{}).(*judgement); j != nil {
		d.said, d.asked = j.outcome(), true
	}
	return d
}

// isFor reports whether requests that want want have the Event of d.
func (d *derived) isFor(want *derived) bool {
	return d != nil && d.asked == want.asked && d.says == want.says &&
		d.said.rule == want.said.rule && d.said.action == want.said.action && slices.Equal(d.said.tags, want.said.tags) &&
		(d.front == want.front || d.front != nil && want.front != nil && *d.front == *want.front)
}

// derivedOf returns the Event of requests that want want, if it was kept. Nothing that it
// depends on changes any more.
func (l *life) derivedOf(want *derived) *event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled == event.NotSettled || l.deciding || l.final == nil {
		return nil
	}
	for _, d := range l.derived {
		if d.isFor(want) && d.final == l.final {
			return d.event
		}
	}
	return nil
}

// keepDerived keeps e as the Event of requests that want d, if the settled Event is kept
// and e takes no more room than that may. The one before the last is dropped.
func (l *life) keepDerived(d *derived, e *event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled == event.NotSettled || l.deciding || l.final == nil || l.keptBytes > 0 {
		return
	}
	if e != l.final && eventSize(e) > maxOwnEvent {
		return
	}
	kept := *d
	kept.final, kept.event = l.final, e
	l.derived = [maxDerived]*derived{&kept, l.derived[0]}
}

// A keptFields has the values of the fields of a Headers.
type keptFields struct {
	of     *headerFields
	http2  string   // the fingerprint of HTTP/2
	proto  int      // major version of HTTP
	values []string // must not be changed
}

// fieldsOf returns the values that were kept for requests with the Event e, or nil.
func (l *life) fieldsOf(e *event.Event, of *headerFields, http2 string, proto int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.derived {
		if d != nil && d.event == e {
			if k := d.fields; k != nil && k.of == of && k.proto == proto && k.http2 == http2 {
				return k.values
			}
		}
	}
	return nil
}

// keepFields keeps values for requests with the Event e, if that is kept and they take no
// more room than it may.
func (l *life) keepFields(e *event.Event, k *keptFields) {
	size := 0
	for _, value := range k.values {
		size += textBytes + len(value)
	}
	if size > maxOwnEvent {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.derived {
		if d != nil && d.event == e {
			d.fields = k
			return
		}
	}
}
