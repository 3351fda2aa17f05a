package main

import (
	"strconv"

	"github.com/tlspeek/tlspeek/signals"
)

// A signalRow is a row of /api/signals and of scan --signals. What was not counted is nil.
type signalRow struct {
	Kind        string   `json:"kind,omitempty"` // where that is not said by the list
	Value       string   `json:"value"`
	Requests    int64    `json:"requests"`
	AtMost      int64    `json:"at_most"`
	Rate        float64  `json:"rate"`
	Addresses   *int64   `json:"addresses,omitempty"`
	UserAgents  *int64   `json:"user_agents,omitempty"`
	Paths       *int64   `json:"paths,omitempty"`
	ServerNames *int64   `json:"server_names,omitempty"`
	JA4s        *int64   `json:"ja4s,omitempty"`
	DistinctOf  int64    `json:"distinct_of"`
	H2Ratio     *float64 `json:"h2_ratio,omitempty"`
	H3Ratio     float64  `json:"h3_ratio"`
	TellsRatio  float64  `json:"tells_ratio"`
}

// ofCapture returns s without what no capture shows.
func (s signalRow) ofCapture() signalRow {
	s.UserAgents, s.Paths, s.H2Ratio = nil, nil, nil
	return s
}

func newSignalRow(r *signals.Row) signalRow {
	h2 := fourDigits(r.H2Ratio)
	s := signalRow{
		Value: r.Value, Requests: r.Requests, AtMost: r.AtMost, Rate: fourDigits(r.Rate), DistinctOf: r.DistinctOf,
		H2Ratio: &h2, H3Ratio: fourDigits(r.H3Ratio), TellsRatio: fourDigits(r.TellsRatio),
	}
	switch {
	case r.DistinctOf == 0:
	case r.Kind == signals.Prefix:
		s.JA4s = &r.JA4s
	default:
		s.Addresses, s.UserAgents, s.Paths, s.ServerNames = &r.Addresses, &r.UserAgents, &r.Paths, &r.ServerNames
	}
	return s
}

func newSignalRows(rows []signals.Row) []signalRow {
	all := make([]signalRow, len(rows))
	for i := range rows {
		all[i] = newSignalRow(&rows[i])
	}
	return all
}

// fourDigits returns f with four significant digits.
func fourDigits(f float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 4, 64), 64)
	if err != nil {
		return f
	}
	return rounded
}
