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

// A judgment is what package known says of a hello.
type judgment struct {
	tells        []known.Tell // that are evidence
	novel        bool         // there are novelties, which are none
	lead         bool         // there are leads, which are none
	claim        known.Claim
	byHello      bool // there is a tell that depends on the hello alone
	flagged      bool // there is a tell, or the claim is inconsistent
	browserShape bool // the hello has the shape of a browser's
}

func judge(m *known.Matcher, l *labelled) (j judgment) {
	o := l.observation
	candidates := m.AppendCandidates(nil, &o)
	o.Request = l.request
	for _, t := range known.AppendTells(nil, &o) {
		switch {
		case t.IsEvidence():
			j.tells = append(j.tells, t)
		case t.Novel:
			j.novel = true
		default:
			j.lead = true
		}
	}
	j.claim = known.CheckClaim(&o, candidates)
	j.byHello = slices.ContainsFunc(j.tells, func(t known.Tell) bool { return !strings.HasPrefix(t.Field, "http") })
	j.flagged = len(j.tells) > 0 || j.claim.Verdict == known.VerdictInconsistent
	j.browserShape = slices.ContainsFunc(candidates, func(c known.Candidate) bool { return c.Kind == known.KindBrowser && c.Distance == 0 })
	return j
}

// names returns the names of the tells, each once, and "(claim)" if the claim is
// inconsistent.
func (j *judgment) names() map[string]bool {
	names := make(map[string]bool)
	for _, t := range j.tells {
		names[t.Name] = true
	}
	if j.claim.Verdict == known.VerdictInconsistent {
		names["(claim)"] = true
	}
	if j.novel && !j.flagged {
		names["(novel, no evidence)"] = true
	}
	if j.lead && !j.flagged {
		names["(lead, no evidence)"] = true
	}
	return names
}

// A rate counts the hellos of some clients.
type rate struct {
	hellos  int
	byHello int // flagged by a tell of the hello
	flagged int // by any tell, or by the claim
	alike   int // not flagged by the hello, which has the shape of a browser's
}

func (r *rate) add(j *judgment) {
	r.hellos++
	r.byHello += number(j.byHello)
	r.flagged += number(j.flagged)
	r.alike += number(j.browserShape && !j.byHello)
}

// rates has a rate for each of several names.
type rates map[string]*rate

func (r rates) add(name string, j *judgment) {
	if r[name] == nil {
		r[name] = new(rate)
	}
	r[name].add(j)
}

// tells writes how many hellos are flagged, by kind of client and by impersonator, and
// which tells flag them.
func tells(w io.Writer, all []labelled, verbose bool) {
	kinds, impersonators := make(rates), make(rates)
	byTell := make(map[string]map[string]int) // by kind
	var missed, wrong []string
	var m known.Matcher
	for i := range all {
		l := &all[i]
		j := judge(&m, l)
		kind := l.entry.Kind.String()
		kinds.add(kind, &j)
		for name := range j.names() {
			if byTell[name] == nil {
				byTell[name] = make(map[string]int)
			}
			byTell[name][kind]++
		}
		if l.entry.Kind == known.KindImpersonator {
			tool, _, _ := strings.Cut(l.entry.Name, " ")
			impersonators.add(tool, &j)
			if !j.flagged {
				missed = append(missed, fmt.Sprintf("%s %s (%s) %q", l.entry.Name, l.entry.Version, l.file, l.request.UserAgent))
			}
		} else if j.flagged {
			wrong = append(wrong, fmt.Sprintf("%s %s %s (%s) %v %v", kind, l.entry.Name, l.entry.Version, l.file, j.tells, j.claim))
		}
	}
	writeRates(w, kinds, impersonators, byTell)
	writeMade(w, all)
	if verbose {
		for _, s := range wrong {
			fmt.Fprintln(w, "flagged:", s)
		}
		for _, s := range missed {
			fmt.Fprintln(w, "not flagged:", s)
		}
	}
}

// writeMade lists the User-Agents that are not from the captures.
func writeMade(w io.Writer, all []labelled) {
	hellos, agents := make(map[string]int), make(map[string]string) // by client
	n := 0
	for i := range all {
		if l := &all[i]; l.made {
			n++
			hellos[l.client()]++
			agents[l.client()] = l.request.UserAgent
		}
	}
	fmt.Fprintf(w, "\nUser-Agents made for the profile, as the capture has none or another: %d hellos\n", n)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, client := range slices.Sorted(maps.Keys(hellos)) {
		fmt.Fprintf(t, "%s\t%d\t%s\n", client, hellos[client], agents[client])
	}
	t.Flush()
}

func writeRates(w io.Writer, kinds, impersonators rates, byTell map[string]map[string]int) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nflagged\thellos\tby the hello\twith HTTP/2 and User-Agent")
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		r := kinds[k]
		fmt.Fprintf(t, "%s\t%d\t%d (%.1f %%)\t%d (%.1f %%)\n", k, r.hellos, r.byHello, percent(r.byHello, r.hellos), r.flagged, percent(r.flagged, r.hellos))
	}
	fmt.Fprintln(t, "\nimpersonator\thellos\tof a browser's shape\tby the hello\tof the others\twith HTTP/2 and User-Agent")
	for _, k := range slices.Sorted(maps.Keys(impersonators)) {
		r := impersonators[k]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d (%.1f %%)\t%.1f %%\t%d (%.1f %%)\n", k, r.hellos, r.alike,
			r.byHello, percent(r.byHello, r.hellos), percent(r.byHello, r.hellos-r.alike), r.flagged, percent(r.flagged, r.hellos))
	}
	fmt.Fprintln(t, "\ntell\tbrowser\timpersonator\tlibrary\ttool")
	for _, k := range slices.Sorted(maps.Keys(byTell)) {
		n := byTell[k]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\n", k, n["browser"], n["impersonator"], n["library"], n["tool"])
	}
	t.Flush()
}
