package tally_test

import (
	"log"
	"os"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
	"github.com/tlspeek/tlspeek/tally"
)

// exampleEvents are Events as an Observer makes them.
func exampleEvents() []event.Event {
	names := []string{"www.example", "api.example", "www.example"}
	events := make([]event.Event, len(names))
	for i := range events {
		events[i] = event.Event{Time: time.Date(2026, 11, 22, 12, i, 0, 0, time.UTC), Transport: "tls", SNI: &names[i]}
	}
	return events
}

// Count the server names that clients ask for.
func ExampleTop() {
	column, err := output.ColumnOf("sni")
	if err != nil {
		log.Fatal(err)
	}
	top := tally.Top{Column: column}
	for _, e := range exampleEvents() {
		top.Add(&e)
	}
	os.Stdout.Write(top.Append(nil, output.CSV, 10))
	// Output:
	// count,sni
	// 2,www.example
	// 1,api.example
}

// Show the first Event for each server name.
func ExampleUnique() {
	column, err := output.ColumnOf("sni")
	if err != nil {
		log.Fatal(err)
	}
	unique := tally.Unique{Column: column, Format: output.JSONL}
	for _, e := range exampleEvents() {
		if err := unique.Add(&e); err != nil {
			log.Fatal(err)
		}
	}
	lines, err := unique.Append(nil, 0)
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(lines)
	// Output:
	// {"field":"sni","value":"www.example","count":2,"first":"2026-11-22T12:00:00Z","last":"2026-11-22T12:02:00Z","example":{"time":"2026-11-22T12:00:00Z","transport":"tls","sni":"www.example"}}
	// {"field":"sni","value":"api.example","count":1,"first":"2026-11-22T12:01:00Z","last":"2026-11-22T12:01:00Z","example":{"time":"2026-11-22T12:01:00Z","transport":"tls","sni":"api.example"}}
}
