package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

// TestFilterCase: capital letters in the ALPN part of a JA4 match as others do.
func TestFilterCase(t *testing.T) {
	var e event.Event
	e.Fingerprints.Set("ja4", "t13d1516H2_8daaf6152771_e5627efa2ab1")
	for _, pattern := range []string{e.JA4(), "t13d1516h2_*", "T13D1516H2_8DAAF6152771_E5627EFA2AB1"} {
		c := scanFilter{ja4: []string{pattern}}
		require.NoError(t, c.check())
		assert.True(t, c.matchEvent(&e), pattern)
	}
	c := scanFilter{ja4: []string{"t13d1516h1_*"}}
	require.NoError(t, c.check())
	assert.False(t, c.matchEvent(&e))
}

func TestParseTime(t *testing.T) {
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
	} {
		got, err := parseTime(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got.UTC().Format(time.RFC3339Nano), text)
	}
	for _, text := range []string{"yesterday", "NaN", "Inf", "1e300", "2026-13", "12:00"} {
		_, err := parseTime(text)
		assert.ErrorContains(t, err, "not a time like", text)
	}
}
