package page

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// TestLiveCountsBestClient: hellos of one client are counted under its name, whatever
// their versions and other candidates, and those that no known client is near as unknown.
func TestLiveCountsBestClient(t *testing.T) {
	candidate := func(name, version string, distance uint16) known.Candidate {
		return known.Candidate{Name: name, Version: version, Family: name, Distance: distance}
	}
	var l Live
	for _, e := range []event.Event{
		{Client: []known.Candidate{candidate("Chromium", "156.0.1.2", 0)}},
		{Client: []known.Candidate{candidate("Chromium", "138 to 152", 0), candidate("Edge", "140", 0)}},
		{Client: []known.Candidate{candidate("Chromium", "newer than 156", 12)}},
		{Client: []known.Candidate{candidate("curl", "8", 100)}},
		{},
	} {
		l.Add(&e)
	}
	u := l.since(0, false)
	assert.Equal(t, []count{{"Chromium", 3}, {"unknown", 2}}, u.Clients)
	var rows []string
	for _, r := range u.Rows {
		rows = append(rows, r.Client)
	}
	assert.Equal(t, []string{"Chromium 156", "Chromium 138 to 152", "Chromium", "unknown", "unknown"}, rows)
}
