package output

// TSV has an Event as a row of values with tabs between them, after a row with the
// names of the columns.
var TSV = &Format{
	Name:      "tsv",
	About:     "print values separated by tabs, with a header line",
	separator: '\t',
}
