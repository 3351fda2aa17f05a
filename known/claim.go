package known

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// CheckClaim compares the client's User-Agent with its hello, for which the candidates
// were found, and with its HTTP/2 settings and headers. The verdict is unknown where
// the client names no program, or one that package known does not know. It changes
// neither o nor candidates, and may be called by several goroutines at once.
//
// Inconsistent means that the named program did not make this connection itself:
// the client is an impersonator, or a proxy ended the client's TLS; see [Claim.Proxy].
//
// The reasons for consistent say who else is known to send the same hello. An old version
// is said to be old, which refutes nothing.
//
// A version that is newer than all known ones, and may exist at the time of the hello,
// is not refuted by what the browser did not do before. For one that cannot exist yet
// the verdict is unknown, unless something refutes the claim.
func CheckClaim(o *Observation, candidates []Candidate) Claim {
	return current.checkClaim(o, candidates)
}

func (k *knowledge) checkClaim(o *Observation, candidates []Candidate) Claim {
	a := parseUserAgent(o.Request.UserAgent)
	if o.Hello == nil || o.Hello.SSLv2 || a.program == "" {
		return Claim{Program: a.program}
	}
	candidates = withoutLearned(candidates)
	j := judgement{knowledge: k}
	switch {
	case a.generic:
		j.refute("the User-Agent begins as a browser's and then names none")
	case a.browser == noBrowser:
		j.checkFamily(a, o, candidates)
	default:
		j.checkBrowser(a, o, candidates)
	}
	claim := Claim{Program: a.program, Reasons: j.support}
	switch {
	case len(j.refutations) > 0:
		claim.Verdict, claim.Reasons = VerdictInconsistent, j.refutations
		if len(j.refutations) == 1 {
			claim.Proxy = j.proxy
		}
	case j.noVersion:
		claim.Reasons = []string{"no such version yet"}
	case j.vouched:
		claim.Verdict = VerdictConsistent
		var imitated bool
		if claim.Reasons, imitated = appendOthers(claim.Reasons, &a, candidates, j.named); imitated {
			claim.Verdict = VerdictUnknown
		}
		fallthrough
	default:
		claim.Reasons = j.appendAge(claim.Reasons, &a, o.Time)
	}
	return claim
}

// A judgement collects the reasons for and against a claim.
type judgement struct {
	*knowledge
	support, refutations []string
	vouched              bool   // the support is enough, if nothing refutes the claim
	newer                bool   // the version is newer than those that are known, and may exist
	noVersion            bool   // the version cannot exist yet
	proxy                string // that sent the hello
	named                string // the client in the support, if that is no browser
}

func (j *judgement) refute(reason string) { j.refutations = append(j.refutations, reason) }

// refuteKnown refutes the claim to be a version that is known. A later one may differ.
func (j *judgement) refuteKnown(reason string) {
	if !j.newer {
		j.refute(reason)
	}
}

func (j *judgement) vouch(reason string) {
	j.vouched = true
	j.support = append(j.support, reason)
}

// checkBrowser checks the claim to be a browser.
func (j *judgement) checkBrowser(a parsedUserAgent, o *Observation, candidates []Candidate) {
	if a.major > 0 && j.isNewer(a.browser, a.major) {
		exists := j.mayExist(a.browser, a.major, o.Time)
		j.noVersion = !exists
		j.newer = exists && j.database.newest[a.browser] > 0 // of Safari no version is known
	}
	shape := browserShapeOf(o.Hello)
	b := shape
	if shape == noBrowser {
		j.checkHTTP3(o, a)
		b = browserOf(o.Hello.Transport, candidates)
		if b == firefox && a.browser == chromium && a.tooOld {
			return // Chromium had NSS up to version 37
		}
	}
	if proxy, alone := proxyOf(candidates); proxy != "" && b != a.browser {
		if alone {
			j.proxy = proxy
			j.refute("behind a proxy that ends TLS: " + proxy)
			j.checkHints(&o.Request, a)
			return
		}
		defer j.mention(proxy)
	}
	if shape == noBrowser {
		j.checkHTTP2(o, a)
	}
	switch {
	case b == a.browser && resembles(b, o.Hello.Transport, candidates):
		j.vouch("the hello has the shape of " + b.name() + "'s")
	case b == a.browser:
		// Too far from any hello of that browser to support the claim.
	case b == noBrowser && o.Hello.Transport != parser.TLS:
		return // too few hellos over QUIC are known
	case b == noBrowser && (a.tooOld || j.newer) && nearest(candidates) == "":
		return
	case b == noBrowser || b == suitesOnly:
		j.refute("the hello is not " + a.browser.name() + "'s" + nearest(candidates))
	default:
		j.refute("the hello has the shape of " + b.name() + "'s, not of " + a.browser.name() + "'s")
	}
	var buf [4]Tell
	for _, t := range append(j.appendTells(buf[:0], o), o.Tells...) {
		if t.IsEvidence() {
			j.refute("tell " + t.Name + ": " + t.Found)
		}
	}
	if newest := j.database.newest[a.browser]; j.newer && newest > 0 && b == a.browser {
		j.support = append(j.support, "newer than "+strconv.Itoa(newest)+", the newest version that is known")
	}
	if s := stackOf(o.HTTP2); s != nil && s.browser == a.browser && b == a.browser {
		j.support = append(j.support, "the HTTP/2 settings are "+s.name+"'s")
	}
	if s := http3StackOf(o.HTTP3); s != nil && s.browser == a.browser && b == a.browser {
		j.support = append(j.support, "the HTTP/3 settings are "+s.name+"'s")
	}
	if b == a.browser && a.major > 0 {
		j.checkVersion(o, a)
	}
	j.checkHints(&o.Request, a)
	if o.Hello.Transport != parser.QUIC { // of HTTP/3 few versions are known
		j.checkHeaders(&o.Request, a)
	}
}

// checkFamily checks the claim to be a program that is not a browser. It may be built
// with an unknown TLS library, so only a browser's shape or a browser's HTTP/2 settings
// refute it.
func (j *judgement) checkFamily(a parsedUserAgent, o *Observation, candidates []Candidate) {
	if b := browserShapeOf(o.Hello); b != noBrowser && b != suitesOnly && a.family != "GnuTLS" {
		j.refute("the hello has the shape of " + b.name() + "'s")
		return
	}
	if s := stackOf(o.HTTP2); s != nil && s.browser != noBrowser {
		j.refute("the HTTP/2 settings are " + s.name + "'s, not those of " + a.program)
		return
	}
	if s := http3StackOf(o.HTTP3); s != nil && s.browser != noBrowser {
		j.refute("the HTTP/3 settings are " + s.name + "'s, not those of " + a.program)
		return
	}
	if c := nearestOf(&a, candidates); c != nil {
		j.named = c.Name
		j.vouch("the hello is " + thatOf(c))
	}
}

// runtime returns the first word of a program's name: of "Python aiohttp", Python.
func runtime(name string) string {
	name, _, _ = strings.Cut(name, " ")
	return name
}

// nearDistance is the distance within which a hello is of the same family.
const nearDistance = 100

// nearest returns the end of a sentence that names the nearest candidate.
func nearest(candidates []Candidate) string {
	if len(candidates) == 0 || candidates[0].Distance >= nearDistance {
		return ""
	}
	return " but " + thatOf(&candidates[0])
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
// near enough to support a claim to be b.
func resembles(b browser, t parser.Transport, candidates []Candidate) bool {
	return slices.ContainsFunc(candidates, func(c Candidate) bool {
		return b.has(c.Family) && c.Distance <= vouchDistance(t)
	})
}

// browserOf returns the browser that the first candidate is, if it is near.
func browserOf(t parser.Transport, candidates []Candidate) browser {
	if len(candidates) == 0 || candidates[0].Distance > vouchDistance(t) || candidates[0].Kind != KindBrowser && candidates[0].Family != appleFamily {
		return noBrowser
	}
	for b := chromium; b <= safari; b++ {
		if b.has(candidates[0].Family) {
			return b
		}
	}
	return noBrowser
}

// checkHints compares the client hints with the User-Agent.
func (j *judgement) checkHints(r *Request, a parsedUserAgent) {
	if r.ClientHints == "" && r.Platform == "" {
		return
	}
	if a.browser != chromium {
		j.refuteKnown("client hints, which " + a.browser.name() + " does not send")
		return
	}
	for _, brand := range [...]string{"Chromium", "Google Chrome"} {
		_, rest, ok := strings.Cut(r.ClientHints, `"`+brand+`";v="`)
		if n, numbered := product(rest, ""); ok && numbered && n != a.major {
			j.refute("sec-ch-ua has " + brand + " " + strconv.Itoa(n) + ", the User-Agent " + strconv.Itoa(a.major))
			break
		}
	}
	if p, os := platformOf(r.Platform), platformOf(r.OS); p != "" && os != "" && p != os {
		j.refute("sec-ch-ua-platform has " + parser.Text([]byte(r.Platform)) + ", the User-Agent " + parser.Text([]byte(r.OS)))
	}
}

// platformOf returns one form for the names of one system, and "" for unknown names.
// Android counts as Linux, which the User-Agent says on headsets and where the user has
// asked for the desktop's pages.
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
func (j *judgement) checkHeaders(r *Request, a parsedUserAgent) {
	site := strings.Index(r.Headers, "sec-fetch-site")
	dest := strings.Index(r.Headers, "sec-fetch-dest")
	if site < 0 || dest < 0 {
		return
	}
	switch {
	case a.browser == chromium && a.major > 83 && dest < site:
		j.refuteKnown("sec-fetch-dest before sec-fetch-site, which Chromium has the other way round")
	case a.browser == firefox && site < dest:
		j.refuteKnown("sec-fetch-site before sec-fetch-dest, which Firefox has the other way round")
	}
}

// checkVersion compares the features of a hello and the HTTP/2 settings with the
// version that is claimed.
func (j *judgement) checkVersion(o *Observation, a parsedUserAgent) {
	seen := *o // a copy escapes through the function variables, and only where a claim is checked
	for i, f := range versionFeatures {
		if f.browser != a.browser || !f.present(&seen) {
			continue
		}
		bounds := j.bounds[i]
		if bounds.since > 0 && a.major < bounds.since && !a.atLeast {
			j.refute(fmt.Sprintf("%s, which no version before %d has", f.name, bounds.since))
		}
		if bounds.until > 0 && a.major > bounds.until {
			j.refute(fmt.Sprintf("%s, which no version after %d has", f.name, bounds.until))
		}
	}
}
