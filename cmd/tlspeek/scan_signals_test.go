package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

// TestScanSignalsFull: if there are more keys than room, each row says what it can be at
// most, and a last one has the number of the hellos that are in none.
func TestScanSignalsFull(t *testing.T) {
	s := scanSignals{kind: "ja4", memory: 1 << 20}
	require.NoError(t, s.check(false, false))
	const once, often = 20000, 500
	e := event.Event{SrcIP: netip.MustParseAddr("192.0.2.1"), HelloIndex: 1, Time: time.Unix(1e9, 0)}
	add := func(ja4 string) {
		e.Fingerprints.Set("ja4", ja4)
		s.table.ObserveHello(&e)
		e.Time = e.Time.Add(time.Second)
	}
	for i := range once {
		add(fmt.Sprint("once ", i))
		if i%(once/often) == 0 {
			add("often")
		}
	}
	e.HelloIndex = 2
	add("second")
	for _, f := range output.Formats {
		var b bytes.Buffer
		require.NoError(t, s.write(&b, f, 2))
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		last := lines[len(lines)-1]
		if f.Tabular() {
			require.Len(t, lines, 4)
			assert.True(t, strings.HasPrefix(lines[1], "500"), lines[1])
			assert.Contains(t, last, "(others)")
			continue
		}
		require.Len(t, lines, 3)
		var row signalRow
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &row))
		assert.Equal(t, "often", row.Value)
		assert.EqualValues(t, often, row.Requests)
		assert.InDelta(t, float64(often)/(once+often), row.Rate, 1e-5)
		assert.EqualValues(t, 1, *row.Addresses)
		require.NoError(t, json.Unmarshal([]byte(lines[1]), &row))
		assert.Greater(t, row.AtMost, row.Requests)
		var others struct {
			Kind   string
			Others int64
		}
		require.NoError(t, json.Unmarshal([]byte(last), &others))
		assert.Equal(t, "ja4", others.Kind)
		assert.Positive(t, others.Others)
		rows := s.table.Top(s.of, 0, time.Time{})
		for i := range rows {
			others.Others += rows[i].Requests
		}
		assert.EqualValues(t, once+often, others.Others)
	}
}
