package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
)

func (l *labelled) setJA4() { l.entry.JA4 = fingerprint.JA4(l.observation.Hello) }

// A rate counts hellos of impersonators, or of others, that were flagged, and
// those that were not by the hello, and have the shape of a genuine browser's.
type rate struct{ n, hello, all, same int }

func (r *rate) add(hello, all, same bool) {
	r.n++
	if same && !hello {
		r.same++
	}
	if hello {
		r.hello++
	}
	if all {
		r.all++
	}
}

// tells writes how many impersonators are flagged by a tell of the hello alone,
// and by any tell or an inconsistent claim, and how many others are: by kind,
// by tool, and by tell.
func tells(w io.Writer, all []labelled, verbose bool) error {
	kinds := make(map[string]*rate)
	tools := make(map[string]*rate)
	byTell := make(map[string]map[string]int)
	var missed, wrong []string
	var m known.Matcher
	for i := range all {
		l := &all[i]
		o := l.observation
		candidates := m.AppendCandidates(nil, &o)
		o.Request = l.agent
		found := known.AppendTells(nil, &o)
		claim := known.CheckClaim(&o, candidates)
		hello := slices.ContainsFunc(found, func(t known.Tell) bool { return t.Field != "http2" })
		same := slices.ContainsFunc(candidates, func(c known.Candidate) bool { return c.Kind == known.KindBrowser && c.Distance == 0 })
		any := len(found) > 0 || claim.Verdict == known.VerdictInconsistent
		kind := l.entry.Kind.String()
		if kinds[kind] == nil {
			kinds[kind] = new(rate)
		}
		kinds[kind].add(hello, any, same)
		names := make(map[string]bool)
		for _, t := range found {
			names[t.Name] = true
		}
		if claim.Verdict == known.VerdictInconsistent {
			names["(claim)"] = true
		}
		for name := range names {
			if byTell[name] == nil {
				byTell[name] = make(map[string]int)
			}
			byTell[name][kind]++
		}
		if l.entry.Kind == known.KindImpersonator {
			tool, _, _ := strings.Cut(l.entry.Name, " ")
			if tools[tool] == nil {
				tools[tool] = new(rate)
			}
			tools[tool].add(hello, any, same)
			if !any {
				missed = append(missed, fmt.Sprintf("%s %s (%s) %q", l.entry.Name, l.entry.Version, l.file, l.agent.UserAgent))
			}
		} else if any {
			wrong = append(wrong, fmt.Sprintf("%s %s %s (%s) %v %v", kind, l.entry.Name, l.entry.Version, l.file, found, claim))
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nflagged\thellos\tby the hello\twith HTTP/2 and User-Agent")
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		r := kinds[k]
		fmt.Fprintf(t, "%s\t%d\t%d (%.1f %%)\t%d (%.1f %%)\n", k, r.n, r.hello, percent(r.hello, r.n), r.all, percent(r.all, r.n))
	}
	fmt.Fprintln(t, "\nimpersonator\thellos\tof a browser's shape\tby the hello\tof the others\twith HTTP/2 and User-Agent")
	for _, k := range slices.Sorted(maps.Keys(tools)) {
		r := tools[k]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d (%.1f %%)\t%.1f %%\t%d (%.1f %%)\n", k, r.n, r.same,
			r.hello, percent(r.hello, r.n), percent(r.hello, r.n-r.same), r.all, percent(r.all, r.n))
	}
	fmt.Fprintln(t, "\ntell\tbrowser\timpersonator\tlibrary\ttool")
	for _, k := range slices.Sorted(maps.Keys(byTell)) {
		n := byTell[k]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\n", k, n["browser"], n["impersonator"], n["library"], n["tool"])
	}
	t.Flush()
	if verbose {
		for _, s := range wrong {
			fmt.Fprintln(w, "flagged:", s)
		}
		for _, s := range missed {
			fmt.Fprintln(w, "not flagged:", s)
		}
	}
	return nil
}
