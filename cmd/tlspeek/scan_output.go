package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/ordered"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/output"
	"github.com/tlspeek/tlspeek/tally"
)

// A scanOutput has the flags of scan that say what it prints, and the tables of the
// hellos of all files.
type scanOutput struct {
	full, detail bool
	formats      [len(output.Formats)]bool // that were asked for
	fields       []string
	top          string
	unique       string
	count        bool
	limit        int

	format  *output.Format
	options output.Options
	clients *known.Database
	memo    event.Memo

	hellos        atomic.Int64 // of --count
	trackersBytes int          // of known.Trackers; 0 for the default

	topTable    tally.Top
	uniqueTable tally.Unique
	signals     scanSignals
}

func (o *scanOutput) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.full, "full", false, "print all fingerprints, and how the hello arrived")
	flags.BoolVar(&o.detail, "detail", false, "print in addition the hello as a tree, and its bytes")
	for i, f := range output.Formats {
		if f != output.JSONL {
			flags.BoolVar(&o.formats[i], f.Name, false, f.About)
		}
	}
	flags.StringSliceVar(&o.fields, "fields", nil, "`columns` of --csv and --tsv: keys of the JSON form, such as ja4, carrier.segments or client.name")
	flags.Var((*joined)(&o.top), "top", "print how often each value of this `field` occurs, the most frequent first; of several, as in ja4,sni, or given several times, how often each combination")
	flags.StringVar(&o.unique, "unique", "", "print one line for each value of this `field`, with count, first and last time and an example; --unique=sni for another field")
	flags.Lookup("unique").NoOptDefVal = "ja4"
	flags.BoolVar(&o.count, "count", false, "print only the number of hellos")
	flags.IntVar(&o.limit, "limit", 0, "print at most this `number` of lines of --top, --unique or --signals; 0 for all")
	o.signals.addFlags(flags)
}

// check reads the flags. asksAgg says whether an expression of --where asks agg.
func (o *scanOutput) check(asksAgg bool) error {
	tables := 0
	for _, set := range []bool{o.top != "", o.unique != "", o.count} {
		if set {
			tables++
		}
	}
	switch {
	case tables > 1:
		return errors.New("--top, --unique and --count exclude each other")
	case len(o.fields) > 0 && (o.top != "" || o.count):
		return errors.New("--fields cannot be used with --top or --count, which print no hellos")
	case o.limit < 0:
		return fmt.Errorf("--limit %d: must be 0 or more", o.limit)
	case o.limit > 0 && o.top == "" && o.unique == "" && o.signals.kind == "":
		return errors.New("--limit needs --top, --unique or --signals")
	}
	if err := o.signals.check(tables > 0 || len(o.fields) > 0, asksAgg); err != nil {
		return err
	}
	switch {
	case o.detail:
		o.options.Size = event.Detail
	case o.full, o.signals.table != nil:
		o.options.Size = event.Full
	}
	if err := o.chooseFormat(); err != nil {
		return err
	}
	if err := o.chooseColumns(); err != nil {
		return err
	}
	return o.countBy()
}

func (o *scanOutput) chooseFormat() error {
	for i, f := range output.Formats {
		switch {
		case !o.formats[i]:
		case o.format != nil:
			return fmt.Errorf("--%s and --%s exclude each other", o.format.Name, f.Name)
		default:
			o.format = f
		}
	}
	switch {
	case o.format != nil:
	case len(o.fields) > 0:
		o.format = output.TSV
	default:
		o.format = output.JSONL
	}
	return nil
}

func (o *scanOutput) chooseColumns() (err error) {
	if !o.format.Tabular() {
		return nil
	}
	if len(o.fields) == 0 {
		o.options.Columns = output.DefaultColumns(o.options.Size)
		return nil
	}
	for i, name := range o.fields {
		o.fields[i] = strings.TrimSpace(name)
	}
	if o.options.Columns, err = output.ColumnsOf(o.fields); err != nil {
		return fieldError("--fields", o.fields, err)
	}
	for i := range o.options.Columns {
		o.options.Size = max(o.options.Size, o.options.Columns[i].Size)
	}
	return nil
}

// needsClients reports whether the output shows who sent a hello.
func (o *scanOutput) needsClients() bool {
	switch {
	case o.count:
		return false
	case o.signals.table != nil:
		return true
	case o.top != "":
		return o.countNeedsClients()
	case !o.format.Tabular(), o.unique != "" && o.countNeedsClients():
		return true
	}
	return slices.ContainsFunc(o.options.Columns, func(c output.Column) bool { return c.NeedsClients() })
}

// begin prints the header, unless there is a table, which has its own. An error is
// returned again by later calls of w.
func (o *scanOutput) begin(w *ordered.Writer) {
	if o.top == "" && o.unique == "" && !o.count && o.signals.table == nil {
		header := o.format.Open(w, o.options)
		header.WriteHeader()
		header.Flush()
	}
}

// end prints the table if there is one, and everything that is buffered.
func (o *scanOutput) end(w *ordered.Writer) (err error) {
	switch {
	case o.count:
		_, err = w.Write(append(strconv.AppendInt(nil, o.hellos.Load(), 10), '\n'))
	case o.top != "":
		err = o.topTable.Write(w, o.format, o.limit)
	case o.unique != "":
		err = o.uniqueTable.Write(w, o.limit)
	case o.signals.table != nil:
		err = o.signals.write(w, o.format, o.limit)
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// uncounted returns how many hellos are in no row of the table, which was full.
func (o *scanOutput) uncounted() int64 { return o.topTable.Dropped() + o.uniqueTable.Dropped() }

// incomplete returns an error if the table had no room for all values.
func (o *scanOutput) incomplete() error {
	if n := o.uncounted(); n > 0 {
		return fmt.Errorf("the table is full: %s with other values not counted for lack of memory: use a larger --max-memory, or choose hellos with --sni, --host and the like", count(n, "hello"))
	}
	return nil
}
