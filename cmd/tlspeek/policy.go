package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/helloinput"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/signals"
)

func policyCommand() *cobra.Command {
	var clients string
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check and test rules that say what to do about clients",
		Long: `Check and test a policy: a YAML file with rules that say what to do about a
client, by what an Event has of it. docs/policy.md describes the file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&clients, "clients", "", clientsHelp)
	cmd.AddCommand(
		policyCheckCommand(&clients),
		policyTestCommand(&clients),
		policyExplainCommand(&clients),
		policyReplayCommand(&clients),
		policySchemaCommand(),
	)
	return cmd
}

// captureEvents returns the function that reads the Event of a packet of a capture.
func captureEvents(ctx context.Context, users *known.Database) func(io.Reader, int64) (*event.Event, error) {
	return func(r io.Reader, packet int64) (e *event.Event, err error) {
		observer := event.Observer{Clients: users}
		err = helloinput.FromCapture(ctx, r, packet, func(h *capture.Hello) error {
			o := h.Observation()
			full := observer.Event(&o, event.Full)
			e = &full
			return nil
		})
		return e, err
	}
}

// loadFor loads the policy in a file for a verb. Its tests may be of captures. agg is
// what its rules ask, or nil.
func loadFor(cmd *cobra.Command, name, clients string, agg func(string) (signals.Values, bool)) (*policy.Policy, error) {
	users, err := clientfile.Database(clients)
	if err != nil {
		return nil, err
	}
	p, err := policy.Load(policy.OS(), name, policy.LoadOptions{Agg: agg, Capture: captureEvents(cmd.Context(), users)})
	if err == nil {
		return p, nil
	}
	// Each has its place in a file.
	fmt.Fprintln(cmd.ErrOrStderr(), err)
	return nil, errReported
}

func policyCheckCommand(clients *string) *cobra.Command {
	strict := false
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a policy without running it",
		Long: `Check that a policy and its lists can be read, and that its conditions compile. All
that is wrong is printed, with its place, and the exit status is 1.

Otherwise check prints a line for each rule: its line in the file, name, stage and
action, and the keys that it reads. It warns of rules that can never match, of rules
that are never reached because another one decides before, of values that no key has,
and of lists and certificates that no rule uses.`,
		Example: "  tlspeek policy check policy.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := loadFor(cmd, args[0], *clients, nil)
			if err != nil {
				return err
			}
			if _, err := cmd.OutOrStdout().Write(appendRules(nil, p)); err != nil {
				return err
			}
			warnings := p.Check()
			for _, w := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), warningText(args[0], &w))
			}
			if strict && len(warnings) > 0 {
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with status 1 after a warning")
	return cmd
}

// appendRules appends a table of the rules of p.
func appendRules(dst []byte, p *policy.Policy) []byte {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "line\trule\tstage\tdo\tkeys")
	for r := range p.Rules() {
		do := string(r.Do)
		if r.Mode == policy.Count {
			do += " (count)"
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", r.Line, r.Name, r.StageText(), do, strings.Join(r.Keys(), " "))
	}
	if d := p.Default(); d != nil {
		fmt.Fprintf(table, "\t%s\t%s\t%s\t\n", d.Name, d.StageText(), d.Do)
	}
	table.Flush() // to memory
	for line := range bytes.Lines(b.Bytes()) {
		dst = append(append(dst, bytes.TrimRight(line, " \n")...), '\n')
	}
	return dst
}

// warningText returns the text of a warning about a file.
func warningText(file string, w *policy.Warning) string {
	text := file
	if w.Line > 0 {
		text += fmt.Sprintf(":%d", w.Line)
	}
	text += ": warning: "
	if w.Rule != "" {
		text += "rule " + w.Rule + ": "
	}
	return text + w.Message + w.Source
}

func policyTestCommand(clients *string) *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE",
		Short: "Run the tests of a policy",
		Long: `Run the tests in the file of a policy. Each test is an Event, or a packet of a
capture, and what the policy is expected to say of it. test prints a line for each:
ok, or what differs. The exit status is 1 if one fails.

A server runs them, too, before it uses a new version of the file.`,
		Example: "  tlspeek policy test policy.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := loadFor(cmd, args[0], *clients, nil)
			if err != nil {
				return err
			}
			results, err := p.Test()
			if err != nil {
				return err
			}
			if len(results) == 0 {
				return errors.New(args[0] + " has no tests")
			}
			failed := 0
			for i := range results {
				if !results[i].Passed() {
					failed++
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s:%d: %s\n", args[0], results[i].Line, &results[i]); err != nil {
					return err
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d tests failed", failed, len(results))
			}
			return nil
		},
	}
}

func policySchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a policy's file",
		Long: `Print the JSON Schema (draft 2020-12) of the file of a policy. Editors that read YAML
complete and check with it. With the YAML language server, the first line of a policy
may name it:

  # yaml-language-server: $schema=policy.schema.json`,
		Example: "  tlspeek policy schema > policy.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(policy.Schema())
			return err
		},
	}
}
