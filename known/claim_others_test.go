package known

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// hellosTime is when the hellos of TestOthersAndProxies were sent.
var hellosTime = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// TestOthersAndProxies: a claim says who else sends the hello, and which proxy sent it.
func TestOthersAndProxies(t *testing.T) {
	candidate := func(name, family string, k Kind, distance uint16) Candidate {
		return Candidate{Name: name, Family: family, Kind: k, Distance: distance}
	}
	genuine := candidate("Chromium", "Chromium", KindBrowser, 0)
	copies := func(names ...string) (list []Candidate) {
		for _, name := range names {
			list = append(list, candidate(name, "Chromium", KindImpersonator, 0))
		}
		return list
	}
	gate := candidate("Gate", "interceptor", KindProxy, 0)
	const (
		shape  = "the hello has the shape of Chromium's"
		cannot = "by its hello, a copy cannot be told from Chromium"
	)
	for _, c := range []struct {
		what       string
		hello      string
		request    Request
		candidates []Candidate
		want       Claim
	}{
		{"nobody else", "chromium-156", Request{UserAgent: chromeUA}, []Candidate{genuine},
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{shape, cannot}}},
		{"copies", "chromium-156", Request{UserAgent: chromeUA}, append([]Candidate{genuine}, copies("uTLS", "curl-impersonate", "uTLS")...),
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{shape, "also sent by curl-impersonate, uTLS", cannot}}},
		{"many copies", "chromium-156", Request{UserAgent: chromeUA}, append([]Candidate{genuine}, copies("wreq", "uTLS", "e", "d", "c")...),
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{shape, "also sent by c, d, e and 2 more", cannot}}},
		{"a copy of another shape", "chromium-156", Request{UserAgent: chromeUA}, []Candidate{genuine, candidate("uTLS", "Chromium", KindImpersonator, 1)},
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{shape, cannot}}},
		{"copies alone", "chromium-156", Request{UserAgent: chromeUA}, append(copies("wreq", "uTLS"), candidate("Chromium", "Chromium", KindBrowser, 20)),
			Claim{Program: "Chromium 156", Reasons: []string{shape, "exactly this hello is known from imitations alone: uTLS, wreq"}}},
		{"copies, refuted", "chromium-156", Request{UserAgent: chromeUA, ClientHints: `"Chromium";v="131"`}, append([]Candidate{genuine}, copies("uTLS")...),
			Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"sec-ch-ua has Chromium 131, the User-Agent 156"}}},
		{"a proxy with the browser's hello", "chromium-156", Request{UserAgent: chromeUA}, []Candidate{genuine, gate},
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{shape, "also sent by Gate", cannot}}},

		{"programs of a library", "python-tls12", Request{UserAgent: "Python/3.11 aiohttp/3.8.4"}, []Candidate{
			candidate("OpenSSL", "OpenSSL", KindLibrary, 0), candidate("Python ssl", "OpenSSL", KindLibrary, 0), candidate("svn", "OpenSSL", KindTool, 0),
			candidate("Python aiohttp", "OpenSSL", KindLibrary, 0), candidate("links", "OpenSSL", KindTool, 0), candidate("ab", "OpenSSL", KindTool, 4)},
			Claim{Verdict: VerdictConsistent, Program: "Python aiohttp", Reasons: []string{"the hello is that of Python aiohttp", "also sent by Python ssl, links, svn"}}},
		{"near a library", "python-tls12", Request{UserAgent: "Python/3.11 aiohttp/3.8.4"}, []Candidate{candidate("Python ssl", "OpenSSL", KindLibrary, 15)},
			Claim{Verdict: VerdictConsistent, Program: "Python aiohttp", Reasons: []string{"the hello is like that of Python ssl"}}},
		{"parts of a runtime", "node-24", Request{UserAgent: "node"}, []Candidate{
			candidate("Node", "Node", KindLibrary, 0), candidate("Node https", "Node", KindLibrary, 0), candidate("Node tls", "Node", KindLibrary, 0)},
			Claim{Verdict: VerdictConsistent, Program: "Node", Reasons: []string{"the hello is that of Node"}}},

		{"a proxy", "curl-openssl-3.0", Request{UserAgent: chromeUA, ClientHints: `"Chromium";v="156"`}, []Candidate{gate},
			Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"behind a proxy that ends TLS: Gate"}, Proxy: "Gate"}},
		{"a proxy before Firefox", "chromium-156", Request{UserAgent: firefoxUA}, []Candidate{gate},
			Claim{Verdict: VerdictInconsistent, Program: "Firefox 153", Reasons: []string{"behind a proxy that ends TLS: Gate"}, Proxy: "Gate"}},
		{"a proxy that reorders headers", "curl-openssl-3.0", Request{UserAgent: chromeUA, Headers: "sec-fetch-dest,sec-fetch-site"}, []Candidate{gate},
			Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"behind a proxy that ends TLS: Gate"}, Proxy: "Gate"}},
		{"two proxies, and a copy", "curl-openssl-3.0", Request{UserAgent: safariUA}, []Candidate{gate, candidate("AV", "interceptor", KindProxy, 0), copies("uTLS")[0]},
			Claim{Verdict: VerdictInconsistent, Program: "Safari 18", Reasons: []string{"behind a proxy that ends TLS: AV, Gate"}, Proxy: "AV, Gate"}},
		{"a bot that copies a proxy", "curl-openssl-3.0", Request{UserAgent: chromeUA, ClientHints: `"Chromium";v="131"`}, []Candidate{gate},
			Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"behind a proxy that ends TLS: Gate", "sec-ch-ua has Chromium 131, the User-Agent 156"}}},
		{"near a proxy", "curl-openssl-3.0", Request{UserAgent: chromeUA}, []Candidate{candidate("Gate", "interceptor", KindProxy, 1)},
			Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"the hello is not Chromium's but like that of Gate"}}},
		{"a proxy on a library", "curl-openssl-3.0", Request{UserAgent: chromeUA}, []Candidate{candidate("OpenSSL", "OpenSSL", KindLibrary, 0), gate},
			Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"the hello is not Chromium's but that of OpenSSL",
				"or behind a proxy that ends TLS and sends the same hello: Gate"}}},
		{"no browser", "curl-openssl-3.0", Request{UserAgent: "curl/8.5.0"}, []Candidate{gate}, Claim{Program: "curl"}},
	} {
		o := Observation{Hello: hellotest.Real(t)[c.hello], Request: c.request, Time: hellosTime}
		require.NotNil(t, o.Hello, c.what)
		before := slices.Clone(c.candidates)
		assert.Equal(t, c.want, CheckClaim(&o, c.candidates), c.what)
		assert.Equal(t, before, c.candidates, c.what)
	}
}

// TestOwnProxy: a proxy in the user's own clients is named.
func TestOwnProxy(t *testing.T) {
	h := numbered(t, 7)
	db, err := NewDatabase([]Entry{{Name: "our proxy", Kind: KindProxy, Hello: hex.EncodeToString(h.Raw)}})
	require.NoError(t, err)
	m := Matcher{Clients: db}
	o := Observation{Hello: h, Request: Request{UserAgent: firefoxUA}, Time: hellosTime}
	got := CheckClaim(&o, m.AppendCandidates(nil, &o))
	assert.Equal(t, Claim{Verdict: VerdictInconsistent, Program: "Firefox 153", Reasons: []string{"behind a proxy that ends TLS: our proxy"}, Proxy: "our proxy"}, got)
}

// TestBuiltinProxies: each proxy that nobody else is like is named behind a browser's
// User-Agent, and no claim of the browsers that are known is blamed on one.
func TestBuiltinProxies(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	named := 0
	var m Matcher
	for i := range entries {
		e := &entries[i]
		h, err := e.ModelHello()
		require.NoError(t, err)
		for _, agent := range []string{chromeUA, firefoxUA} {
			o := Observation{Hello: h, Request: Request{UserAgent: agent}, Time: hellosTime}
			claim := CheckClaim(&o, m.AppendCandidates(nil, &o))
			switch {
			case e.Kind == KindProxy:
				named += btoi(claim.Proxy != "")
				assert.Equal(t, VerdictInconsistent, claim.Verdict, e.Name)
			case e.Kind != KindImpersonator:
				assert.Empty(t, claim.Proxy, "%s %s", e.Name, e.Version)
			}
		}
	}
	assert.GreaterOrEqual(t, named, 4)
}

func TestOldVersions(t *testing.T) {
	const old = "is old: by the calendar, "
	firefox115 := "Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0"
	chrome120 := "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
	for _, c := range []struct {
		agent, date, want string
	}{
		{chrome120, "2026-11-30", "Chromium 120 " + old + "158 was the newest on the day of the hello"},
		{chrome120, "2025-03-01", "Chromium 120 " + old + "134 was the newest on the day of the hello"},
		{chrome120, "2024-12-31", ""}, // 121 is a year old
		{chrome120, "2023-12-05", ""},
		{chrome120, "2019-01-01", ""}, // a clock that is wrong
		{chrome120, "1970-01-01", ""},
		{chrome133, "2026-11-30", "Chromium 133 " + old + "158 was the newest on the day of the hello"},
		{chromeUA, "2026-11-30", ""},
		{chromeUA, "2027-06-30", ""},
		{chromeUA, "2029-01-01", "Chromium 156 " + old + "213 was the newest on the day of the hello"},
		{firefox115, "2026-11-30", "Firefox 115 " + old + "161 was the newest on the day of the hello"},
		{firefoxUA, "2027-07-01", ""}, // the extended support release
		{iPhoneUA, "2025-10-01", ""},
		{iPhoneUA, "2026-11-30", "Safari 18 " + old + "27 was the newest on the day of the hello"},
		{safariUA, "2026-11-30", ""}, // others name an old one for good
		{"curl/7.1", "2040-01-01", ""},
	} {
		day, err := time.Parse(time.DateOnly, c.date)
		require.NoError(t, err)
		a := parseUserAgent(c.agent)
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		assert.Equal(t, want, current.appendAge(nil, &a, day), "%s on %s", a.program, c.date)
	}
	// It is a reason, and no verdict.
	o := Observation{Hello: hellotest.Real(t)["chromium-117"], Time: hellosTime, Request: Request{UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36"}}
	var m Matcher
	claim := CheckClaim(&o, m.AppendCandidates(nil, &o))
	assert.Equal(t, VerdictConsistent, claim.Verdict)
	assert.Contains(t, claim.Reasons, "Chromium 117 "+old+"158 was the newest on the day of the hello")
	o.Time = time.Date(2023, 10, 1, 0, 0, 0, 0, time.UTC)
	assert.NotContains(t, strings.Join(CheckClaim(&o, m.AppendCandidates(nil, &o)).Reasons, "; "), old)
}
