package main

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/output"
)

// countBy has the tables of --top and --unique count by the fields that were asked for.
func (o *scanOutput) countBy() error {
	if o.top == "" && o.unique == "" {
		return nil
	}
	names := strings.Split(o.top+o.unique, ",")
	columns := make([]output.Column, len(names))
	for i, name := range names {
		var err error
		if columns[i], err = output.BestColumnOf(strings.TrimSpace(name)); err != nil {
			flag := "--top"
			if o.unique != "" {
				flag = "--unique"
			}
			return fieldError(flag, names, err)
		}
		o.options.Size = max(o.options.Size, columns[i].Size)
	}
	if o.unique != "" && len(columns) > 1 {
		return fmt.Errorf("--unique=%s: give one field; --top counts combinations of several", o.unique)
	}
	o.topTable.Column, o.topTable.With = columns[0], columns[1:]
	o.uniqueTable.Column, o.uniqueTable.Format, o.uniqueTable.Columns = columns[0], o.format, o.options.Columns
	return nil
}

// countNeedsClients reports whether the table of --top or --unique shows who sent a
// hello.
func (o *scanOutput) countNeedsClients() bool {
	needs := o.topTable.Column.NeedsClients()
	for i := range o.topTable.With {
		needs = needs || o.topTable.With[i].NeedsClients()
	}
	return needs
}
