package main

import (
	"encoding/csv"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// list is the value of a flag that may be given several times, and that takes several texts
// at once, separated by commas or newlines. Unlike StringSliceVar it loses none after a
// newline, of which files of variables and YAML have many.
type list struct{ texts *[]string }

var _ pflag.SliceValue = list{}

// listVar adds a flag for a list of texts.
func listVar(flags *pflag.FlagSet, texts *[]string, name, usage string) {
	flags.Var(list{texts}, name, usage)
}

// Set adds the texts in value, without the spaces around them. A comma in double quotes
// does not separate, as in CSV.
func (l list) Set(value string) error {
	r := csv.NewReader(strings.NewReader(value))
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	for {
		record, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, text := range record {
			if text = strings.TrimSpace(text); text != "" {
				*l.texts = append(*l.texts, text)
			}
		}
	}
}

// Type returns the name of the type, by which shells know that the flag may be repeated.
func (l list) Type() string { return "stringSlice" }

// String returns the texts as Set takes them.
func (l list) String() string {
	if l.texts == nil {
		return ""
	}
	return strings.Join(*l.texts, ",")
}

// Append adds one text.
func (l list) Append(text string) error {
	*l.texts = append(*l.texts, text)
	return nil
}

// Replace sets all texts.
func (l list) Replace(texts []string) error {
	*l.texts = texts
	return nil
}

// GetSlice returns the texts.
func (l list) GetSlice() []string { return *l.texts }
