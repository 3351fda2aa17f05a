package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// A scanOutput is in what form the hellos are printed.
type scanOutput struct {
	full, detail bool
	csv, tsv     bool
	fields       []string
	top          string
	unique       string
	count        bool
	limit        int

	size    event.Size
	columns []event.Column
	table   *scanTable // nil if each hello is printed
	users   *known.Database
	memo    event.Memo // of all files
}

func (o *scanOutput) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.full, "full", false, "all fingerprints, and how the hello came")
	f.BoolVar(&o.detail, "detail", false, "in addition the hello as a tree, and its bytes")
	f.BoolVar(&o.csv, "csv", false, "print CSV, with a header line")
	f.BoolVar(&o.tsv, "tsv", false, "print values separated by tabs, with a header line")
	f.StringSliceVar(&o.fields, "fields", nil, "`columns` of --csv and --tsv: keys of the JSON form, as ja4, carrier.segments or client.name")
	f.StringVar(&o.top, "top", "", "print how often each value of this `field` occurs, the most frequent first")
	f.StringVar(&o.unique, "unique", "", "print one line for each value of this `field`, with count, first and last time and an example; --unique=sni for another field")
	f.Lookup("unique").NoOptDefVal = "ja4"
	f.BoolVar(&o.count, "count", false, "print only how many hellos there are")
	f.IntVar(&o.limit, "limit", 0, "at the most this `number` of lines of --top or --unique; 0 for all")
}

// check reads the flags.
func (o *scanOutput) check() error {
	tables := 0
	for _, set := range []bool{o.top != "", o.unique != "", o.count} {
		if set {
			tables++
		}
	}
	switch {
	case o.csv && o.tsv:
		return errors.New("--csv and --tsv: only one of them")
	case tables > 1:
		return errors.New("--top, --unique and --count: only one of them")
	case len(o.fields) > 0 && (o.top != "" || o.count):
		return errors.New("--fields are those of hellos, and of --unique: not of --top or --count")
	case o.limit < 0 || o.limit > 0 && o.top == "" && o.unique == "":
		return errors.New("--limit wants a number above 0, and --top or --unique")
	case len(o.fields) > 0 && !o.csv:
		o.tsv = true
	}
	for i, name := range o.fields {
		o.fields[i] = strings.TrimSpace(name)
	}
	switch {
	case o.detail:
		o.size = event.Detail
	case o.full:
		o.size = event.Full
	}
	if o.csv || o.tsv {
		names := o.fields
		if len(names) == 0 {
			names = event.DefaultColumns(o.size)
		}
		for _, name := range names {
			c, err := event.ColumnOf(name)
			if err != nil {
				return err
			}
			o.columns = append(o.columns, c)
			if len(o.fields) > 0 {
				o.size = max(o.size, c.Size)
			}
		}
	}
	switch {
	case tables == 0:
		return nil
	case o.count:
		o.table = &scanTable{}
		return nil
	}
	key, err := event.ColumnOf(o.top + o.unique)
	o.size = max(o.size, key.Size)
	o.table = &scanTable{key: key, rows: make(map[string]*scanRow), keep: o.unique != ""}
	return err
}

// namesClients reports whether what is printed has part of what an Observer says
// of the client.
func (o *scanOutput) namesClients() bool {
	if o.columns == nil && (o.table == nil || o.unique != "") {
		return true // whole Events
	}
	names := []string{o.top, o.unique}
	for i := range o.columns {
		names = append(names, o.columns[i].Name)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		name, _, _ = strings.Cut(name, ".")
		return name == "client" || name == "tells" || name == "claim"
	})
}

// begin prints the header.
func (o *scanOutput) begin(w *orderedWriter) {
	if o.table == nil && o.columns != nil {
		w.write(o.appendHeader(nil))
	}
}

// appendHeader appends the names of the columns, after others.
func (o *scanOutput) appendHeader(dst []byte, before ...string) []byte {
	names := before
	for i := range o.columns {
		names = append(names, o.columns[i].Name)
	}
	for i, name := range names {
		dst = o.appendValue(dst, i, name)
	}
	return append(dst, '\n')
}

// appendValue appends the value of column i.
func (o *scanOutput) appendValue(dst []byte, i int, value string) []byte {
	if i > 0 {
		dst = o.separate(dst)
	}
	if o.csv && strings.ContainsAny(value, ",\"\r\n") {
		return append(append(append(dst, '"'), strings.ReplaceAll(value, `"`, `""`)...), '"')
	}
	return append(dst, value...)
}

// separate appends what stands between two values.
func (o *scanOutput) separate(dst []byte) []byte {
	if o.csv {
		return append(dst, ',')
	}
	return append(dst, '\t')
}

// appendRow appends the columns of e.
func (o *scanOutput) appendRow(dst []byte, e *event.Event) []byte {
	begin := len(dst)
	for i := range o.columns {
		dst = o.appendValue(dst, i, o.columns[i].Text(e))
	}
	if o.csv && len(dst) == begin { // readers of CSV pass over empty lines
		dst = append(dst, `""`...)
	}
	return append(dst, '\n')
}

// end prints the table, if there is one, and all that is not yet written.
func (o *scanOutput) end(w *orderedWriter) error {
	if o.table != nil {
		lines, err := o.appendTable(nil)
		if err != nil {
			return err
		}
		w.write(lines)
	}
	return w.finish()
}

// An encoder makes the Events of one file after the other, and prints them.
type encoder struct {
	*scanOutput
	filter   *scanFilter
	file     string
	observer event.Observer
	e        event.Event // of the last hello
	line     []byte
}

func (o *scanOutput) encoder(filter *scanFilter) *encoder {
	return &encoder{scanOutput: o, filter: filter, observer: event.Observer{Clients: o.users, SkipClients: !o.namesClients(), Memo: &o.memo}}
}

// print prints the Event of a hello, or puts it into the table, if the filter
// lets it pass.
func (c *encoder) print(w *turn, h *capture.Hello) (err error) {
	if c.size == event.Compact {
		h.Encapsulation = nil // a compact Event does not show it, and making text of it takes time
	}
	o := h.Observation()
	o.File = c.file
	if c.table == nil && c.columns == nil && !c.filter.wantsEvent() {
		c.line, err = c.observer.AppendJSON(c.line[:0], &o, c.size)
		return c.write(w, err)
	}
	c.observer.Fill(&c.e, &o, c.size)
	switch {
	case !c.filter.matchEvent(&c.e):
		return nil
	case c.table != nil:
		return c.add(&c.e)
	case c.columns != nil:
		c.line = c.appendRow(c.line[:0], &c.e)
		_, err = w.Write(c.line)
		return err
	}
	c.line, err = c.e.AppendJSON(c.line[:0])
	return c.write(w, err)
}

// write writes a line of JSON, which was made with err.
func (c *encoder) write(w *turn, err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	c.line = append(c.line, '\n')
	_, err = w.Write(c.line)
	return err
}
