package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/signals"
)

// TestSignalRow: a row has what was counted for its kind, and no more digits than mean
// something.
func TestSignalRow(t *testing.T) {
	values := signals.Values{Requests: 7, Rate: 7.0 / 60, H2Ratio: 6.0 / 7, TellsRatio: 1}
	for want, r := range map[string]signals.Row{
		`{"value":"curl","requests":7,"at_most":9,"rate":0.1167,"addresses":0,"user_agents":0,"paths":0,"server_names":0,"distinct_of":7,"h2_ratio":0.8571,"h3_ratio":0,"tells_ratio":1}`: {Kind: signals.Client, Value: "curl", Values: values, AtMost: 9, DistinctOf: 7},
		`{"value":"192.0.2.0/24","requests":7,"at_most":9,"rate":0.1167,"ja4s":0,"distinct_of":7,"h2_ratio":0.8571,"h3_ratio":0,"tells_ratio":1}`:                                         {Kind: signals.Prefix, Value: "192.0.2.0/24", Values: values, AtMost: 9, DistinctOf: 7},
		`{"value":"x","requests":7,"at_most":9,"rate":0.1167,"distinct_of":0,"h2_ratio":0.8571,"h3_ratio":0,"tells_ratio":1}`:                                                             {Kind: signals.JA4, Value: "x", Values: values, AtMost: 9},
	} {
		got, err := json.Marshal(newSignalRows([]signals.Row{r})[0])
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	for f, want := range map[float64]float64{0: 0, 0.30999999999: 0.31, 123456: 123500, 1.0 / 3: 0.3333, 1e-9 / 3: 3.333e-10} {
		assert.Equal(t, want, fourDigits(f))
	}
	empty, err := json.Marshal(newSignalRows(nil))
	require.NoError(t, err)
	assert.Equal(t, "[]", string(empty))
}
