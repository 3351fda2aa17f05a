package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
)

// errNoFile is for verbs that write a clients file.
var errNoFile = errors.New("say with --clients which file they go to")

func clientsImportCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "import LIST...",
		Short: "Take clients from lists of others into your file",
		Long: `Take clients from lists of others into the file that --clients names: JSON as
ja4db has it, FoxIO's mapping in CSV, SSLBL's JA3 list in CSV, mercury's
fingerprint database, any other CSV with a header that names a column ja3, ja4 or
npf, and clients files. A LIST is a file, or - for standard input.

Such lists have their own licences, and their own errors: what is no JA4 or JA3
is passed over, and told. What is in the file already is not added again.`,
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
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: passed over %d: %v\n", name, bad.N, bad.First)
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
		Long: `Add a client to the file that --clients names, with the hellos that it sends. Of
a capture all hellos are taken that differ, unless one is chosen by its packet;
so capture that client alone, over several connections, fresh and resumed.

` + helloHelp,
		Example: `  tlspeek clients add --clients mine.jsonl --name "My app" --version 2.1 --kind library app.pcap`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if *file == "" {
				return errNoFile
			}
			if e.Name == "" {
				return errors.New("say with --name whose hellos these are")
			}
			if e.Kind = known.ParseKind(kind); kind != "" && e.Kind.String() != kind {
				return errKind(kind)
			}
			if e.Family == "" {
				e.Family = e.Name
			}
			var entries []known.Entry
			for _, arg := range args {
				hellos, err := learn(cmd, &source, arg)
				if err != nil {
					return err
				}
				for _, h := range hellos {
					h.Name, h.Version, h.Family, h.Library, h.Kind, h.Flags = e.Name, e.Version, e.Family, e.Library, e.Kind, e.Flags
					entries = append(entries, h)
				}
			}
			entries, err := distinctHellos(entries)
			if err != nil {
				return err
			}
			return addClients(cmd.ErrOrStderr(), *file, entries)
		},
	}
	source.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&e.Name, "name", "", "its `name`")
	f.StringVar(&e.Version, "version", "", "its `version`")
	f.StringVar(&e.Family, "family", "", "the `family` of clients that make their hellos the same way (default: its name)")
	f.StringVar(&e.Library, "library", "", "its TLS `library`, with the version")
	f.StringVar(&kind, "kind", "", "its `kind`: browser, library, tool or impersonator")
	suggest(cmd, "kind", "browser", "library", "tool", "impersonator")
	f.StringVar(&e.Flags, "flags", "", "the `settings` under which it sends this")
	return cmd
}

// learn returns entries with the hellos that an argument means, and nothing
// else but where they are from.
func learn(cmd *cobra.Command, source *helloSource, arg string) ([]known.Entry, error) {
	if source.packet == 0 && isCapture(arg) {
		f, err := os.Open(arg)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return learnCapture(cmd, f, arg)
	}
	h, err := source.read(cmd.Context(), arg, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	return []known.Entry{{Transport: h.Hello.Transport.String(), Hello: hex.EncodeToString(h.Hello.Raw), Source: filepath.Base(arg)}}, nil
}

// isCapture reports whether a file can be opened and begins as a capture.
func isCapture(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	_, _, err = capture.Detect(f)
	return err == nil
}

func learnCapture(cmd *cobra.Command, r io.Reader, name string) ([]known.Entry, error) {
	var entries []known.Entry
	_, err := capture.Read(cmd.Context(), r, func(h *capture.Hello) error {
		if h.Err == nil && h.Index < 2 && !h.ClientHello.SSLv2 {
			entries = append(entries, known.Entry{
				Transport: h.Transport.String(),
				Hello:     hex.EncodeToString(h.ClientHello.Raw),
				Source:    filepath.Base(name),
				Date:      h.Time.Format(time.DateOnly),
			})
		}
		return nil
	})
	if err == nil && len(entries) == 0 {
		err = errors.New("no hello in this capture")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return entries, nil
}

// distinctHellos leaves one entry of those that differ in nothing that is of
// their client: those of one JA3N, JA4 and resumption. Where they were in
// different orders of extensions, the client permutes them.
func distinctHellos(entries []known.Entry) ([]known.Entry, error) {
	type id struct{ transport, ja3n, ja4, session string }
	first := make(map[id]int)
	var kept []known.Entry
	var orders []string
	for _, e := range entries {
		h, err := e.ParseHello()
		if err != nil {
			return nil, err
		}
		k := id{e.Transport, fingerprint.JA3N(h), fingerprint.JA4(h), fingerprint.SessionOf(h).String()}
		i, ok := first[k]
		if !ok {
			first[k] = len(kept)
			kept, orders = append(kept, e), append(orders, fingerprint.JA3(h))
			continue
		}
		if orders[i] != fingerprint.JA3(h) {
			kept[i].Permutes = true
		}
	}
	// What permutes in one hello does so in all.
	if slices.ContainsFunc(kept, func(e known.Entry) bool { return e.Permutes }) {
		for i := range kept {
			kept[i].Permutes = true
		}
	}
	for i := range kept {
		if err := kept[i].Fingerprint(); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// endsLine reports whether a file is empty, or ends with a line feed, as not
// every editor has it.
func endsLine(f *os.File) bool {
	var last [1]byte
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return true
	}
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err != nil || last[0] == '\n'
}

// addClients appends to the file those of the entries that are not in it.
func addClients(stderr io.Writer, file string, entries []known.Entry) error {
	have, err := readClients(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	type id struct{ name, version, flags, ja3, ja4, npf string }
	idOf := func(e *known.Entry) id { return id{e.Name, e.Version, e.Flags, e.JA3, e.JA4, e.NPF} }
	seen := make(map[id]bool)
	for i := range have {
		seen[idOf(&have[i])] = true
	}
	var lines []byte
	n := 0
	for i := range entries {
		e := &entries[i]
		if seen[idOf(e)] {
			continue
		}
		seen[idOf(e)] = true
		if lines, err = e.AppendLine(lines); err != nil {
			return err
		}
		n++
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if n > 0 && !endsLine(f) {
		lines = append([]byte{'\n'}, lines...)
	}
	if _, err := f.Write(lines); err != nil {
		f.Close()
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	fmt.Fprintf(stderr, "%d added to %s, %d were there\n", n, file, len(entries)-n)
	return nil
}
