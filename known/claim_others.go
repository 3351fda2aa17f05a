package known

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// nearestOf returns the candidate that supports the claim to be a program that is not a
// browser: the first of its family or runtime that is near, or the one of the same distance
// that has its name.
func nearestOf(a *parsedUserAgent, candidates []Candidate) *Candidate {
	var best *Candidate
	for i := range candidates {
		c := &candidates[i]
		switch {
		case c.Distance >= nearDistance || c.Family != a.family && runtime(c.Name) != runtime(a.program):
		case best == nil:
			best = c
		case c.Distance == best.Distance && c.Name == a.program:
			return c
		}
	}
	return best
}

// thatOf returns "that of curl" for the end of a sentence, or "like that of curl" if the
// hello is near but not the same.
func thatOf(c *Candidate) string {
	if c.Distance > 0 {
		return "like that of " + c.Name
	}
	return "that of " + c.Name
}

// maxOthers is the number of names in a reason.
const maxOthers = 3

// appendOthers appends who else is known to send exactly the hello that supports a claim:
// impersonators of a browser, and programs with the same library other than the one that
// the reasons name. For a browser it appends that a copy cannot be told by the hello,
// whether one is known or not. imitated is true if no genuine client of the claimed browser is known to
// send it, but an impersonator is: then that a genuine one sends something similar
// does not support the claim.
func appendOthers(reasons []string, a *parsedUserAgent, candidates []Candidate, named string) (_ []string, imitated bool) {
	var names []string
	genuine := false
	for i := range candidates {
		switch c := &candidates[i]; {
		case c.Distance > 0:
		case c.Kind == KindImpersonator || c.Kind == KindProxy || a.browser == noBrowser && c.Name != named && isAnother(c, a):
			names = append(names, c.Name)
		case a.browser == noBrowser || c.Family == a.browser.name():
			genuine = true
		}
	}
	caveat := "by its hello, a copy cannot be told from " + a.browser.name()
	who := listNames(names)
	switch {
	case len(names) == 0 && a.browser == noBrowser:
		return reasons, false
	case len(names) == 0:
		return append(reasons, caveat), false
	case a.browser == noBrowser:
		return append(reasons, "also sent by "+who), false
	case !genuine:
		return append(reasons, "exactly this hello is known from imitations alone: "+who), true
	}
	return append(reasons, "also sent by "+who, caveat), false
}

// isAnother reports whether a candidate that sends the hello of a claimed program is
// another program, and not the library.
func isAnother(c *Candidate, a *parsedUserAgent) bool {
	return c.Name != a.program && c.Name != c.Family && runtime(c.Name) != a.program
}

// listNames returns names, each once and in alphabetical order: "a, b, c and 2 more".
func listNames(names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	if n := len(names); n > maxOthers {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxOthers], ", "), n-maxOthers)
	}
	return strings.Join(names, ", ")
}

// proxyOf returns the names of the proxies that send exactly the hello, and whether
// nobody else does but impersonators.
func proxyOf(candidates []Candidate) (proxy string, alone bool) {
	var names []string
	alone = true
	for i := range candidates {
		switch c := &candidates[i]; {
		case c.Distance > 0:
		case c.Kind == KindProxy:
			names = append(names, c.Name)
		case c.Kind != KindImpersonator:
			alone = false
		}
	}
	return listNames(names), alone
}

// mention adds to a refuted claim that a proxy sends the hello, too.
func (j *judgement) mention(proxy string) {
	if len(j.refutations) > 0 {
		j.refute("or behind a proxy that ends TLS and sends the same hello: " + proxy)
	}
}

// oldAfter is how many days after a newer version was released one is old. The extended
// support of Firefox takes about as long.
const oldAfter = 400

// appendAge appends that the claimed version is old, if a newer one was released more
// than oldAfter days before t, or now if t is zero, by the calendar.
func (k *knowledge) appendAge(reasons []string, a *parsedUserAgent, t time.Time) []string {
	if a.browser == noBrowser || a.major == 0 || a.atLeast {
		return reasons
	}
	if t.IsZero() {
		t = time.Now()
	}
	list := k.releases[a.browser]
	day := int(t.Unix() / (24 * 60 * 60))
	if len(list) < 2 || day-oldAfter < list[0].day || a.major >= newestOn(list, day-oldAfter) {
		return reasons
	}
	return append(reasons, fmt.Sprintf("%s %d is old: by the calendar, %d was the newest on the day of the hello",
		a.browser.name(), a.major, newestOn(list, day)))
}
