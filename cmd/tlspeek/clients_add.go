package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/known"
)

// errNoFile is the error of verbs that write a clients file.
var errNoFile = errors.New("--clients FILE is required: the file to add to")

func clientsImportCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "import LIST...",
		Short: "Import clients from public lists into your file",
		Long: `Import clients from lists into the file that --clients names: the JSON of ja4db,
FoxIO's mapping in CSV, SSLBL's JA3 list in CSV, mercury's fingerprint database,
any other CSV with a header that names a column ja3, ja4 or npf, and clients
files. A LIST is a file, or - for standard input.

Such lists have their own licences, and their own errors. Values that are no JA4
or JA3 are skipped and reported. Clients that the file has are not added again.`,
		Example: `  tlspeek clients import --clients mine.jsonl ja4plus-mapping.csv ja3_fingerprints.csv`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if *file == "" {
				return errNoFile
			}
			var entries []known.Entry
			for _, name := range args {
				list, err := importList(name, cmd.InOrStdin())
				if bad := (*known.MalformedError)(nil); errors.As(err, &bad) && len(list) > 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: skipped %d: %v\n", name, bad.N, bad.First)
				} else if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				entries = append(entries, list...)
			}
			return addClients(cmd.ErrOrStderr(), *file, entries)
		},
	}
}

func importList(name string, stdin io.Reader) ([]known.Entry, error) {
	if name == "-" {
		return known.Import(stdin, "standard input")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return known.Import(f, filepath.Base(name))
}

func clientsAddCommand(file *string) *cobra.Command {
	var e known.Entry
	var kind string
	source := helloSource{}
	cmd := &cobra.Command{
		Use:   "add --name NAME HELLO...",
		Short: "Add a client from its hellos",
		Long: `Add a client to the file that --clients names, with the hellos that it sends. A
capture adds all its hellos that differ, unless you choose one by its packet. So
capture that client alone, over several connections, fresh and resumed.

` + helloHelp,
		Example: `  tlspeek clients add --clients mine.jsonl --name "My app" --version 2.1 --kind library app.pcap`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if *file == "" {
				return errNoFile
			}
			if e.Name == "" {
				return errors.New("--name is required: the client that sends these hellos")
			}
			var err error
			if e.Kind, err = parseKind(kind); err != nil {
				return err
			}
			if e.Family == "" {
				e.Family = e.Name
			}
			var entries []known.Entry
			for _, arg := range args {
				hellos, err := entriesOf(cmd, &source, arg)
				if err != nil {
					return err
				}
				for _, h := range hellos {
					h.Name, h.Version, h.Family, h.Library, h.Kind, h.Flags = e.Name, e.Version, e.Family, e.Library, e.Kind, e.Flags
					entries = append(entries, h)
				}
			}
			if entries, err = clientfile.Distinct(entries); err != nil {
				return err
			}
			return addClients(cmd.ErrOrStderr(), *file, entries)
		},
	}
	source.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&e.Name, "name", "", "the client's `name`")
	f.StringVar(&e.Version, "version", "", "the client's `version`")
	f.StringVar(&e.Family, "family", "", "the `family` of clients with hellos made the same way (default: the name)")
	f.StringVar(&e.Library, "library", "", "the client's TLS `library`, with its version")
	f.StringVar(&kind, "kind", "", "the client's `kind`: browser, library, tool, impersonator or proxy")
	suggest(cmd, "kind", "browser", "library", "tool", "impersonator", "proxy", "malware")
	f.StringVar(&e.Flags, "flags", "", "the `settings` with which it sends these hellos")
	return cmd
}

// entriesOf returns entries with the hellos that an argument stands for.
func entriesOf(cmd *cobra.Command, source *helloSource, arg string) ([]known.Entry, error) {
	if source.packet == 0 && isCapture(arg) {
		f, err := os.Open(arg)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return clientfile.FromCapture(cmd.Context(), f, arg)
	}
	h, err := source.read(cmd.Context(), arg, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	return []known.Entry{clientfile.Entry(h.Hello, arg)}, nil
}

// isCapture reports whether the named file can be opened and is a capture.
func isCapture(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	_, _, err = capture.Detect(f)
	return err == nil
}

// addClients adds entries to the file and prints how many were new.
func addClients(stderr io.Writer, file string, entries []known.Entry) error {
	added, err := clientfile.Append(file, entries)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "added %d to %s; skipped %d that it has\n", added, file, len(entries)-added)
	return nil
}
