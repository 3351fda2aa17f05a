package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/captureinput"
	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/signals"
)

func policyReplayCommand(clients *string) *cobra.Command {
	r := new(replay)
	cmd := &cobra.Command{
		Use:   "replay FILE CAPTURE...",
		Short: "Say what a policy would have done about the clients in captures",
		Long: `Replay asks the policy in FILE about each hello in captures, and prints for each rule:
how many hellos its condition is true of, whatever other rules say, as scan --where
would select them and without the tags of other rules (MATCHED); how many it decides (DECIDED); of how many it cannot be
told (ERRORS); the clients of those that matched, the most frequent first; and the
first of those, for policy explain. Limits see the times of the captures, and agg the
hour before each hello. A rule that
is in mode count, or adds tags, decides if no other does.

A CAPTURE is what scan takes: a file, a directory, a pattern, or - for standard input.
Captures have no requests: rules of the stage request see what the hello shows, and
user_agent and the like are empty.`,
		Example: `  tlspeek policy replay policy.yaml captures/
  tlspeek policy replay --json policy.yaml monday.pcap tuesday.pcap.zst`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			database, err := clientfile.Database(*clients)
			if err != nil {
				return err
			}
			p, err := loadFor(cmd, args[0], *clients, r.recent.agg)
			if err != nil {
				return err
			}
			r.events = eventsFor(p, database)
			r.events.skipClients = false // they are told
			if r.asksAgg = usesAgg(p); r.asksAgg {
				r.recent.begin(signals.DefaultMaxBytes)
				r.events.size = event.Full
			}
			r.stdin, r.stdout, r.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return r.run(cmd.Context(), policy.NewReplay(p), args[1:])
		},
	}
	cmd.Flags().BoolVar(&r.json, "json", false, "print one JSON object")
	cmd.Flags().BoolVarP(&r.quiet, "quiet", "q", false, "print neither progress nor summary")
	return cmd
}

// A replay is the replay command with its flags.
type replay struct {
	json, quiet    bool
	events         *policyEvents
	asksAgg        bool          // a rule asks for signals
	recent         recentSignals // which it then asks
	progress       progress
	stdin          io.Reader
	stdout, stderr io.Writer
	stats          capture.Stats
	failed         int
}

func (r *replay) run(ctx context.Context, rules *policy.Replay, paths []string) error {
	files, skipped, failed := captureinput.Expand(paths)
	for _, err := range failed {
		r.report(err)
	}
	r.progress.begin(r.stderr, files, r.quiet)
	r.stderr = r.progress.over(r.stderr)
	begun := 0
	for _, name := range files {
		if ctx.Err() != nil {
			break
		}
		begun++
		stats, err := r.file(ctx, name, func(e *event.Event) error {
			r.progress.hellos.Add(1)
			r.recent.now = e.Time
			rules.Add(e)
			if r.asksAgg {
				r.recent.table.ObserveHello(e)
			}
			return nil
		})
		r.stats.Add(&stats)
		if err != nil && ctx.Err() == nil {
			r.report(err)
		}
	}
	r.progress.end()
	if r.failed > 0 && r.progress.hellos.Load() == 0 {
		return errReported // a table of zeros would say that nothing matched
	}
	if err := r.print(rules); err != nil {
		return err
	}
	if !r.quiet {
		sum := summary{
			stats: r.stats, files: begun, failures: r.failed, skipped: skipped,
			interrupted: ctx.Err() != nil, took: time.Since(r.progress.start),
		}
		sum.write(r.stderr)
	}
	if r.failed > 0 || ctx.Err() != nil {
		return errReported
	}
	return nil
}

func (r *replay) report(err error) {
	r.failed++
	fmt.Fprintln(r.stderr, "tlspeek:", err)
}

func (r *replay) file(ctx context.Context, name string, each func(*event.Event) error) (capture.Stats, error) {
	in, shown := r.stdin, "standard input"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return capture.Stats{}, err
		}
		defer f.Close()
		in, shown = f, name
	}
	stats, err := r.events.read(ctx, name, &countingReader{in, &r.progress}, each)
	if err != nil {
		err = fmt.Errorf("%s: %w", shown, err)
	}
	return stats, err
}

// maxReplayNames is how many clients of a rule are told in the table, and in JSON.
const (
	maxReplayNames     = 3
	maxReplayNamesJSON = 10
)

func (r *replay) print(rules *policy.Replay) error {
	if r.json {
		enc := json.NewEncoder(r.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(rules.Result(maxReplayNamesJSON))
	}
	result := rules.Result(maxReplayNames)
	t := tabwriter.NewWriter(r.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tSTAGE\tDO\tMATCHED\tDECIDED\tERRORS\tEXAMPLE\tCLIENTS")
	for i := range result.Rules {
		c := &result.Rules[i]
		var clients []string
		for _, n := range c.Clients {
			clients = append(clients, fmt.Sprintf("%s %d", plain(n.Name), n.Hellos))
		}
		do := string(c.Do)
		if c.Mode == policy.Count {
			do += " (count)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", c.Rule, c.Stage, do, c.Matched, c.Decided, c.Errors, orDash(c.Example), orDash(strings.Join(clients, ", ")))
	}
	fmt.Fprintf(t, "(no rule)\t-\t-\t-\t%d\t-\t-\t-\n", result.Undecided)
	err := t.Flush()
	for i := range result.Rules {
		c := &result.Rules[i]
		if c.Error != "" {
			err = errors.Join(err, printf(r.stdout, "%s: the first error is of %s: %s\n", c.Rule, c.ErrorExample, printable(c.Error)))
		}
		if len(c.Empty) > 0 {
			err = errors.Join(err, printf(r.stdout, "%s: captures do not have %s: empty in each hello\n", c.Rule, strings.Join(slices.Compact(c.Empty), ", ")))
		}
	}
	return err
}

func printf(w io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintf(w, format, args...)
	return err
}
