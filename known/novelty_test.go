package known

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// november is the day of the newest captures.
var november = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// claims returns the User-Agent of a version of a browser.
func claims(b browser, version int) Request {
	v := strconv.Itoa(version)
	if b == firefox {
		return Request{UserAgent: strings.ReplaceAll(firefoxUA, "153", v)}
	}
	return Request{UserAgent: strings.ReplaceAll(chromeUA, "156", v)}
}

func TestEveryTellHasANature(t *testing.T) {
	for i := range tells {
		row := &tells[i]
		assert.Contains(t, []nature{contradiction, novelty, lead}, row.nature, row.name)
		if row.nature == novelty {
			assert.Zero(t, row.browsers&^anyBrowser, "%s: only a browser has versions that are not known", row.name)
		}
	}
}

func TestNewestOn(t *testing.T) {
	list := []releaseDay{{100, 1000}, {110, 1280}, {111, 1294}} // 28 days, then 14
	for day, want := range map[int]int{0: 100, 1000: 100, 1027: 100, 1028: 101, 1279: 109, 1280: 110, 1293: 110, 1294: 111, 1307: 111, 1308: 112, 1434: 121} {
		assert.Equal(t, want, newestOn(list, day), "day %d", day)
	}
	assert.Greater(t, newestOn(list[:1], 0), 1000, "no pace is known")
	assert.Greater(t, newestOn(nil, 0), 1000)
}

// The calendar of releases.jsonl has every release that is known, on its day.
func TestMayExist(t *testing.T) {
	for _, c := range []struct {
		b       browser
		version int
		day     string
		want    bool
	}{
		{chromium, 156, "2020-01-01", true}, // known, so it is the clock that is wrong
		{chromium, 157, "2026-09-01", false},
		{chromium, 157, "2026-11-03", true},
		{chromium, 159, "2026-11-24", true}, // in the slack
		{chromium, 162, "2026-11-24", false},
		{chromium, 162, "2027-01-26", true},
		{chromium, 999, "2026-11-24", false},
		{firefox, 161, "2026-11-24", true},
		{firefox, 165, "2026-11-24", false},
		{firefox, 999, "2030-01-01", false},
	} {
		day, err := time.Parse(time.DateOnly, c.day)
		require.NoError(t, err)
		assert.Equal(t, c.want, current.mayExist(c.b, c.version, day), "%s %d on %s", c.b.name(), c.version, c.day)
	}
	for b, list := range releaseDays {
		for _, r := range list {
			day := time.Unix(int64(r.day)*24*60*60, 0)
			assert.GreaterOrEqual(t, newestOn(list, r.day), r.version)
			assert.True(t, current.mayExist(browser(b), r.version, day), "%s %d", browser(b).name(), r.version)
		}
	}
}

// TestNovelty: what a browser did not send before is evidence against the versions that
// are known, and against those that cannot exist, but not against those in between.
func TestNovelty(t *testing.T) {
	real := hellotest.Real(t)
	chrome, fox := real["chromium-156"], real["firefox-153"]
	scheme := edit(chrome, func(h *parser.ClientHello) { h.SignatureAlgorithms = append(h.SignatureAlgorithms, 0x0807) })
	limit := edit(fox, func(h *parser.ClientHello) { h.RecordSizeLimit = 0x1000 })
	dated := edit(chrome, func(h *parser.ClientHello) {
		h.SignatureAlgorithms = slices.DeleteFunc(h.SignatureAlgorithms, func(s parser.SignatureScheme) bool { return s>>8 == 0x09 })
		h.SignatureAlgorithms = append(h.SignatureAlgorithms, 0x0807)
	})
	twice := edit(chrome, func(h *parser.ClientHello) { h.SupportedGroups[4] = 29 })
	for name, c := range map[string]struct {
		hello   *parser.ClientHello
		http2   string
		request Request
		novel   bool
		verdict Verdict
		reason  string
	}{
		"known":              {scheme, chromeH2, claims(chromium, 156), false, VerdictInconsistent, "tell signature-algorithms: ed25519 (0807)"},
		"newer":              {scheme, chromeH2, claims(chromium, 158), true, VerdictConsistent, "newer than 156, the newest version that is known"},
		"none":               {scheme, chromeH2, claims(chromium, 999), false, VerdictInconsistent, "tell signature-algorithms: ed25519 (0807)"},
		"unclaimed":          {scheme, chromeH2, Request{}, true, VerdictUnknown, ""},
		"no version":         {scheme, chromeH2, Request{UserAgent: "my program"}, true, VerdictUnknown, ""},
		"dated":              {dated, chromeH2, Request{}, false, VerdictUnknown, ""},
		"dated and newer":    {dated, chromeH2, claims(chromium, 158), false, VerdictInconsistent, "tell signature-algorithms: ed25519 (0807)"},
		"Firefox":            {limit, firefoxH2, claims(firefox, 154), false, VerdictInconsistent, "tell record-size-limit: 1000"},
		"newer Firefox":      {limit, firefoxH2, claims(firefox, 160), true, VerdictConsistent, "newer than 154, the newest version that is known"},
		"newer order":        {chrome, "1:4096;4:100|100|0|m,s,a,p", claims(chromium, 158), true, VerdictConsistent, "newer than 156, the newest version that is known"},
		"contradiction":      {twice, chromeH2, claims(chromium, 158), false, VerdictInconsistent, "tell duplicate-group: x25519 (001d) twice"},
		"another's settings": {chrome, goH2, claims(chromium, 158), false, VerdictInconsistent, "tell http2-stack: Go net/http: " + goH2},
	} {
		o := Observation{Hello: c.hello, Index: 1, RecordVersion: parser.VersionTLS10, HTTP2: c.http2, Request: c.request, Time: november}
		r := Identify(&o)
		if assert.Len(t, r.Tells, 1, name) {
			assert.Equal(t, c.novel, r.Tells[0].Novel, name)
			assert.Equal(t, !c.novel, IsEvidence(r.Tells), name)
			assert.Equal(t, c.novel, strings.Contains(string(r.Tells[0].AppendJSON(nil)), `"novel":true`), name)
		}
		assert.Equal(t, c.verdict, r.Claim.Verdict, "%s: %v", name, r.Claim.Reasons)
		if c.reason != "" {
			assert.Contains(t, r.Claim.Reasons, c.reason, name)
		}
	}
	o := Observation{Hello: chrome, HTTP2: chromeH2, Request: claims(chromium, 999), Time: november}
	assert.Equal(t, Claim{Verdict: VerdictUnknown, Program: "Chromium 999", Reasons: []string{"no such version yet"}}, Identify(&o).Claim)

	// A suite that no browser had hides the shape. It refutes no newer version.
	o.Hello = edit(chrome, func(h *parser.ClientHello) { h.CipherSuites = append(h.CipherSuites, 0x1306) })
	o.Request = claims(chromium, 158)
	assert.NotEqual(t, VerdictInconsistent, Identify(&o).Claim.Verdict)
}

// TestNewerThan: a value that no known hello of a browser has makes it a newer version.
func TestNewerThan(t *testing.T) {
	real := hellotest.Real(t)
	for name, c := range map[string]struct {
		hello *parser.ClientHello
		want  string
	}{
		"Chromium 156": {real["chromium-156"], ""},
		"group":        {edit(real["chromium-156"], func(h *parser.ClientHello) { h.SupportedGroups = append(h.SupportedGroups, 0x0777) }), "newer than 156"},
		"extension": {edit(real["firefox-153"], func(h *parser.ClientHello) {
			h.Extensions = slices.Insert(h.Extensions, 3, parser.Extension{Type: 0x7777})
		}), "newer than 154"},
		"an extension less": {edit(real["firefox-153"], func(h *parser.ClientHello) { h.Extensions = slices.Delete(h.Extensions, 3, 4) }), ""},
		"dated":             {edit(real["chromium-117"], func(h *parser.ClientHello) { h.SupportedGroups = append(h.SupportedGroups, 0x0777) }), ""},
		"curl":              {edit(real["curl-openssl-3.0"], func(h *parser.ClientHello) { h.SupportedGroups = append(h.SupportedGroups, 0x0777) }), ""},
	} {
		var m Matcher
		for range 2 { // the second answer is remembered
			got := m.AppendCandidates(nil, &Observation{Hello: c.hello, Index: 1, RecordVersion: parser.VersionTLS10})
			require.NotEmpty(t, got, name)
			if c.want == "" {
				assert.NotContains(t, got[0].Version, "newer", name)
			} else {
				assert.Equal(t, c.want, got[0].Version, name)
			}
		}
	}
}

// aged returns what was known before the newest n versions of b that were captured, and
// the entries of these and later ones. version is the newest one that is left, or 0.
func aged(t *testing.T, entries []Entry, releases []release, b browser, n int) (k knowledge, left, gone []Entry, version int) {
	t.Helper()
	var majors []int
	for _, e := range entries {
		if major, ok := product(e.Version, ""); ok && e.Kind == KindBrowser && e.Name == b.name() && e.Grade == "" && !slices.Contains(majors, major) {
			majors = append(majors, major)
		}
	}
	slices.Sort(majors)
	oldestGone := majors[max(0, len(majors)-n)]
	for _, e := range entries {
		major, _ := product(e.Version, "")
		switch own := e.Kind == KindBrowser && e.Name == b.name(); {
		case own && major >= oldestGone:
			gone = append(gone, e)
		case own:
			version = max(version, major)
			fallthrough
		default:
			left = append(left, e)
		}
	}
	db, err := NewDatabase(left)
	require.NoError(t, err)
	require.Equal(t, version, db.newest[b])
	var lines []release
	for _, r := range releases {
		if r.Browser != b.name() || max(r.Version, r.Since, r.Until) < oldestGone {
			lines = append(lines, r)
		}
	}
	bounds := make([]versionBounds, len(versionFeatures))
	for i, f := range versionFeatures {
		for _, r := range lines {
			if r.Browser == f.browser.name() && r.Feature == f.name {
				bounds[i] = versionBounds{r.Since, r.Until}
			}
		}
	}
	days := releaseDaysOf(lines)
	return knowledge{db, bounds, &days}, left, gone, version
}

// values are the values of lists in hellos, each with the name of its list.
type values map[string]bool

func valuesOf(t *testing.T, entries []Entry, b browser) values {
	t.Helper()
	all := make(values)
	for _, e := range entries {
		if e.Kind == KindBrowser && e.Name == b.name() {
			h, err := e.ModelHello()
			require.NoError(t, err)
			for _, v := range valueTexts(h) {
				all[v] = true
			}
		}
	}
	return all
}

func (all values) hasAll(h *parser.ClientHello) bool {
	return !slices.ContainsFunc(valueTexts(h), func(v string) bool { return !all[v] })
}

// valueTexts returns the values of the lists of h that are not GREASE.
func valueTexts(h *parser.ClientHello) (texts []string) {
	add := func(list string, v uint16) {
		if !parser.IsGREASE(v) {
			texts = append(texts, fmt.Sprintf("%s %04x", list, v))
		}
	}
	for _, v := range h.CipherSuites {
		add("suite", uint16(v))
	}
	for _, e := range h.Extensions {
		switch e.Type {
		case parser.ExtServerName, parser.ExtSessionTicket, parser.ExtPadding, parser.ExtPreSharedKey, parser.ExtEarlyData, parser.ExtCookie:
		default:
			add("extension", uint16(e.Type))
		}
	}
	for _, v := range h.SupportedGroups {
		add("group", uint16(v))
	}
	for _, v := range h.SignatureAlgorithms {
		add("scheme", uint16(v))
	}
	for _, v := range h.SupportedVersions {
		add("version", uint16(v))
	}
	return texts
}

// TestAgeing takes the newest versions of each browser out of all that is known. Their
// hellos must then show no contradiction, and refute no claim, and be named as newer
// unless an older version sends the same.
func TestAgeing(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	text, err := os.ReadFile("releases.jsonl")
	require.NoError(t, err)
	releases, err := readReleases(text)
	require.NoError(t, err)
	for _, b := range []browser{chromium, firefox} {
		for n := 1; n <= 3; n++ {
			k, left, gone, version := aged(t, entries, releases, b, n)
			require.NotEmpty(t, gone)
			old := valuesOf(t, left, b)
			hellos, same, newer := 0, 0, 0
			for _, e := range gone {
				h, err := e.ModelHello()
				require.NoError(t, err)
				major, _ := product(e.Version, "")
				m := Matcher{Database: k.database, ages: &k}
				name := fmt.Sprintf("%s %s (%s) without %d versions", e.Name, e.Version, e.Source, n)
				for _, r := range []Request{claims(b, major), {}} {
					o := Observation{Hello: h, Index: 1, RecordVersion: parser.VersionTLS10, HTTP2: e.HTTP2, Request: r, Time: november}
					list := m.AppendCandidates(nil, &o)
					assert.False(t, IsEvidence(k.appendTells(nil, &o)), name)
					claim := k.checkClaim(&o, list)
					assert.NotEqual(t, VerdictInconsistent, claim.Verdict, "%s: %v", name, claim.Reasons)
					assert.NotContains(t, claim.Reasons, "no such version yet", name)
					if r.UserAgent != "" {
						hellos++
						same += btoi(len(list) > 0 && list[0].Distance == 0)
						newer += btoi(len(list) > 0 && list[0].Version == "newer than "+strconv.Itoa(version))
						if version > 0 && claim.Verdict == VerdictConsistent {
							assert.Contains(t, claim.Reasons, "newer than "+strconv.Itoa(version)+", the newest version that is known", name)
						}
					}
					if version > 0 && h.Transport != parser.DTLS && !old.hasAll(h) {
						require.NotEmpty(t, list, name)
						assert.Equal(t, b.name(), list[0].Name, name)
						assert.Equal(t, "newer than "+strconv.Itoa(version), list[0].Version, name)
					}
				}
			}
			t.Logf("%s without the newest %d: %d hellos, %d as an older version, %d newer than %d", b.name(), n, hellos, same, newer, version)
		}
	}
}

// TestNoSuchVersion: the claim of a version that cannot exist gains an impersonator
// nothing over that of the newest one.
func TestNoSuchVersion(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	n := 0
	var m Matcher
	for _, e := range entries {
		if e.Kind != KindImpersonator || e.Hello == "" {
			continue
		}
		h, err := e.ModelHello()
		require.NoError(t, err)
		for _, b := range []browser{chromium, firefox} {
			n++
			judge := func(version int) (int, Claim) {
				o := Observation{Hello: h, Index: 1, RecordVersion: parser.VersionTLS10, HTTP2: e.HTTP2, Request: claims(b, version), Time: november}
				found := slices.DeleteFunc(AppendTells(nil, &o), func(t Tell) bool { return t.Novel })
				return len(found), CheckClaim(&o, m.AppendCandidates(nil, &o))
			}
			tells, claim := judge(builtin.newest[b])
			tells999, claim999 := judge(999)
			assert.GreaterOrEqual(t, tells999, tells, "%s %s as %s", e.Name, e.Version, b.name())
			assert.NotEqual(t, VerdictConsistent, claim999.Verdict, "%s %s as %s", e.Name, e.Version, b.name())
			if claim.Verdict == VerdictInconsistent {
				assert.Equal(t, VerdictInconsistent, claim999.Verdict, "%s %s as %s", e.Name, e.Version, b.name())
				for _, r := range claim.Reasons {
					assert.Contains(t, claim999.Reasons, r)
				}
			}
		}
	}
	assert.Greater(t, n, 50)
}
