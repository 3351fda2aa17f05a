package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/output"
	"github.com/tlspeek/tlspeek/signals"
)

// scanSignals has the flags of scan --signals, and what is counted of all files.
type scanSignals struct {
	kind   string
	memory sizeFlag

	of    signals.Kind
	table *signals.Table // nil without --signals
}

func (s *scanSignals) addFlags(flags *pflag.FlagSet) {
	s.memory = signals.DefaultMaxBytes
	flags.StringVar(&s.kind, "signals", "", "print what the hellos of each JA4 have in common: how many there are, from how many addresses, for how many server names; --signals=stable, client or prefix for another `kind`")
	flags.Lookup("signals").NoOptDefVal = signals.JA4.String()
	flags.Var(&s.memory, "signals-memory", "maximum `size` of what --signals counts, and of what agg in --where asks")
}

// check reads the flags. others says whether the output is to be another table, and agg
// whether an expression asks for signals.
func (s *scanSignals) check(others, agg bool) (err error) {
	switch {
	case agg && s.memory < signals.MinMaxBytes:
		return fmt.Errorf("--signals-memory %s: must be 1MiB or more for agg", &s.memory)
	case s.kind == "":
		return nil
	case others:
		return errors.New("--signals cannot be used with --top, --unique, --count or --fields")
	case s.memory < signals.MinMaxBytes:
		return fmt.Errorf("--signals-memory %s: must be 1MiB or more", &s.memory)
	}
	if s.of, err = signals.ParseKind(s.kind); err != nil {
		return fmt.Errorf("--signals %w", err)
	}
	s.table = signals.New(signals.Options{MaxBytes: int64(s.memory), Total: true, Reproducible: true})
	return nil
}

// checkPaths explains what to write instead of "--signals client", which reads a file
// named client.
func (s *scanSignals) checkPaths(paths []string) error {
	for _, path := range paths {
		if _, err := signals.ParseKind(path); err != nil || s.table == nil {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("no file %s; for the kind, write --signals=%s", path, path)
		}
	}
	return nil
}

// header has the names of the columns.
func (s *scanSignals) header() []string {
	if s.of == signals.Prefix {
		return []string{"requests", "at_most", s.of.String(), "rate", "ja4s", "distinct_of", "h3_ratio", "tells_ratio"}
	}
	return []string{"requests", "at_most", s.of.String(), "rate", "addresses", "server_names", "distinct_of", "h3_ratio", "tells_ratio"}
}

// scanSignalRow returns the values of the columns.
func scanSignalRow(r *signalRow, prefix bool) []string {
	number := func(n *int64) string {
		if n == nil {
			return ""
		}
		return strconv.FormatInt(*n, 10)
	}
	real := func(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
	row := []string{number(&r.Requests), number(&r.AtMost), r.Value, real(r.Rate)}
	if prefix {
		row = append(row, number(r.JA4s))
	} else {
		row = append(row, number(r.Addresses), number(r.ServerNames))
	}
	return append(row, number(&r.DistinctOf), real(r.H3Ratio), real(r.TellsRatio))
}

// write writes the rows, those of the most requests first, and at most limit of them
// unless that is 0: JSON objects, or rows after a header in a tabular format. If there
// was no room for all keys, a last row has the number of the hellos that are in no row.
func (s *scanSignals) write(w io.Writer, f *output.Format, limit int) error {
	rows := s.table.Top(s.of, 0, time.Time{})
	others := s.table.Stats(s.of, time.Time{}).Requests
	for i := range rows {
		others -= rows[i].Requests
	}
	if limit > 0 {
		rows = rows[:min(limit, len(rows))]
	}
	var line []byte
	if f.Tabular() {
		if _, err := w.Write(f.AppendRow(nil, s.header(), nil)); err != nil {
			return err
		}
	}
	for i := range rows {
		r := newSignalRow(&rows[i]).ofCapture()
		r.Kind = s.of.String()
		if f.Tabular() {
			line = f.AppendRow(line[:0], scanSignalRow(&r, s.of == signals.Prefix), nil)
		} else {
			b, err := json.Marshal(&r)
			if err != nil {
				return err
			}
			line = append(append(line[:0], b...), '\n')
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	switch {
	case others == 0:
		return nil
	case f.Tabular():
		row := make([]string, len(s.header()))
		row[0], row[2] = strconv.FormatInt(others, 10), "(others)"
		line = f.AppendRow(line[:0], row, nil)
	default:
		line = fmt.Appendf(line[:0], `{"kind":%q,"others":%d}`+"\n", s.of, others)
	}
	_, err := w.Write(line)
	return err
}
