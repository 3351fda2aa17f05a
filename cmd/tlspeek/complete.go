package main

import (
	"reflect"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/event"
)

// suggest has shells complete a flag of cmd with values.
func suggest(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // there is no such flag
	}
}

// fieldNames returns what columnOf takes: the fields of an Event, and those of
// the structs in it, but for the tree of the hello.
func fieldNames() []string { return appendFieldNames(nil, "", reflect.TypeFor[event.Event]()) }

func appendFieldNames(dst []string, before string, t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return dst
	}
	for i := range t.NumField() {
		if name := jsonName(t.Field(i)); name != "" {
			dst = append(dst, before+name)
			dst = appendFieldNames(dst, before+name+".", t.Field(i).Type)
		}
	}
	return dst
}
