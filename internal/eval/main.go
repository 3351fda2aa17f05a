// Command eval measures how well package known names clients and finds out
// impersonators, over labelled captures. make eval runs it.
//
// Without a directory the labelled set is the built-in clients themselves, each
// judged without its own version. With one, it is every hello of the captures
// there: manifest.jsonl, expected.jsonl and hellos.jsonl.
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
	verbose := flag.Bool("v", false, "name every error")
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
	return tells(w, all, verbose)
}
