package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/jsonw"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// clientsHelp describes --clients in the help of a verb.
const clientsHelp = "a `file` of your own clients; see tlspeek clients"

func clientsCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "clients",
		Short: "List the known clients, look one up, add your own",
		Long: `List the clients whose hellos tlspeek knows, look up who sends a hello or has a
fingerprint, judge many hellos, and keep a file of your own clients: from lists of
others, from hellos of one client, or from your traffic.

The flag --clients names that file, here and for scan and serve. It has a JSON
object on each line, with name, version, family, library, kind (browser, library,
tool, impersonator, proxy, malware), transport, permutes (its extensions), learned
(the name is a guess, see learn), flags, source, date, and the hello in hex or,
without a hello, its ja3, ja4 or npf. Only name and the hello, or one of these, are
required.

The releases of browsers, by which a claimed version is judged, are known up to
` + known.ReleasesDate + `.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&file, "clients", "", clientsHelp)
	cmd.AddCommand(clientsListCommand(&file), clientsLookupCommand(&file), clientsJudgeCommand(&file), clientsImportCommand(&file), clientsAddCommand(&file), clientsLearnCommand(&file))
	return cmd
}

// plain returns text from a file in a form that is safe to print on a terminal.
func plain(s string) string { return parser.Text([]byte(s)) }

func clientsLookupCommand(file *string) *cobra.Command {
	var ja3, ja4 string
	var asJSON bool
	source := helloSource{}
	cmd := &cobra.Command{
		Use:   "lookup HELLO | JA4 | JA3",
		Short: "Name the clients that send a hello or have a JA4 or JA3",
		Long: `List the clients that may have sent a hello, best first: all clients whose hellos
have its shape, or else the nearest ones, one of each family first, with the
fields that differ. Distances are in thousandths: 0 is the same shape, and 1000
has nothing in common. Then list the hellos of that shape that are known, with the
settings, the source, the date and the doubts of each, and the tells, the signs that
the hello only imitates the client that it looks like. A client is "recorded" if only
others have seen what it sends, and have not published the bytes.

For a JA4 or a JA3, also given as --ja4 or --ja3, list the clients that have this
value. Programs that share a TLS library and its settings share their values.

` + helloHelp,
		Example: `  tlspeek clients lookup capture.pcap:17
  tlspeek clients lookup t13d1516h2_8daaf6152771_02713d6af862`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (ja3 != "" || ja4 != "") {
				return errors.New("give one hello, JA4 or JA3: see tlspeek clients lookup --help")
			}
			if len(args) == 0 {
				return lookupFingerprint(cmd.OutOrStdout(), *file, ja3, ja4, asJSON)
			}
			h, err := source.read(cmd.Context(), args[0], cmd.InOrStdin())
			if errors.Is(err, errNoHello) {
				return lookupText(cmd.OutOrStdout(), *file, args[0], asJSON)
			}
			if err != nil {
				return err
			}
			return lookupHello(cmd.OutOrStdout(), h.Hello, *file, asJSON)
		},
	}
	source.flags(cmd)
	cmd.Flags().StringVar(&ja3, "ja3", "", "the `md5` of a JA3")
	cmd.Flags().StringVar(&ja4, "ja4", "", "a JA4 `fingerprint`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object; for a fingerprint, the lines of a clients file")
	return cmd
}

// lookupText lists the clients that have a fingerprint, whose kind its text tells.
func lookupText(w io.Writer, file, text string, asJSON bool) error {
	e, err := explainText(text)
	switch {
	case err != nil:
		return err
	case e.Name == "ja4":
		return lookupFingerprint(w, file, "", e.Text, asJSON)
	case e.Name == "ja3":
		return lookupFingerprint(w, file, e.Text, "", asJSON)
	}
	return fmt.Errorf("cannot look up clients by %s: give a hello, a JA4 or a JA3; tlspeek explain lists the clients that have it", e.Name)
}

func lookupFingerprint(w io.Writer, file, ja3, ja4 string, asJSON bool) error {
	entries, err := clientfile.WithBuiltin(file)
	if err != nil {
		return err
	}
	kept := entries[:0]
	for _, e := range entries {
		if (ja4 == "" || e.JA4 == ja4) && (ja3 == "" || strings.EqualFold(e.JA3, ja3)) {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		return errors.New("no known client has this fingerprint; give the hello to find the nearest clients")
	}
	return writeEntries(w, kept, asJSON)
}

func lookupHello(w io.Writer, h *parser.ClientHello, file string, asJSON bool) error {
	users, err := clientfile.Database(file)
	if err != nil {
		return err
	}
	m := known.Matcher{Clients: users}
	o := known.Observation{Hello: h, JA3: fingerprint.JA3(h), JA4: fingerprint.JA4(h)}
	candidates := m.AppendCandidates(nil, &o)
	tells := known.AppendTells(nil, &o)
	if known.IsEvidence(tells) {
		known.PreferImitations(candidates)
	}
	records, err := recordsOf(h, file, candidates)
	if err != nil {
		return err
	}
	if asJSON {
		_, err := w.Write(appendLookup(nil, candidates, tells, records))
		return err
	}
	if len(candidates) == 0 {
		fmt.Fprintln(w, "no known client sends anything like it")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(candidates) > 0 {
		fmt.Fprintln(t, "DISTANCE\tNAME\tVERSION\tKIND\tFAMILY\tLIBRARY\tDIFFERS IN")
	}
	for i := range candidates {
		c := &candidates[i]
		differs := "nothing"
		if c.Differs != 0 {
			differs = strings.Join(c.Differs.Names(), ", ")
		}
		name := plain(c.Name)
		if c.Learned {
			name += " (learned)"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Distance, name, plain(c.Version), kindText(c),
			plain(c.Family), plain(c.Library), differs)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(records) > 0 {
		fmt.Fprintln(w)
		if err := writeRecords(w, records); err != nil {
			return err
		}
	}
	for i := range tells {
		l := &tells[i]
		where := l.Field
		if l.Offset > 0 {
			where = fmt.Sprintf("%s at byte %d", l.Field, l.Offset)
		}
		novel := ""
		if l.Novel {
			novel = ", no evidence if a newer version sent it"
		}
		if l.Lead {
			novel = ", a lead and no evidence"
		}
		fmt.Fprintf(w, "\ntell %s: %s%s\n  found:    %s\n  expected: %s\n", l.Name, where, novel, l.Found, l.Expected)
	}
	return nil
}

func appendLookup(dst []byte, candidates []known.Candidate, tells []known.Tell, records []known.Entry) []byte {
	dst = jsonw.List(append(dst, '{'), jsonw.KeyOf("client"), candidates, (*known.Candidate).AppendJSON)
	dst = jsonw.List(dst, jsonw.KeyOf("tells"), tells, (*known.Tell).AppendJSON)
	dst = jsonw.List(dst, jsonw.KeyOf("records"), records, appendRecord)
	return append(dst, "}\n"...)
}
