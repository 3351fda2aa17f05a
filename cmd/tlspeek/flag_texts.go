package main

import (
	"encoding/csv"
	"strings"
)

// texts is the value of a flag that may be given several times, or with commas between
// values. Unlike that of StringSliceVar it keeps an empty text.
type texts []string

// Set adds the texts in value.
func (t *texts) Set(value string) error {
	if value == "" {
		*t = append(*t, "")
		return nil
	}
	list, err := csv.NewReader(strings.NewReader(value)).Read()
	*t = append(*t, list...)
	return err
}

// Type returns the name of the type, by which shells know that the flag may be repeated.
func (t *texts) Type() string { return "stringSlice" }

// String returns the texts as Set takes them.
func (t *texts) String() string { return strings.Join(*t, ",") }
