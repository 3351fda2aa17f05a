package known

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// othersEntries returns the built-in entries that others published.
func othersEntries(t *testing.T) (list []Entry) {
	t.Helper()
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	list = slices.DeleteFunc(entries, func(e Entry) bool { return e.Grade == "" })
	require.Greater(t, len(list), 200)
	return list
}

// Who published an entry, under what licence, is said in each.
func TestPublishedEntries(t *testing.T) {
	grades, kinds := map[string]int{}, map[Kind]int{}
	for _, e := range othersEntries(t) {
		grades[e.Grade]++
		kinds[e.Kind]++
		assert.Equal(t, e.Grade == "capture", e.Hello != "", e.Source)
		assert.Equal(t, e.Grade != "capture", e.IsRecorded(), e.Source)
		assert.Regexp(t, `^[\w.-]+/[\w.-]+ .*\((BSD-3-Clause|MIT|Apache-2\.0|Unlicense|reported facts)\)$`, e.Source)
		assert.NotEmpty(t, e.Evidence, e.Source)
		assert.NotEmpty(t, e.Family, e.Source)
		if e.Grade == "reported" {
			assert.Contains(t, e.Source, "reported facts")
		}
	}
	assert.Len(t, grades, 3)
	assert.Greater(t, grades["recorded"], 100)
	assert.Positive(t, kinds[KindProxy])
	assert.Zero(t, kinds[KindOther])
	assert.Zero(t, kinds[KindImpersonator])
}

// TestPublishedClients: none of these clients is accused or taken for an imitation, and
// each is named by its family, or one that sends the same.
func TestPublishedClients(t *testing.T) {
	var m Matcher
	recorded := 0
	for _, e := range othersEntries(t) {
		h, err := e.ModelHello()
		require.NoError(t, err)
		o := Observation{Hello: h}
		name := e.Name + " " + e.Version + " (" + e.Source + ")"
		assert.False(t, IsEvidence(AppendTells(nil, &o)), name)
		list := m.AppendCandidates(nil, &o)
		require.NotEmpty(t, list, name)
		assert.Zero(t, list[0].Distance, name)
		assert.NotEqual(t, KindImpersonator, list[0].Kind, name)
		i := slices.IndexFunc(list, func(c Candidate) bool { return c.Name == e.Name && c.Kind == e.Kind })
		require.GreaterOrEqual(t, i, 0, "%s: %v", name, list)
		assert.False(t, !e.IsRecorded() && list[i].Recorded, name)
		recorded += btoi(list[i].Recorded)
	}
	assert.Greater(t, recorded, 60)
}

// Much malware has the TLS of the system. No hello of Windows's is named after it, nor
// after anything but the system and what is part of it.
func TestNoMalwareOfTheSystem(t *testing.T) {
	var m Matcher
	n := 0
	for _, e := range othersEntries(t) {
		if e.Family != "SChannel" {
			continue
		}
		n++
		h, err := e.ModelHello()
		require.NoError(t, err)
		for _, c := range m.AppendCandidates(nil, &Observation{Hello: h}) {
			if c.Family == "SChannel" {
				assert.Contains(t, []string{"SChannel", "Edge Legacy", "msquic"}, c.Name)
			}
		}
	}
	assert.Greater(t, n, 30)
	for _, e := range othersEntries(t) {
		for _, malware := range []string{"AsyncRAT", "Quasar", "Agent Tesla", "Emotet", "Merlin"} {
			assert.NotContains(t, strings.ToLower(e.Name), strings.ToLower(malware))
		}
	}
}

// Chromium had NSS until 2014, so that a version that is not known is near Firefox.
func TestChromiumOnNSS(t *testing.T) {
	n := 0
	for _, e := range othersEntries(t) {
		if e.Family != "Chromium" || e.Library != "NSS" {
			continue
		}
		n++
		h, err := e.ModelHello()
		require.NoError(t, err)
		firefoxes := slices.DeleteFunc(othersEntries(t), func(e Entry) bool { return e.Family != "Firefox" })
		db, err := NewDatabase(firefoxes)
		require.NoError(t, err)
		m := Matcher{Database: db}
		o := Observation{Hello: h, Request: Request{UserAgent: "Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/35.0.1916.114 Safari/537.36"}}
		list := m.AppendCandidates(nil, &o)
		require.NotEmpty(t, list)
		assert.LessOrEqual(t, list[0].Distance, vouchDistance(parser.TLS))
		assert.Equal(t, VerdictUnknown, CheckClaim(&o, list).Verdict)
		o.Request.UserAgent = chromeUA
		assert.Equal(t, VerdictInconsistent, CheckClaim(&o, list).Verdict, "a version that has BoringSSL")
	}
	assert.Positive(t, n)
}

// A shape that a genuine client sends is never named after an imitation of it first.
func TestGenuineBeforeImitations(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	var m Matcher
	shared := 0
	for i := range entries {
		if entries[i].Kind != KindImpersonator {
			continue
		}
		h, err := entries[i].ModelHello()
		require.NoError(t, err)
		list := m.AppendCandidates(nil, &Observation{Hello: h, RecordVersion: parser.VersionTLS10})
		if slices.ContainsFunc(list, func(c Candidate) bool { return c.Kind != KindImpersonator && c.Distance == 0 }) {
			shared++
			assert.NotEqual(t, KindImpersonator, list[0].Kind, "%s %s: %v", entries[i].Name, entries[i].Version, list)
		}
	}
	assert.Greater(t, shared, 20)
}

// TestSafariToCome: the claim of a Safari that cannot exist yet gains nothing.
func TestSafariToCome(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	judged := 0
	for i := range entries {
		e := &entries[i]
		if e.Name != "Safari" || e.Version != "18.0" {
			continue
		}
		h, err := e.ModelHello()
		require.NoError(t, err)
		for major, want := range map[int]Verdict{18: VerdictConsistent, 26: VerdictConsistent, 27: VerdictConsistent, 28: VerdictUnknown, 40: VerdictUnknown} {
			o := Observation{Hello: h, Index: 1, Time: time.Date(2026, time.November, 30, 0, 0, 0, 0, time.UTC)}
			o.Request.UserAgent = fmt.Sprintf("Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.0 Mobile/15E148 Safari/604.1", major)
			claim := Identify(&o).Claim
			assert.Equal(t, want, claim.Verdict, "%d: %v", major, claim.Reasons)
			assert.Equal(t, want == VerdictUnknown, slices.Equal(claim.Reasons, []string{"no such version yet"}), "%d: %v", major, claim.Reasons)
			judged++
		}
	}
	assert.Positive(t, judged)
}

// TestSafariOnMacs: Firefox on an iPad says that it is Safari 13 on a Mac, whatever the
// version of iPadOS. So the version in such a User-Agent is at least what it says.
func TestSafariOnMacs(t *testing.T) {
	const mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_4) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.1 Safari/605.1.15"
	const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 15_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.1 Mobile/15E148 Safari/604.1"
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	old, judged := false, 0
	for i := range entries {
		e := &entries[i]
		if e.Family != "Safari" || e.Kind != KindBrowser || e.Transport == "quic" {
			continue
		}
		h, err := e.ModelHello()
		require.NoError(t, err)
		o := Observation{Hello: h, Index: 1, HTTP2: "2:0;3:100;4:2097152;9:1|10420225|0|m,s,a,p"}
		o.Time = time.Date(2026, time.November, 30, 0, 0, 0, 0, time.UTC)
		if !offers13(h) {
			continue
		}
		for _, major := range []int{13, 14, 16} {
			o.Request.UserAgent = fmt.Sprintf(mac, major)
			claim := Identify(&o).Claim
			assert.NotEqual(t, VerdictInconsistent, claim.Verdict, "%s %s as %d: %v", e.Name, e.Version, major, claim.Reasons)
		}
		o.Request.UserAgent = fmt.Sprintf(phone, 15)
		old = old || Identify(&o).Claim.Verdict == VerdictInconsistent
		judged++
	}
	assert.GreaterOrEqual(t, judged, 9)
	assert.True(t, old, "on an iPhone, what came later refutes an old version")
}
