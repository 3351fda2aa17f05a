package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
)

func diffCommand() *cobra.Command {
	var source helloSource
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two hellos, or two fingerprints, field by field",
		Long: `Compare two hellos, or two fingerprints of one kind: the values that were added,
removed and moved, the fingerprints that change, and those that do not. If A or B
is a hello and the other a fingerprint, diff compares the hello's fingerprint of
that kind. If one is a digest and the other the text of such a digest, diff hashes
the text first. Of two JA4 or two JA3, diff compares the lists that were hashed, if
known clients have them.

All GREASE values count as equal. Random and key material, which differ on each
connection, are compared by length only.

` + helloHelp,
		Example: `  tlspeek diff capture.pcap:17 capture.pcap:52
  tlspeek diff t13d1516h2_8daaf6152771_e5627efa2ab1 t13d1516h2_8daaf6152771_02713d6af862`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := diffArgs(cmd, &source, args[0], args[1])
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetEscapeHTML(false)
				return e.Encode(d)
			}
			var b strings.Builder
			writeDifference(&b, &d)
			_, err = io.WriteString(cmd.OutOrStdout(), b.String())
			return err
		},
	}
	source.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func diffArgs(cmd *cobra.Command, source *helloSource, a, b string) (none explain.Difference, err error) {
	var hellos [2]*fingerprint.Input
	var texts [2]explain.Explanation
	for i, arg := range []string{a, b} {
		hellos[i], err = source.read(cmd.Context(), arg, cmd.InOrStdin())
		if errors.Is(err, errNoHello) {
			texts[i], err = explainText(arg)
		}
		if err != nil {
			return none, err
		}
	}
	switch {
	case hellos[0] != nil && hellos[1] != nil:
		return explain.Diff(hellos[0], hellos[1]), nil
	case hellos[0] != nil:
		a, err = texts[1].Counterpart(hellos[0])
	case hellos[1] != nil:
		b, err = texts[0].Counterpart(hellos[1])
	}
	if err != nil {
		return none, err
	}
	samples, err := builtinSamples()
	if err != nil {
		return none, err
	}
	for _, h := range hellos {
		if h != nil {
			samples = append(samples, explain.Sample{Input: *h})
		}
	}
	return explain.DiffKnown(a, b, slices.Values(samples))
}

// writeDifference writes d as text.
func writeDifference(b *strings.Builder, d *explain.Difference) {
	field := ""
	for _, c := range d.Changes {
		if c.Field != field {
			field = c.Field
			fmt.Fprintf(b, "%s\n", field)
		}
		_, what, _ := strings.Cut(c.String(), ": ")
		fmt.Fprintf(b, "  %s\n", what)
	}
	if len(d.Changes) == 0 {
		b.WriteString("no difference\n")
	}
	for _, same := range []bool{false, true} {
		first := true
		for _, f := range d.Fingerprints {
			if f.Same() != same {
				continue
			}
			if first {
				b.WriteString(map[bool]string{false: "\nchanged\n", true: "\nthe same\n"}[same])
				first = false
			}
			if same {
				fmt.Fprintf(b, "  %-13s  %s\n", f.Name, f.After)
			} else {
				fmt.Fprintf(b, "  %-13s  %s\n  %-13s  %s\n", f.Name, orNone(f.Before), "", orNone(f.After))
			}
		}
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
