// Command eval measures how well package known identifies clients and impersonators,
// over hellos whose senders are known. make eval runs it.
//
// With -dir, the hellos are those of the captures in that directory, which
// manifest.jsonl, expected.jsonl and hellos.jsonl describe. Without it, they are those
// of the built-in clients.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/tlspeek/tlspeek/known"
)

func main() {
	dir := flag.String("dir", "", "directory of labelled captures")
	verbose := flag.Bool("v", false, "list every wrong result")
	flag.Parse()
	if err := run(os.Stdout, *dir, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, dir string, verbose bool) error {
	entries, err := known.BuiltinEntries()
	if err != nil {
		return err
	}
	var all []labelled
	if dir == "" {
		all, err = fromEntries(entries)
	} else {
		all, err = fromCaptures(dir, entries)
	}
	if err != nil {
		return err
	}
	if err := families(w, all, entries, verbose); err != nil {
		return err
	}
	if err := holdOut(w, entries, verbose); err != nil {
		return err
	}
	tells(w, all, verbose)
	return nil
}
