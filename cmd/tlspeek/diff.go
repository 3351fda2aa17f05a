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
)

func diffCommand() *cobra.Command {
	var source helloSource
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two hellos, or two fingerprints, field by field",
		Long: `Compare two hellos, or two fingerprints of one kind: what was added, removed and
moved, and which fingerprints change for it and which do not. A fingerprint may
also be compared with a hello: then the hello's of that kind is taken. Where one
is a digest and the other the text of such a digest, the text is hashed first.

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

func diff(cmd *cobra.Command, source *helloSource, a, b string) (none fingerprint.Difference, err error) {
	var hellos [2]*aHello
	var texts [2]fingerprint.Explanation
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
		return diffHellos(hellos[0], hellos[1]), nil
	case hellos[0] != nil:
		a, err = fingerprintLike(hellos[0], &texts[1])
	case hellos[1] != nil:
		b, err = fingerprintLike(hellos[1], &texts[0])
	}
	if err != nil {
		return none, err
	}
	return fingerprint.DiffTexts(a, b)
}

// diffHellos compares also what the QUIC packets show that brought the hellos.
func diffHellos(a, b *aHello) fingerprint.Difference {
	d := fingerprint.DiffHellos(a.ClientHello, b.ClientHello)
	if a.initial != nil && b.initial != nil {
		d.Fingerprints = append(d.Fingerprints,
			fingerprint.Comparison{
				Name:   "npf",
				Before: fingerprint.NPFQUIC(a.ClientHello, a.initial.Version),
				After:  fingerprint.NPFQUIC(b.ClientHello, b.initial.Version),
			},
			fingerprint.Comparison{
				Name:   "quic_header_id",
				Before: fingerprint.QUICHeaderID(a.initial),
				After:  fingerprint.QUICHeaderID(b.initial),
			})
	}
	return d
}

// fingerprintLike returns the fingerprint of h that is of the kind of text. Where
// two kinds look alike, as JA3 and JA3N do, it is the one that is the same, if
// one is.
func fingerprintLike(h *aHello, text *fingerprint.Explanation) (string, error) {
	var list []string
	switch text.Name {
	case "ja3":
		list = []string{fingerprint.JA3(h.ClientHello), fingerprint.JA3N(h.ClientHello)}
	case "ja3_full":
		list = []string{fingerprint.JA3Full(h.ClientHello)}
	case "ja3n_full":
		list = []string{fingerprint.JA3NFull(h.ClientHello)}
	case "ja4":
		list = []string{fingerprint.JA4(h.ClientHello), fingerprint.JA4O(h.ClientHello)}
	case "ja4_r":
		list = []string{fingerprint.JA4R(h.ClientHello)}
	case "ja4_ro":
		list = []string{fingerprint.JA4RO(h.ClientHello)}
	case "stable":
		list = []string{fingerprint.Stable(h.ClientHello)}
	case "stable_full":
		list = []string{fingerprint.StableFull(h.ClientHello)}
	case "npf":
		list = npfLike(h, text.Text)
	case "tlsfp_id":
		list = []string{fingerprint.TLSFP(h.ClientHello), fingerprint.TLSFPNorm(h.ClientHello), fingerprint.QUICParamsID(h.ClientHello)}
		if h.initial != nil {
			list = append(list, fingerprint.QUICHeaderID(h.initial))
		}
	}
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" })
	switch {
	case len(list) == 0:
		return "", fmt.Errorf("the hello has no fingerprint to compare with %s %q", text.Name, text.Text)
	case slices.Contains(list, text.Text):
		return text.Text, nil
	}
	return list[0], nil
}

// npfLike returns the NPF fingerprint of h that is of the format of text, and
// hashed if text is.
func npfLike(h *aHello, text string) []string {
	list := []string{fingerprint.NPF(h.ClientHello), fingerprint.NPF1(h.ClientHello), fingerprint.NPF2(h.ClientHello)}
	if h.initial != nil {
		list = append(list, fingerprint.NPFQUIC(h.ClientHello, h.initial.Version), fingerprint.NPFQUIC1(h.ClientHello, h.initial.Version))
	}
	format, _, raw := strings.Cut(text, "(")
	if !raw {
		format = text[:strings.LastIndexByte(text, '/')+1]
	}
	for _, npf := range list {
		if f, _, _ := strings.Cut(npf, "("); f == format {
			if !raw {
				npf = fingerprint.NPFHash(npf)
			}
			return []string{npf}
		}
	}
	return nil
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
