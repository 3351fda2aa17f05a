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
	"github.com/tlspeek/tlspeek/known"
)

func explainCommand() *cobra.Command {
	var source helloSource
	var asJSON, names bool
	cmd := &cobra.Command{
		Use:   "explain FINGERPRINT | HELLO",
		Short: "Explain a fingerprint part by part",
		Long: `Explain a fingerprint, or all fingerprints of a hello.

For a fingerprint alone (JA3 or its text, JA4 in any form, NPF, HTTP/2 in Akamai's
format, the stable form) it prints the meaning of each part, the known clients that
have it and, if a known client has the same digest, the text that was hashed. For a
hello it always prints the exact text that was hashed, the digest, and what other
tools print if they are known to differ, and why.

` + helloHelp,
		Example: `  tlspeek explain t13d1516h2_8daaf6152771_e5627efa2ab1
  tlspeek explain '1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p'
  tlspeek explain capture.pcap:17`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := explainArg(cmd, &source, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetEscapeHTML(false)
				for i := range list {
					if err := e.Encode(&list[i]); err != nil {
						return err
					}
				}
				return nil
			}
			var b strings.Builder
			for i := range list {
				if i > 0 {
					b.WriteByte('\n')
				}
				writeExplanation(&b, &list[i], names || len(list) == 1)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), b.String())
			return err
		},
	}
	source.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON objects, one per line")
	cmd.Flags().BoolVar(&names, "names", false, "name each value of each list, also for a hello")
	return cmd
}

func explainArg(cmd *cobra.Command, source *helloSource, arg string) ([]explain.Explanation, error) {
	h, err := source.read(cmd.Context(), arg, cmd.InOrStdin())
	if err == nil {
		return explain.Hello(h.Hello, h.QUIC), nil
	}
	if !errors.Is(err, errNoHello) {
		return nil, err
	}
	e, err := explainText(arg)
	if err != nil {
		return nil, err
	}
	samples, err := builtinSamples()
	if err != nil {
		return nil, err
	}
	e.AddSamples(slices.Values(samples))
	return []explain.Explanation{e}, nil
}

// explainText explains an argument that is no hello.
func explainText(arg string) (explain.Explanation, error) {
	e, err := explain.Text(arg)
	if err != nil {
		err = fmt.Errorf("%w; nor is it a file or the hex of a hello", err)
	}
	return e, err
}

// builtinSamples returns the built-in clients.
func builtinSamples() ([]explain.Sample, error) {
	entries, err := known.BuiltinEntries()
	if err != nil {
		return nil, err
	}
	samples := make([]explain.Sample, len(entries))
	for i := range entries {
		e := &entries[i]
		h, err := e.ModelHello()
		if err != nil {
			return nil, err
		}
		version := e.Version
		if e.IsRecorded() {
			version = strings.TrimSpace(version + " (recorded)")
		}
		samples[i] = explain.Sample{
			Client: e.Name, Version: version,
			Input:        fingerprint.Input{Hello: h, HTTP2: e.HTTP2},
			Fingerprints: []string{e.JA3, e.JA4, e.NPF},
		}
	}
	for _, x := range known.HTTP3Texts() {
		samples = append(samples, explain.Sample{Client: x.Name, Version: x.Version, Input: fingerprint.Input{HTTP3: x.Text, HTTP3Wire: x.Wire}})
	}
	return samples, nil
}

// writeExplanation writes e as text.
func writeExplanation(b *strings.Builder, e *explain.Explanation, names bool) {
	fmt.Fprintf(b, "%s  %s\n", e.Name, e.Text)
	width := 0
	for i := range e.Parts {
		if n := len(label(&e.Parts[i])); n <= len("signature_algorithms_list") { // longer ones are digests and HTTP/2 lists
			width = max(width, n)
		}
	}
	for i := range e.Parts {
		p := &e.Parts[i]
		fmt.Fprintf(b, "  %-*s  %s\n", width, label(p), p.Meaning)
		if names {
			values := 0
			for _, v := range p.Values {
				values = max(values, len(v.Text))
			}
			for _, v := range p.Values {
				fmt.Fprintf(b, "  %*s    %s\n", width, "", strings.TrimRight(fmt.Sprintf("%-*s  %s", values, v.Text, v.Name), " "))
			}
		}
		if p.Hashed != "" {
			fmt.Fprintf(b, "  %*s  of    %s\n", width, "", p.Hashed)
			fmt.Fprintf(b, "  %*s  is    %s\n", width, "", p.Digest)
		}
	}
	for _, d := range e.Deviations {
		fmt.Fprintf(b, "  elsewhere  %s  %s\n             %s (%s)\n", d.Text, d.Tools, d.Name, d.Why)
	}
	for _, c := range e.Clients {
		fmt.Fprintf(b, "  seen from  %s\n", strings.TrimSpace(c.Name+" "+strings.Join(c.Versions, ", ")))
	}
	for _, n := range e.Notes {
		fmt.Fprintf(b, "  note       %s\n", n)
	}
}

// label returns the text of a part, or the name of a part that is a list.
func label(p *explain.Part) string {
	if len(p.Values) > 0 || p.Text == "" {
		return p.Name
	}
	return p.Text
}
