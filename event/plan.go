package event

import (
	"github.com/tlspeek/tlspeek/internal/jsonw"
	"github.com/tlspeek/tlspeek/known"
)

// A run is a part of the fields of a compact Event, in their order, that have one
// scope, and of which either all are those of live connections or none is.
type run struct {
	scope scope
	live  bool
	steps []step
}

// A step is what a run needs of one Field. Steps are close together in memory.
type step struct {
	key      jsonw.Key
	appendTo func(dst []byte, key jsonw.Key, e *Event) ([]byte, error)
}

// plan is all fields of a compact Event.
var plan = planOf(Fields)

func planOf(fields []Field) (plan []run) {
	for i := range fields {
		f := &fields[i]
		if f.Size != Compact {
			continue
		}
		live := f.Origin == Live
		if n := len(plan); n == 0 || plan[n-1].scope != f.scope || plan[n-1].live != live {
			plan = append(plan, run{scope: f.scope, live: live})
		}
		last := &plan[len(plan)-1]
		last.steps = append(last.steps, step{f.jsonKey, f.appendTo})
	}
	return plan
}

// append appends the fields of r to an object without its end.
func (r *run) append(dst []byte, e *Event) ([]byte, error) {
	var err error
	for i := range r.steps {
		s := &r.steps[i]
		if dst, err = s.appendTo(dst, s.key, e); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// json returns the fields of r, each with a comma before it. They are never the
// first of an object, and no compact Event of a hello fails to be written.
func (r *run) json(e *Event) []byte {
	b, _ := r.append([]byte{'-'}, e)
	return b[1:]
}

// appendEvent appends e, which is compact, as one JSON object. It copies the runs
// that s has, the candidates only if it should. The fields of live connections are
// left out unless live is set.
func (s *memoShape) appendEvent(dst []byte, e *Event, candidates, live bool) ([]byte, error) {
	dst = append(dst, '{')
	segments := s.segments
	var err error
	for i := range plan {
		switch r := &plan[i]; {
		case r.live && !live:
		case r.scope == perShape:
			dst = append(dst, segments[0]...)
			segments = segments[1:]
		case r.scope == perCandidates:
			if candidates {
				dst = append(dst, s.candidatesOf(known.IsEvidence(e.Tells)).json...)
			}
		default:
			if dst, err = r.append(dst, e); err != nil {
				return nil, err
			}
		}
	}
	return append(dst, '}'), nil
}
