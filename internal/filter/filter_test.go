package filter

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

func TestMatchObservation(t *testing.T) {
	o := event.Observation{
		Time:  time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		Src:   netip.MustParseAddrPort("[::ffff:192.0.2.1]:50000"),
		Dst:   netip.MustParseAddrPort("[2001:db8::1]:443"),
		Hello: &parser.ClientHello{Transport: parser.QUIC, ServerName: []byte("WWW.example")},
	}
	host := func(text string) []netip.Prefix {
		p, err := ParseHost(text)
		require.NoError(t, err)
		return []netip.Prefix{p}
	}
	for name, test := range map[string]struct {
		f    Filter
		want bool
	}{
		"nothing":        {Filter{}, true},
		"since":          {Filter{Since: o.Time}, true},
		"since later":    {Filter{Since: o.Time.Add(1)}, false},
		"until":          {Filter{Until: o.Time.Add(1)}, true},
		"until then":     {Filter{Until: o.Time}, false},
		"transport":      {Filter{Transports: []parser.Transport{parser.TLS, parser.QUIC}}, true},
		"no transport":   {Filter{Transports: []parser.Transport{parser.TLS}}, false},
		"source port":    {Filter{Ports: []uint16{50000}}, true},
		"port":           {Filter{Ports: []uint16{80, 443}}, true},
		"no port":        {Filter{Ports: []uint16{80}}, false},
		"client":         {Filter{Hosts: host("192.0.2.0/24")}, true},
		"mapped address": {Filter{Hosts: host("::ffff:192.0.2.1")}, true},
		"server":         {Filter{Hosts: host("2001:db8::1")}, true},
		"no host":        {Filter{Hosts: host("192.0.2.2")}, false},
		"name":           {Filter{SNI: []string{"other", "www.*"}}, true},
		"no name":        {Filter{SNI: []string{"www"}}, false},
		"one of two":     {Filter{SNI: []string{"www.*"}, Ports: []uint16{80}}, false},
	} {
		assert.Equal(t, test.want, test.f.MatchObservation(&o), name)
	}
	f := Filter{SNI: []string{"*"}}
	assert.False(t, f.MatchObservation(&event.Observation{Transport: parser.TLS}), "there is no hello")
	f = Filter{Transports: []parser.Transport{parser.DTLS}}
	assert.True(t, f.MatchObservation(&event.Observation{Transport: parser.DTLS}))
}

// TestMatchEvent: a JA4 matches whatever the case of its ALPN part. A JA3 pattern
// matches JA3N, too.
func TestMatchEvent(t *testing.T) {
	var e event.Event
	e.Fingerprints.Set("ja3", "0149f47eabf9a20d0893e2a44e5a6323")
	e.Fingerprints.Set("ja3n", "22441e3edb4a151c17462a438c7a10a5")
	e.Fingerprints.Set("ja4", "t13d1516H2_8daaf6152771_e5627efa2ab1")
	for _, test := range []struct {
		f           Filter
		needs, want bool
	}{
		{Filter{}, false, true},
		{Filter{JA4: []string{"t13d1516h2_8daaf6152771_e5627efa2ab1"}}, true, true},
		{Filter{JA4: []string{"t13d1516h2_*"}}, true, true},
		{Filter{JA4: []string{"t13d1516h1_*"}}, true, false},
		{Filter{JA3: []string{"0149*"}}, true, true},
		{Filter{JA3: []string{"2244*"}}, true, true},
		{Filter{JA3: []string{"0000*", "2244*"}}, true, true},
		{Filter{JA3: []string{"0000*"}}, true, false},
		{Filter{JA3: []string{"2244*"}, JA4: []string{"x"}}, true, false},
	} {
		assert.Equal(t, test.needs, test.f.NeedsEvent())
		assert.Equal(t, test.want, test.f.MatchEvent(&e), "%v", test.f)
	}
}

func TestParseHost(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":        "192.0.2.1/32",
		"::ffff:192.0.2.1": "192.0.2.1/32",
		"192.0.2.0/24":     "192.0.2.0/24",
		"2001:db8::1":      "2001:db8::1/128",
	} {
		got, err := ParseHost(text)
		require.NoError(t, err)
		assert.Equal(t, want, got.String())
	}
	_, err := ParseHost("host.example")
	assert.EqualError(t, err, `"host.example": neither an address nor a network`)
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026":                           "2026-01-01T00:00:00Z",
		"2026-11":                        "2026-11-01T00:00:00Z",
		"2026-11-22":                     "2026-11-22T00:00:00Z",
		"2026-11-22 07:33":               "2026-11-22T07:33:00Z",
		"2026-11-22T07:33":               "2026-11-22T07:33:00Z",
		"2026-11-22 07:33:15.5":          "2026-11-22T07:33:15.5Z",
		"2026-11-22T07:33:15.123456789Z": "2026-11-22T07:33:15.123456789Z",
		"2026-11-22 07:33:15+02:00":      "2026-11-22T05:33:15Z",
		"1795332795.711403":              "2026-11-22T07:33:15.711403Z",
		"0":                              "1970-01-01T00:00:00Z",
		"30":                             "1970-01-01T00:00:30Z",
		"1h":                             "2026-11-30T11:00:00Z",
		"30m":                            "2026-11-30T11:30:00Z",
		"1h30m":                          "2026-11-30T10:30:00Z",
		"1.5h":                           "2026-11-30T10:30:00Z",
		"500ms":                          "2026-11-30T11:59:59.5Z",
		"1d":                             "2026-11-29T12:00:00Z",
		"2w1d12h":                        "2026-11-15T00:00:00Z",
		"0s":                             "2026-11-30T12:00:00Z",
	} {
		got, err := ParseTime(text, now)
		require.NoError(t, err, text)
		assert.Equal(t, want, got.UTC().Format(time.RFC3339Nano), text)
	}
	for _, text := range []string{"yesterday", "NaN", "Inf", "1e300", "2026-13", "12:00", "-1h", "+1h", "1", "1x", "d", "wd", "1d1w", "1d-1h", "1.5d",
		"-1d", "99999999999d", "106751d24h", "9999w99999d", " 1h", "1h ", "1hd"} {
		got, err := ParseTime(text, now)
		if text == "1" {
			assert.Equal(t, time.Unix(1, 0), got, "a number is seconds since 1970")
			continue
		}
		assert.ErrorContains(t, err, "not a time: use 2006-01-02, ", text)
	}
}

// TestSince: no text is no condition, whatever the time.
func TestSince(t *testing.T) {
	got, err := ParseTime("", time.Now())
	require.NoError(t, err)
	assert.True(t, got.IsZero())
}
