package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/tlspeek/tlspeek/event"
)

// Decide asks the rules of a stage in their order about in, whose Event has at least the
// size that Size returns, and returns the verdict of the first that decides. Rules that
// add tags, rules that only count, and limits that are not reached go on. A condition
// that has an error does not match.
func (p *Policy) Decide(stage Stage, in *Input, now time.Time) Verdict {
	var v Verdict
	var shown *event.Event // what in had before tags were added
	last := (*Rule)(nil)   // that the verdict is of
	for _, r := range p.stages[stage] {
		matched, err := r.expr.Match(in)
		if err != nil {
			r.counts.errors.Add(1)
			continue
		}
		if !matched {
			continue
		}
		r.counts.matched.Add(1)
		var retry time.Duration
		if r.Do == Limit {
			key := in.appendKey(in.scratch[:0], r.by)
			in.keep(key)
			if r.limiter.Allow(key, now) {
				continue
			}
			retry = r.limiter.Wait(key, now)
		}
		r.counts.acted.Add(1)
		switch {
		case r.Mode == Count:
			addTags(&v, r.would)
			if !v.DryRun { // the first would have decided
				v.Rule, v.Action, v.Config, v.Hold, v.Retry, v.DryRun = r.Name, r.Do, r.Certificate, r.Hold, retry, true
				last = r
			}
			continue
		case r.Do == Tag:
			addTags(&v, r.Tags...)
			if p.readsTags {
				if shown == nil {
					shown = in.event
				}
				in.showTags(shown, v.Tags)
			}
			if !v.DryRun {
				v.Rule, v.Action = r.Name, Tag
				last = r
			}
			continue
		}
		p.decide(&v, r, retry)
		last = r
		break
	}
	if shown != nil {
		in.show(shown)
	}
	if d := p.defaults; d != nil && d.At(stage) && (last == nil || v.Action == Tag || last.Mode == Count) {
		d.counts.matched.Add(1)
		d.counts.acted.Add(1)
		p.decide(&v, d, 0)
		last = d
	}
	if last != nil {
		last.counts.decided.Add(1)
	}
	return v
}

// decide makes v the verdict of r.
func (p *Policy) decide(v *Verdict, r *Rule, retry time.Duration) {
	v.Rule, v.Action, v.Config, v.Hold, v.Retry = r.Name, r.Do, r.Certificate, r.Hold, retry
	v.DryRun = p.dryRun && r.Do != Allow
	addTags(v, r.Tags...)
	if v.DryRun {
		addTags(v, r.would)
	}
}

// addTags adds to v the tags that it lacks. If it has none, it shares those given.
func addTags(v *Verdict, tags ...string) {
	if v.Tags == nil {
		v.Tags = slices.Clip(tags)
		return
	}
	for _, t := range tags {
		if !slices.Contains(v.Tags, t) {
			v.Tags = append(v.Tags, t)
		}
	}
}

// showTags has in show the tags beside those of e, on a copy of e: others may read it.
func (in *Input) showTags(e *event.Event, tags []string) {
	with := *e
	with.Tags = slices.Clone(e.Tags)
	for _, t := range tags {
		if !slices.Contains(with.Tags, t) {
			with.Tags = append(with.Tags, t)
		}
	}
	in.show(&with)
}

// show has in be about e, which differs from its Event in its tags alone.
func (in *Input) show(e *event.Event) {
	in.event = e
	in.values[in.schema.index["tags"]] = nil
	in.values[in.schema.index[varEvent]] = nil
}

// maxScratch is how many bytes an Input keeps for the next key of a limit.
const maxScratch = 64 << 10

func (in *Input) keep(b []byte) {
	if cap(b) <= maxScratch {
		in.scratch = b[:0]
	}
}

// A limitKey is a key of which a limit takes the value.
type limitKey struct {
	name  string
	field *event.Field            // of an Event,
	part  func(r *Request) string // or of a request
}

func (k limitKey) size() event.Size {
	if k.field == nil {
		return event.Compact
	}
	return k.field.Size
}

// limitNetwork is how many bits of an IPv6 address count for a limit: a client has all
// addresses of such a network.
const limitNetwork = 64

// appendKey appends the values of keys as a JSON object without its end, so that no
// two combinations of values give the same bytes.
func (in *Input) appendKey(dst []byte, keys []limitKey) []byte {
	dst = append(dst, '{')
	for _, k := range keys {
		switch {
		case k.part != nil:
			if in.request != nil {
				dst = strconv.AppendQuote(dst, k.part(in.request))
			}
			dst = append(dst, ',')
		case k.name == "src_ip" && in.event.SrcIP.Is6():
			network := netip.PrefixFrom(in.event.SrcIP, limitNetwork).Masked()
			dst = network.AppendTo(append(dst, ',')) // as no JSON begins
		default:
			// An error is that of a value that encoding/json cannot write: it counts
			// as absent.
			if with, err := k.field.Append(dst, in.event); err == nil {
				dst = with
			}
		}
	}
	return dst
}

// requestParts are the parts of a request that a limit may take.
var requestParts = map[string]func(r *Request) string{
	"request.method":   func(r *Request) string { return r.Method },
	"request.host":     func(r *Request) string { return r.Host },
	"request.path":     func(r *Request) string { return r.Path },
	"request.query":    func(r *Request) string { return r.Query },
	"request.protocol": func(r *Request) string { return r.Protocol },
}

// uniqueKeys differ from hello to hello, or are set by the verdict.
var uniqueKeys = map[string]bool{
	"time": true, "id": true, "packet": true, "conn": true, "hello": true, "raw": true, "received": true, "src_port": true,
	"community_id": true, "handshake": true, "rule": true, "action": true, "tags": true, "settled": true,
}
