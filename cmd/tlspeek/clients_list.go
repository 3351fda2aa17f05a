package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/jsonw"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

func clientsListCommand(file *string) *cobra.Command {
	var family, kind, name string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [NAME]",
		Short: "List the known clients",
		Long: `List the known clients, with a line for each hello: its settings where they are not
the default, and its source and date. Behind the source of hellos that others
published stands capture (of the bytes), recorded (what they are made of) or reported
(values that a user published), and what is not certain of them.

NAME, also given as --name, is a part of the name, or another name of the client:
chrome, edge, opera and brave are Chromium, as far as hellos go. Of several words each must be in a name,
the version, the settings or the transport: "safari ios", "chrome quic".`,
		Example: `  tlspeek clients list chrome
  tlspeek clients list --family Chromium
  tlspeek clients list --json --name curl > curl.jsonl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if name != "" {
					return errors.New("give one name: as an argument or as --name")
				}
				name = args[0]
			}
			if _, err := parseKind(kind); err != nil {
				return err
			}
			entries, err := clientfile.WithBuiltin(*file)
			if err != nil {
				return err
			}
			kept := entries[:0]
			for _, e := range entries {
				if contains(e.Family, family) && isNamed(&e, name) && (kind == "" || e.Kind.String() == kind) {
					kept = append(kept, e)
				}
			}
			return writeEntries(cmd.OutOrStdout(), kept, asJSON)
		},
	}
	cmd.Flags().StringVar(&family, "family", "", "only families whose `name` contains this")
	cmd.Flags().StringVar(&name, "name", "", "only clients whose `name` contains this, also by other names: chrome, edge, safari")
	cmd.Flags().StringVar(&kind, "kind", "", "only this `kind`: browser, library, tool, impersonator or proxy")
	suggest(cmd, "kind", "browser", "library", "tool", "impersonator", "proxy", "malware")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the lines of a clients file, with the hellos")
	return cmd
}

// otherNames are the names under which a client is looked for, by a part of its own: the
// brands of a browser, and the systems that it runs on.
var otherNames = [...]struct{ name, others string }{
	{"chromium", "google chrome, microsoft edge, msedge, opera, brave, vivaldi, samsung internet, headless, electron, webview, android"},
	{"qtwebengine", "chromium, chrome"},
	{"chrome on ios", "safari, webkit"},
	{"safari", "webkit, ios, iphone, ipad, macos, apple"},
	{"apple", "safari, webkit, ios, iphone, ipad, macos"},
	{"webkitgtk", "epiphany, gnome web"},
	{"firefox", "mozilla, gecko, tor browser, librewolf"},
	{"schannel", "windows, internet explorer"},
	{"node", "nodejs, node.js"},
	{"go ", "golang"},
	{"java", "jdk, jsse"},
	{"openssl", "s_client"},
}

// isNamed reports whether name is part of the name of e or one of its other names. Of
// several words, one must be in these, and each in these, in the settings, in the version
// or in the transport.
func isNamed(e *known.Entry, name string) bool {
	own := strings.ToLower(e.Name)
	name = strings.ToLower(name)
	if strings.Contains(own, name) {
		return true
	}
	names := own
	for _, o := range otherNames {
		if e.Kind != known.KindImpersonator && strings.Contains(own+" ", o.name) {
			names += ", " + o.others
		}
	}
	settings := strings.ToLower(e.Flags + " " + e.Version + " " + e.Transport)
	found := false
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r == '_' || r == '-' }) {
		switch {
		case strings.Contains(names, word):
			found = true
		case !strings.Contains(settings, word):
			return false
		}
	}
	return found
}

// parseKind returns the kind with a name, which may be empty for none.
func parseKind(name string) (known.Kind, error) {
	kind := known.ParseKind(name)
	if name != "" && kind.String() != name {
		return kind, fmt.Errorf("--kind %q: must be browser, library, tool, impersonator, proxy, malware or other", name)
	}
	return kind, nil
}

// contains reports whether s contains part, whatever the case of either.
func contains(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

func writeEntries(w io.Writer, entries []known.Entry, asJSON bool) error {
	if asJSON {
		var b []byte
		var err error
		for i := range entries {
			if b, err = entries[i].AppendLine(b); err != nil {
				return err
			}
		}
		_, err = w.Write(b)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tVERSION\tKIND\tFAMILY\tLIBRARY\tOVER\tFINGERPRINT\tDATE\tSOURCE\tFLAGS")
	for i := range entries {
		e := &entries[i]
		over, print := e.Transport, e.JA4
		if over == "" {
			over = "tls"
		}
		if print == "" {
			print = e.JA3
		}
		if print == "" {
			print = e.NPF
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", plain(e.Name), plain(e.Version), e.Kind, plain(e.Family), plain(e.Library), over, plain(print),
			orDash(plain(e.Date)), sourceText(e), settings(e))
	}
	return t.Flush()
}

// orDash returns s, or a dash if it is empty.
func orDash(s string) string { return cmp.Or(s, "-") }

// settings returns the settings of e, or a dash if there are none.
func settings(e *known.Entry) string {
	text := plain(e.Flags)
	if e.Learned {
		text = strings.TrimSpace(text + " learned")
	}
	return orDash(text)
}

// sourceText returns where a hello is from, how others recorded it, and what is not
// certain of it.
func sourceText(e *known.Entry) string {
	text := e.Source
	if e.Grade != "" {
		text += "; " + e.Grade
	}
	if e.Doubt != "" {
		text += "; " + e.Doubt
	}
	return plain(text)
}

// kindText returns the kind of a candidate, and whether it is known only from records.
func kindText(c *known.Candidate) string {
	if c.Recorded {
		return c.Kind.String() + ", recorded"
	}
	return c.Kind.String()
}

// recordsOf returns the known hellos that have the shape of h, of the candidates at
// distance 0.
func recordsOf(h *parser.ClientHello, file string, candidates []known.Candidate) ([]known.Entry, error) {
	exact := make(map[string]bool) // by name
	for i := range candidates {
		if candidates[i].Distance == 0 {
			exact[candidates[i].Name] = true
		}
	}
	if len(exact) == 0 {
		return nil, nil
	}
	entries, err := clientfile.WithBuiltin(file)
	if err != nil {
		return nil, err
	}
	var records []known.Entry
	for i := range entries {
		if e := &entries[i]; exact[e.Name] && (e.Hello != "" || e.IsRecorded()) {
			db, err := known.NewDatabase(entries[i : i+1])
			if err != nil {
				return nil, err
			}
			m := known.Matcher{Database: db}
			if found := m.AppendCandidates(nil, &known.Observation{Hello: h}); len(found) > 0 && found[0].Distance == 0 {
				records = append(records, *e)
			}
		}
	}
	return records, nil
}

// writeRecords writes where known hellos are from.
func writeRecords(w io.Writer, records []known.Entry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KNOWN FROM\tVERSION\tDATE\tSOURCE\tFLAGS")
	for i := range records {
		e := &records[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", plain(e.Name), plain(e.Version), orDash(plain(e.Date)), sourceText(e), settings(e))
	}
	return t.Flush()
}

// appendRecord appends what writeRecords writes of e, as JSON.
func appendRecord(e *known.Entry, dst []byte) []byte {
	dst = append(dst, '{')
	for _, f := range [...]struct{ key, text string }{
		{"name", e.Name}, {"version", e.Version}, {"flags", e.Flags}, {"source", e.Source}, {"date", e.Date},
		{"os", e.OS}, {"grade", e.Grade}, {"evidence", e.Evidence}, {"doubt", e.Doubt},
	} {
		if f.text != "" {
			dst = jsonw.KeyOf(f.key).Quoted(dst, f.text)
		}
	}
	return append(dst, '}')
}
