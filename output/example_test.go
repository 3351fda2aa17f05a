package output_test

import (
	"fmt"
	"log"
	"os"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

// exampleEvents are Events as an Observer makes them.
func exampleEvents() []event.Event {
	names := []string{"www.example", "api.example"}
	events := make([]event.Event, len(names))
	for i := range events {
		events[i] = event.Event{Transport: "tls", SNI: &names[i], ALPN: []string{"h2", "http/1.1"}, Version: "1.3"}
	}
	return events
}

// Write Events as CSV, with columns of your own.
func ExampleFormat_Open() {
	columns, err := output.ColumnsOf([]string{"transport", "sni", "alpn"})
	if err != nil {
		log.Fatal(err)
	}
	w := output.CSV.Open(os.Stdout, output.Options{Columns: columns})
	w.WriteHeader()
	for _, e := range exampleEvents() {
		w.WriteEvent(&e)
	}
	if err := w.Flush(); err != nil { // also an error of the calls before
		log.Fatal(err)
	}
	// Output:
	// transport,sni,alpn
	// tls,www.example,"h2,http/1.1"
	// tls,api.example,"h2,http/1.1"
}

// Take one value out of an Event, under the name that its JSON form has.
func ExampleColumnOf() {
	column, err := output.ColumnOf("sni")
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range exampleEvents() {
		fmt.Println(column.Text(&e))
	}
	// Output:
	// www.example
	// api.example
}
