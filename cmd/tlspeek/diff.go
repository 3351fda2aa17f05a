package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/fingerprint"
)

func diffCommand() *cobra.Command {
	var source helloSource
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two hellos, or two fingerprints, field by field",
		Long: `Compare two hellos, or two fingerprints of one kind: what was added, removed and
moved, and which fingerprints change for it and which do not. A fingerprint may
also be compared with a hello: then the hello's of that kind is taken.

All GREASE values count as one. Random and key material, which differ on each
connection, are compared by their lengths only.

` + helloHelp,
		Example: `  tlspeek diff capture.pcap:17 capture.pcap:52
  tlspeek diff t13d1516h2_8daaf6152771_e5627efa2ab1 t13d1516h2_8daaf6152771_02713d6af862`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := diff(cmd, &source, args[0], args[1])
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func diff(cmd *cobra.Command, source *helloSource, a, b string) (fingerprint.Difference, error) {
	var hellos [2]*aHello
	for i, arg := range []string{a, b} {
		h, err := source.read(cmd.Context(), arg, cmd.InOrStdin())
		if err != nil && !errors.Is(err, errNoHello) {
			return fingerprint.Difference{}, err
		}
		hellos[i] = h
	}
	switch {
	case hellos[0] != nil && hellos[1] != nil:
		return fingerprint.DiffHellos(hellos[0].ClientHello, hellos[1].ClientHello), nil
	case hellos[0] != nil:
		text, err := fingerprintLike(hellos[0], b)
		if err != nil {
			return fingerprint.Difference{}, err
		}
		return fingerprint.DiffTexts(text, b)
	case hellos[1] != nil:
		text, err := fingerprintLike(hellos[1], a)
		if err != nil {
			return fingerprint.Difference{}, err
		}
		return fingerprint.DiffTexts(a, text)
	}
	return fingerprint.DiffTexts(a, b)
}

// fingerprintLike returns the fingerprint of h that is of the kind of text.
func fingerprintLike(h *aHello, text string) (string, error) {
	e, err := fingerprint.Explain(text)
	if err != nil {
		return "", err
	}
	switch e.Name {
	case "ja3":
		return fingerprint.JA3(h.ClientHello), nil
	case "ja3_full":
		return fingerprint.JA3Full(h.ClientHello), nil
	case "ja3n_full":
		return fingerprint.JA3NFull(h.ClientHello), nil
	case "ja4":
		return fingerprint.JA4(h.ClientHello), nil
	case "ja4_r":
		return fingerprint.JA4R(h.ClientHello), nil
	case "ja4_ro":
		return fingerprint.JA4RO(h.ClientHello), nil
	case "stable":
		return fingerprint.Stable(h.ClientHello), nil
	case "stable_full":
		return fingerprint.StableFull(h.ClientHello), nil
	case "tlsfp_id":
		return fingerprint.TLSFP(h.ClientHello), nil
	}
	return "", fmt.Errorf("a hello has no fingerprint to compare with %s %q", e.Name, text)
}

// writeDifference writes d for people.
func writeDifference(b *strings.Builder, d *fingerprint.Difference) {
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
