package learn

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// eventsOf returns lines of detail Events of one hello, from so many addresses.
func eventsOf(t *testing.T, n int) []string {
	var ob event.Observer
	var lines []string
	for i := range n {
		o := &event.Observation{
			Hello: strange(t, 1), Index: 1, Time: time.Date(2026, 11, 30, 0, 0, i, 0, time.UTC),
			Src: netip.AddrPortFrom(addr(i%5, i), 1000), Request: known.Request{UserAgent: "Mozilla/5.0 Firefox/150.0"},
			Tells: []known.Tell{{Name: "frozen-order"}, {Name: "alps", Novel: true}, {Name: "nss-session-id", Lead: true}},
		}
		line, err := ob.AppendJSON(nil, o, event.Detail)
		require.NoError(t, err)
		lines = append(lines, string(line))
	}
	return lines
}

func TestEvents(t *testing.T) {
	lines := eventsOf(t, 20)
	l := new(Learner)
	calls := 0
	c, err := l.Events(t.Context(), strings.NewReader(strings.Join(lines, "\n")), "events.jsonl", func() { calls++ })
	require.NoError(t, err)
	assert.Equal(t, EventCounts{Lines: 20}, c)
	assert.Equal(t, 20, calls)
	res := result(t, l)
	require.Len(t, res.Candidates, 1)
	seen := res.Candidates[0].Seen
	assert.Equal(t, "events.jsonl", res.Candidates[0].Source)
	assert.Equal(t, int64(20), seen.Addresses)
	assert.Equal(t, []UserAgent{{"Mozilla/5.0 Firefox/150.0", 20}}, seen.UserAgents)
	assert.Equal(t, map[string]int64{"inconsistent": 20}, seen.Claims)
	assert.Equal(t, map[string]int64{"frozen-order": 20}, seen.Tells)
	assert.Equal(t, map[string]int64{"alps": 20, "nss-session-id": 20}, seen.Hints)
	assert.Equal(t, "2026-11-30T00:00:19Z", seen.Last.Format(time.RFC3339))
}

func TestEventsThatHaveNoHello(t *testing.T) {
	good := eventsOf(t, 1)[0]
	l := &Learner{Addresses: 1, Prefixes: 1}
	text := "\n" + strings.Join([]string{
		`{"transport":"tls"}`, `{"transport":"tls","raw":null}`, `{"raw":"AQAA"}`, `not JSON`, `{"transport":"tls","raw":"AQAA","src_ip":"192.0.2.1"}`,
		`{"transport":"tls","raw":"AQAA","src_ip":12}`, strings.Replace(good, "{", `{"address_verified":false,`, 1),
		`{"pad":"` + strings.Repeat("x", 100_000) + `",` + good[1:], `{"pad":"` + strings.Repeat("x", maxEventLine) + `"}`, good,
	}, "\r\n")
	c, err := l.Events(t.Context(), strings.NewReader(text), "a", func() {})
	require.NoError(t, err)
	assert.EqualError(t, c.First, `line 4: transport "" is none of tls, quic, dtls`)
	c.First = nil
	assert.Equal(t, EventCounts{Lines: 10, NoRaw: 2, Broken: 4}, c)
	assert.Equal(t, Counts{Hellos: 2, Unverified: 1, Malformed: 1}, l.Counts)
}

func TestEventsEnd(t *testing.T) {
	broken := errors.New("broken")
	_, err := new(Learner).Events(t.Context(), iotest.ErrReader(broken), "a", func() {})
	assert.ErrorIs(t, err, broken)
	ctx, cancel := context.WithCancel(t.Context())
	l := new(Learner)
	_, err = l.Events(ctx, strings.NewReader(strings.Join(eventsOf(t, 3), "\n")), "a", cancel)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, int64(1), l.Counts.Hellos)
}

// FuzzEvents: whatever lines come, candidates are entries that are refused as they are and
// can be loaded with a name.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"transport":"tls","src_ip":"192.0.2.1","raw":"AQAA","tells":[{"name":"sorted","novel":true}],"claim":{"verdict":"unknown"}}`))
	f.Add([]byte("{}\n[]\n" + `{"transport":"quic","raw":""}`))
	h := strange(f, 1)
	f.Add(fmt.Appendf(nil, `{"time":"2026-11-30T00:00:00Z","transport":"tls","src_ip":"2001:db8::1","raw":%q,"user_agent":"a"}`, base64.StdEncoding.EncodeToString(h.Raw)))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := &Learner{Addresses: 1, Prefixes: 1, MaxBytes: 1 << 16}
		c, err := l.Events(t.Context(), strings.NewReader(string(text)), "a", func() {})
		require.NoError(t, err)
		require.Equal(t, c.Lines, c.NoRaw+c.Broken+l.Counts.Hellos+l.Counts.Second+l.Counts.Unverified+l.Counts.NoAddress+l.Counts.Malformed)
		res, err := l.Result(nil, true)
		require.NoError(t, err)
		for i := range res.Candidates {
			line, err := res.Candidates[i].AppendLine(nil)
			require.NoError(t, err)
			require.NoError(t, CheckUnreviewed(strings.NewReader(string(line))))
			_, err = known.ReadEntries(strings.NewReader(string(line)))
			require.ErrorContains(t, err, "a learned client without a name")
			entries, err := known.ReadEntries(strings.NewReader(strings.Replace(string(line), `"name":""`, `"name":"a"`, 1)))
			require.NoError(t, err)
			require.True(t, entries[0].Learned)
			_, err = known.NewDatabase(entries)
			require.NoError(t, err)
		}
	})
}
