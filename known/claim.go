package known

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// CheckClaim holds what the client says it is against its hello, for which the
// candidates were found, and against its HTTP/2 settings and headers. It is
// Unknown where nothing is claimed, or nothing that is known here.
//
// Inconsistent means that the program named did not make this connection by
// itself: an impersonator, or a proxy between that ended the TLS of the client.
func CheckClaim(o *Observation, candidates []Candidate) Claim {
	a := &o.Agent
	c := claimedBy(a.Header)
	claim := Claim{Says: c.says}
	switch {
	case o.Hello == nil || o.Hello.SSLv2 || c.says == "":
		return claim
	case c.nobody:
		claim.against("the User-Agent begins as a browser's and then names none")
		return claim
	case c.browser == noBrowser:
		return claim.ofFamily(c, o, candidates)
	}
	b := browserShapeOf(o.Hello)
	if b == noBrowser {
		b = browserOf(o.Hello.Transport, candidates)
	}
	switch {
	case b == c.browser && resembles(b, o.Hello.Transport, candidates):
		claim.Verdict = Consistent
		claim.Reasons = append(claim.Reasons, "the hello has the shape of "+b.name()+"'s")
	case b == c.browser:
		// Too far from any hello of that browser to vouch for it.
	case b == noBrowser && o.Hello.Transport != parser.TLS:
		return claim // too few hellos over QUIC are known
	case b == noBrowser && c.old && nearest(candidates) == "":
		return claim
	case b == noBrowser || b == suitesOnly:
		claim.against("the hello is not " + c.browser.name() + "'s" + nearest(candidates))
	default:
		claim.against("the hello has the shape of " + b.name() + "'s, not of " + c.browser.name() + "'s")
	}
	var buf [4]Tell
	for _, t := range AppendTells(buf[:0], o) {
		claim.against("tell " + t.Name + ": " + t.Found)
	}
	if s := stackOf(o.HTTP2); s != nil && s.browser == c.browser && b == c.browser {
		claim.Reasons = append(claim.Reasons, "the HTTP/2 settings are "+s.name+"'s")
	}
	if b == c.browser && c.major > 0 {
		claim.checkAge(o, c)
	}
	claim.checkHints(a, c)
	claim.checkHeaders(a, c)
	if claim.Verdict == Inconsistent {
		claim.Reasons = slices.DeleteFunc(claim.Reasons, isFor)
	}
	return claim
}

// against adds a reason that refutes the claim.
func (c *Claim) against(reason string) {
	c.Verdict = Inconsistent
	c.Reasons = append(c.Reasons, reason)
}

// isFor reports whether a reason speaks for a claim.
func isFor(reason string) bool {
	return strings.HasPrefix(reason, "the hello has the shape of ") && !strings.Contains(reason, ", not of ") ||
		strings.HasPrefix(reason, "the HTTP/2 settings are ")
}

// ofFamily judges the claim to be a program that is no browser. It may be built
// with another TLS library than those known, so only a browser's shape, or
// the HTTP/2 settings of a browser, refute it.
func (c Claim) ofFamily(says claimed, o *Observation, candidates []Candidate) Claim {
	if b := browserShapeOf(o.Hello); b != noBrowser && b != suitesOnly && says.family != "GnuTLS" {
		c.against("the hello has the shape of " + b.name() + "'s")
		return c
	}
	if s := stackOf(o.HTTP2); s != nil && s.browser != noBrowser {
		c.against("the HTTP/2 settings are " + s.name + "'s, not those of " + says.says)
		return c
	}
	for i := range candidates {
		if k := &candidates[i]; k.Distance < nearDistance && (k.Family == says.family || runtime(k.Name) == runtime(says.says)) {
			c.Verdict = Consistent
			c.Reasons = append(c.Reasons, "the hello is that of "+k.Name)
			return c
		}
	}
	return c
}

// runtime returns the first word of a program's name: of "Python aiohttp", Python.
func runtime(name string) string {
	name, _, _ = strings.Cut(name, " ")
	return name
}

// nearDistance is the distance within which a hello is of the same family.
const nearDistance = 100

func nearest(candidates []Candidate) string {
	if len(candidates) == 0 || candidates[0].Distance >= nearDistance {
		return ""
	}
	return " but that of " + candidates[0].Name
}

// vouchDistance is how far from its nearest known hello a browser's own may be.
// Those of versions and settings that the database did not have were at most 31
// away over QUIC, where a hello shows little of its library, and 100 over TCP.
func vouchDistance(t parser.Transport) uint16 {
	if t == parser.TLS {
		return 100
	}
	return 40
}

// resembles reports whether one of the candidates is b or an imitation of it, and
// near enough to vouch for b.
func resembles(b browser, t parser.Transport, candidates []Candidate) bool {
	return slices.ContainsFunc(candidates, func(c Candidate) bool {
		return c.Family == b.name() && c.Distance <= vouchDistance(t)
	})
}

// browserOf returns the browser that the first candidate is, if it is near.
func browserOf(t parser.Transport, candidates []Candidate) browser {
	if len(candidates) == 0 || candidates[0].Distance > vouchDistance(t) || candidates[0].Kind != Browser {
		return noBrowser
	}
	for b := chromium; b <= safari; b++ {
		if candidates[0].Family == b.name() {
			return b
		}
	}
	return noBrowser
}

// checkHints compares the client hints with the User-Agent.
func (c *Claim) checkHints(a *Agent, says claimed) {
	if a.ClientHints == "" && a.Platform == "" {
		return
	}
	if says.browser != chromium {
		c.against("client hints, which " + says.browser.name() + " does not send")
		return
	}
	for _, brand := range [...]string{"Chromium", "Google Chrome"} {
		_, rest, ok := strings.Cut(a.ClientHints, `"`+brand+`";v="`)
		if n, numbered := product(rest, ""); ok && numbered && n != says.major {
			c.against("sec-ch-ua has " + brand + " " + strconv.Itoa(n) + ", the User-Agent " + strconv.Itoa(says.major))
			break
		}
	}
	if p, os := platformOf(a.Platform), platformOf(a.OS); p != "" && os != "" && p != os {
		c.against("sec-ch-ua-platform has " + parser.Text([]byte(a.Platform)) + ", the User-Agent " + parser.Text([]byte(a.OS)))
	}
}

// platformOf gives the names of one system one form, and others none. Android
// is Linux, which a User-Agent says that asks for the desktop's pages, or is
// sent by a headset.
func platformOf(s string) string {
	switch s = strings.ToLower(strings.ReplaceAll(s, " ", "")); s {
	case "chromeos", "chromiumos":
		return "chromeos"
	case "linux", "android":
		return "linux"
	case "windows", "macos":
		return s
	}
	return ""
}

// checkHeaders looks at the order of the fetch metadata headers: Chromium, since
// version 83, writes site, mode, dest, and Firefox dest, mode, site.
func (c *Claim) checkHeaders(a *Agent, says claimed) {
	site := strings.Index(a.Headers, "sec-fetch-site")
	dest := strings.Index(a.Headers, "sec-fetch-dest")
	if site < 0 || dest < 0 {
		return
	}
	switch {
	case says.browser == chromium && says.major > 83 && dest < site:
		c.against("sec-fetch-dest before sec-fetch-site, which Chromium has the other way round")
	case says.browser == firefox && site < dest:
		c.against("sec-fetch-site before sec-fetch-dest, which Firefox has the other way round")
	}
}

// checkAge compares the features of a hello and the HTTP/2 settings with the
// version that is claimed.
func (c *Claim) checkAge(o *Observation, says claimed) {
	seen := *o // what is called through a variable escapes, and most claims are not made
	for _, f := range versionFeatures {
		if f.browser != says.browser || !f.present(&seen) {
			continue
		}
		if f.since > 0 && says.major < f.since {
			c.against(fmt.Sprintf("%s, which no version before %d has", f.what, f.since))
		}
		if f.until > 0 && says.major > f.until {
			c.against(fmt.Sprintf("%s, which no version after %d has", f.what, f.until))
		}
	}
}
