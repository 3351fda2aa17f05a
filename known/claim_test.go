package known

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

const (
	chromeUA  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	chrome133 = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36"
	firefoxUA = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
	safariUA  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15"
	iPhoneUA  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"

	chromeH2  = "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
	firefoxH2 = "1:65536;2:0;4:131072;5:16384|12517377|0|m,p,a,s"
	goH2      = "2:0;4:4194304;5:16384;6:10485760|1073741824|0|a,m,p,s"
	curlH2    = "3:100;4:33554432;2:0|33488897|0|m,p,s,a"
)

func TestCheckClaim(t *testing.T) {
	const chromium156 = "the hello has the shape of Chromium's"
	for _, c := range []struct {
		hello, h2 string
		agent     Request
		want      Claim
	}{
		{"chromium-156", chromeH2, Request{UserAgent: chromeUA},
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{chromium156, "the HTTP/2 settings are Chromium's", "by its hello, a copy cannot be told from Chromium"}}},
		{"chromium-156-quic", "", Request{UserAgent: chromeUA}, Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{chromium156, "by its hello, a copy cannot be told from Chromium"}}},
		{"chromium-156-quic", "", Request{UserAgent: chromeUA, Headers: "sec-fetch-dest,sec-fetch-mode,sec-fetch-site"},
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{chromium156, "by its hello, a copy cannot be told from Chromium"}}},
		{"firefox-153-quic", "", Request{UserAgent: firefoxUA}, Claim{Verdict: VerdictConsistent, Program: "Firefox 153", Reasons: []string{"the hello has the shape of Firefox's", "by its hello, a copy cannot be told from Firefox"}}},
		{"firefox-153", firefoxH2, Request{UserAgent: firefoxUA, Headers: ":method,sec-fetch-dest,sec-fetch-mode,sec-fetch-site"},
			Claim{Verdict: VerdictConsistent, Program: "Firefox 153", Reasons: []string{"the hello has the shape of Firefox's", "the HTTP/2 settings are Firefox's", "by its hello, a copy cannot be told from Firefox"}}},
		{"chromium-156", goH2, Request{UserAgent: chromeUA}, Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"tell http2-stack: Go net/http: " + goH2}}},
		{"chromium-156", chromeH2, Request{UserAgent: chrome133}, Claim{Verdict: VerdictInconsistent, Program: "Chromium 133", Reasons: []string{
			"ids in trust_anchors, which no version before 146 has", "ML-DSA among the signature algorithms, which no version before 144 has"}}},
		{"chromium-117", chromeH2, Request{UserAgent: chromeUA}, Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{
			"no ML-DSA among the signature algorithms, which no version after 155 has"}}},
		{"firefox-153", "", Request{UserAgent: chromeUA}, Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"the hello has the shape of Firefox's, not of Chromium's"}}},
		{"curl-openssl-3.0", curlH2, Request{UserAgent: chromeUA}, Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{
			"the HTTP/2 settings are curl's, not Chromium's", "the hello is not Chromium's but that of curl"}}},
		{"go-1.26", goH2, Request{UserAgent: safariUA}, Claim{Verdict: VerdictInconsistent, Program: "Safari 18", Reasons: []string{
			"the HTTP/2 settings are Go net/http's, not Safari's", "the hello is not Safari's but that of Go net/http"}}},
		{"go-1.26", goH2, Request{UserAgent: "Go-http-client/2.0"}, Claim{Verdict: VerdictConsistent, Program: "Go net/http", Reasons: []string{"the hello is that of Go net/http"}}},
		{"curl-openssl-3.0", curlH2, Request{UserAgent: "curl/7.88.1"}, Claim{Verdict: VerdictConsistent, Program: "curl", Reasons: []string{"the hello is that of curl", "also sent by PHP curl"}}},
		{"python-tls12", "", Request{UserAgent: "Python/3.11 aiohttp/3.8.4"}, Claim{Verdict: VerdictConsistent, Program: "Python aiohttp", Reasons: []string{"the hello is that of Python ssl", "also sent by nginx, openssl s_client"}}},
		{"gnutls-3.7", "", Request{UserAgent: "curl/8.0"}, Claim{Verdict: VerdictUnknown, Program: "curl", Reasons: nil}},
		{"chromium-156", chromeH2, Request{UserAgent: "curl/8.0"}, Claim{Verdict: VerdictInconsistent, Program: "curl", Reasons: []string{chromium156}}},
		{"curl-openssl-3.0", chromeH2, Request{UserAgent: "curl/8.0"}, Claim{Verdict: VerdictInconsistent, Program: "curl", Reasons: []string{"the HTTP/2 settings are Chromium's, not those of curl"}}},
		{"curl-openssl-3.0", "", Request{UserAgent: "Mozilla/5.0 (profile chrome_110)"},
			Claim{Verdict: VerdictInconsistent, Program: "a browser", Reasons: []string{"the User-Agent begins as a browser's and then names none"}}},
		{"curl-openssl-3.0", "", Request{UserAgent: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}, Claim{}},
		{"curl-openssl-3.0", "", Request{UserAgent: "my program"}, Claim{}},
		{"curl-openssl-3.0", "", Request{}, Claim{}},
		{"chromium-156", chromeH2, Request{UserAgent: chromeUA, ClientHints: `"Not A(Brand";v="8", "Chromium";v="131", "Google Chrome";v="131"`},
			Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"sec-ch-ua has Chromium 131, the User-Agent 156"}}},
		{"chromium-156", chromeH2, Request{UserAgent: chromeUA, Platform: "Windows", OS: "Linux"},
			Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"sec-ch-ua-platform has Windows, the User-Agent Linux"}}},
		{"chromium-156", chromeH2, Request{UserAgent: chromeUA, Platform: "Chromium OS", OS: "ChromeOS", ClientHints: `"Chromium";v="156"`},
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{chromium156, "the HTTP/2 settings are Chromium's", "by its hello, a copy cannot be told from Chromium"}}},
		{"chromium-156", chromeH2, Request{UserAgent: chromeUA, Platform: "Android", OS: "Linux"},
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{chromium156, "the HTTP/2 settings are Chromium's", "by its hello, a copy cannot be told from Chromium"}}},
		{"chromium-156", chromeH2, Request{UserAgent: chromeUA, Platform: "Fuchsia", OS: "Linux"},
			Claim{Verdict: VerdictConsistent, Program: "Chromium 156", Reasons: []string{chromium156, "the HTTP/2 settings are Chromium's", "by its hello, a copy cannot be told from Chromium"}}},
		{"curl-openssl-3.0", "", Request{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:56.0) Gecko/20100101 Firefox/56.0"},
			Claim{Verdict: VerdictInconsistent, Program: "Firefox 56", Reasons: []string{"the hello is not Firefox's but that of curl"}}},
		{"firefox-153", "", Request{UserAgent: firefoxUA, ClientHints: `"Chromium";v="131"`},
			Claim{Verdict: VerdictInconsistent, Program: "Firefox 153", Reasons: []string{"client hints, which Firefox does not send"}}},
		{"chromium-156", chromeH2, Request{UserAgent: chromeUA, Headers: "sec-ch-ua,sec-fetch-dest,sec-fetch-mode,sec-fetch-site"},
			Claim{Verdict: VerdictInconsistent, Program: "Chromium 156", Reasons: []string{"sec-fetch-dest before sec-fetch-site, which Chromium has the other way round"}}},
		{"firefox-153", "", Request{UserAgent: firefoxUA, Headers: "sec-fetch-site,sec-fetch-mode,sec-fetch-dest"},
			Claim{Verdict: VerdictInconsistent, Program: "Firefox 153", Reasons: []string{"sec-fetch-site before sec-fetch-dest, which Firefox has the other way round"}}},
	} {
		o := Observation{Hello: hellotest.Real(t)[c.hello], HTTP2: c.h2, Request: c.agent}
		require.NotNil(t, o.Hello, c.hello)
		var m Matcher
		assert.Equal(t, c.want, CheckClaim(&o, m.AppendCandidates(nil, &o)), "%s %s %v", c.hello, c.h2, c.agent)
	}
	// No hello of Firefox 56 is known, so an unknown shape may be its own.
	o := Observation{Hello: hellotest.Real(t)["curl-openssl-3.0"], Request: Request{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:56.0) Gecko/20100101 Firefox/56.0"}}
	o.Time = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC) // later it is old
	assert.Equal(t, Claim{Program: "Firefox 56"}, CheckClaim(&o, nil))
	for _, o := range []Observation{{}, {Hello: &parser.ClientHello{SSLv2: true}}} {
		o.Request.UserAgent = "curl/8"
		assert.Equal(t, Claim{Program: "curl"}, CheckClaim(&o, nil))
	}
}

func TestClaimedBy(t *testing.T) {
	for header, want := range map[string]parsedUserAgent{
		chromeUA:  {program: "Chromium 156", browser: chromium, major: 156},
		firefoxUA: {program: "Firefox 153", browser: firefox, major: 153},
		safariUA:  {program: "Safari 18", browser: safari, major: 18, atLeast: true},
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/92.0.4512.0 Safari/537.36":                        {program: "Chromium 92", browser: chromium, major: 92},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/120.0 Mobile/15E148 Safari/604.1": {program: "Safari on iOS", browser: safari},
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/60.5 Safari/605.1.15":                                  {program: "WebKitGTK", family: "GnuTLS"},
		"Mozilla/5.0 (Linux; U; Android 4.0.3) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30":                          {},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/64.0.3282.140 Safari/537.36 Edge/17.17134":      {},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.4844.51 Safari/537.36 Edg/99.0.1150.30":    {program: "Chromium 99", browser: chromium, major: 99},
		"Mozilla/5.0 (Windows NT 10.0) Chrome/":                      {program: "a browser", generic: true},
		"Mozilla/5.0":                                                {program: "a browser", generic: true},
		"Mozilla/5.0 (profile firefox/133.0)":                        {program: "a browser", generic: true},
		"Mozilla/5.0 (LINUX armv7l; Wired) Cobalt/20.lts.4.0 (like)": {},
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html) Chrome/120.0.0.0 Safari/537.36": {},
		"Mozilla/5.0 (X11; Linux x86_64; rv:102.0) Gecko/20100101 Goanna/6.7 Firefox/102.0 PaleMoon/33.0":                                               {},
		"Mozilla/5.0 (X11; Linux x86_64; rv:60.0) Gecko/20100101 Firefox/60.0":                                                                          {program: "Firefox 60", browser: firefox, major: 60, tooOld: true},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/11.1.2 Safari/605.1.15":                       {program: "Safari 11", browser: safari, major: 11, tooOld: true, atLeast: true},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 10_3 like Mac OS X) AppleWebKit/603.1.30 (KHTML, like Gecko) Version/10.0 Mobile/14E277 Safari/602.1":       {program: "Safari on iOS", browser: safari, major: 10, tooOld: true},
		"python-requests/2.28.1": {program: "Python requests", family: "Python"},
		"":                       {},
	} {
		assert.Equal(t, want, parseUserAgent(header), header)
	}
}

// TestNoClaimRefuted checks that no claim of a genuine browser's own version is
// refuted, whatever its settings.
func TestNoClaimRefuted(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	formats := map[string]string{
		"Chromium": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36",
		"Firefox":  "Mozilla/5.0 (X11; Linux x86_64; rv:%[1]d.0) Gecko/20100101 Firefox/%[1]d.0",
	}
	n := 0
	for _, e := range entries {
		format, ok := formats[e.Name]
		if !ok || e.Transport == "dtls" {
			continue
		}
		n++
		major, _ := product(e.Version, "")
		h, err := e.ModelHello()
		require.NoError(t, err)
		o := Observation{Hello: h, RecordVersion: parser.VersionTLS10, HTTP2: e.HTTP2, Request: Request{UserAgent: fmt.Sprintf(format, major)}}
		var m Matcher
		assert.Equal(t, VerdictConsistent, CheckClaim(&o, m.AppendCandidates(nil, &o)).Verdict, "%s %s %s %s", e.Name, e.Version, e.Flags, e.Source)
	}
	assert.Greater(t, n, 40)
}

// TestVersionFeatures checks that no feature refutes the version of a genuine browser.
func TestVersionFeatures(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	n := 0
	for _, e := range entries {
		major, ok := product(e.Version, "")
		if e.Kind != KindBrowser || !ok || e.Name != e.Family {
			continue
		}
		n++
		h, err := e.ModelHello()
		require.NoError(t, err)
		j := judgement{knowledge: &current}
		j.checkVersion(&Observation{Hello: h, HTTP2: e.HTTP2}, parsedUserAgent{browser: browserShapeOf(h), major: major})
		assert.Empty(t, j.refutations, "%s %s %s", e.Name, e.Version, e.Source)
	}
	assert.Greater(t, n, 15)
}

// TestSettingsRefuteNothing: what a flag, a policy or a preference of a genuine
// browser changes does not refute its claim.
func TestSettingsRefuteNothing(t *testing.T) {
	real := hellotest.Real(t)
	for name, o := range map[string]Observation{
		// --disable-features=UseNewAlpsCodepointQUIC
		"application_settings at 4469 over QUIC": {Hello: real["chromium-156-quic-alps-4469"], Request: Request{UserAgent: chromeUA}},
		// security.ssl3.ecdhe_ecdsa_aes_128_sha
		"suite of an old version": {HTTP2: firefoxH2, Request: Request{UserAgent: firefoxUA}, Hello: edit(real["firefox-153"], func(h *parser.ClientHello) {
			h.CipherSuites = slices.Insert(h.CipherSuites, 10, 0xc009)
		})},
		// network.http.http2.enabled.deps
		"HTTP/2 priority tree": {Hello: real["firefox-153"], Request: Request{UserAgent: firefoxUA},
			HTTP2: "1:65536;2:0;4:131072;5:16384|12517377|3:0:0:201,5:0:0:101,7:0:0:1,9:0:7:1,11:0:3:1,13:0:0:241|m,p,a,s"},
		// --enable-features=CryptographyComplianceCnsa, without AES instructions
		"order of suites by policy": {HTTP2: chromeH2, Request: Request{UserAgent: chromeUA}, Hello: edit(real["chromium-156"], func(h *parser.ClientHello) {
			copy(h.CipherSuites[1:], []parser.CipherSuite{0x1302, 0x1301, 0x1303, 0xcca9, 0xcca8, 0xc02b, 0xc02f, 0xc02c, 0xc030})
			h.ECH.AEAD = 3
		})},
		// A build of 141 to 151, for which trust_anchors was switched on.
		"empty trust_anchors": {HTTP2: chromeH2, Request: Request{UserAgent: strings.Replace(chromeUA, "156", "149", 1)},
			Hello: edit(real["chromium-156"], func(h *parser.ClientHello) {
				extension(h, parser.ExtTrustAnchors).Data = []byte{0, 0}
			})},
		// --disable-features=TLSTrustAnchorIDs
		"no trust_anchors": {HTTP2: chromeH2, Request: Request{UserAgent: chromeUA}, Hello: edit(real["chromium-156"], func(h *parser.ClientHello) {
			h.Extensions = slices.DeleteFunc(h.Extensions, func(e parser.Extension) bool { return e.Type == parser.ExtTrustAnchors })
		})},
	} {
		require.NotNil(t, o.Hello, name)
		o.Index, o.RecordVersion = 1, parser.VersionTLS10
		assert.Empty(t, AppendTells(nil, &o), name)
		var m Matcher
		assert.Equal(t, VerdictConsistent, CheckClaim(&o, m.AppendCandidates(nil, &o)).Verdict, name)
	}
}

// TestFarShapeSupportsNoClaim checks that the User-Agent of a browser is not consistent
// with the hello of a QUIC library, even if that copies an extension that only Chromium
// sends.
func TestFarShapeSupportsNoClaim(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	chrome := hellotest.Real(t)["chromium-156-quic"]
	alps, ok := chrome.Extension(parser.ExtApplicationSettings)
	require.True(t, ok)
	n := 0
	var m Matcher
	check := func(h *parser.ClientHello, name string) {
		for _, ua := range []string{chromeUA, firefoxUA, safariUA} {
			o := Observation{Hello: h, Request: Request{UserAgent: ua}}
			assert.NotEqual(t, VerdictConsistent, CheckClaim(&o, m.AppendCandidates(nil, &o)).Verdict, "%s %s", name, ua)
		}
	}
	plain := slices.DeleteFunc(slices.Clone(chrome.Extensions), func(e parser.Extension) bool {
		switch e.Type {
		case parser.ExtApplicationSettings, parser.ExtEncryptedClientHello, parser.ExtTrustAnchors, parser.ExtCompressCertificate:
			return true
		}
		return false
	})
	check(hellotest.Rebuild(t, chrome, chrome.CipherSuites, plain), "a library on BoringSSL")
	for _, e := range entries {
		if e.Transport != "quic" || e.Kind == KindBrowser || e.Family == "Apple" || e.Library == "BoringSSL (Cronet)" { // the stack of Safari, and Chromium's
			continue
		}
		n++
		h, err := e.ModelHello()
		require.NoError(t, err)
		with := hellotest.Rebuild(t, h, h.CipherSuites, append(h.Extensions[:len(h.Extensions):len(h.Extensions)], alps))
		require.Equal(t, chromium, browserShapeOf(with))
		check(h, e.Name)
		check(with, e.Name+" with application_settings")
	}
	assert.GreaterOrEqual(t, n, 3)
}

// TestClaimOfSeveralConnections refutes a browser's claim by what its connections have
// in common, unless that is no evidence.
func TestClaimOfSeveralConnections(t *testing.T) {
	o := Observation{Hello: hellotest.Real(t)["chromium-156"], Index: 1}
	o.Request.UserAgent = chromeUA
	var m Matcher
	candidates := m.AppendCandidates(nil, &o)
	require.Equal(t, VerdictConsistent, CheckClaim(&o, candidates).Verdict)

	o.Tells = []Tell{{Name: "frozen-order", Found: "the order of the last connection"}}
	got := CheckClaim(&o, candidates)
	assert.Equal(t, VerdictInconsistent, got.Verdict)
	assert.Equal(t, []string{"tell frozen-order: the order of the last connection"}, got.Reasons)

	o.Tells[0].Novel = true
	assert.Equal(t, VerdictConsistent, CheckClaim(&o, candidates).Verdict)
}
