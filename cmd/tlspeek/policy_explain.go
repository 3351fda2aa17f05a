package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/policy"
)

// explainTimeout is how long the explanation of one Event may take. Conditions of a
// policy end sooner; all of their parts together may not.
const explainTimeout = 10 * time.Second

func policyExplainCommand(clients *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain FILE EVENT",
		Short: "Say why each rule of a policy matches an Event or not",
		Long: `Explain asks each rule of the policy in FILE about an Event, also those behind the
rule that decides, and prints whether its condition is true, with the value of each
part. A rule sees the tags of those before it.

EVENT is a file with Events in JSON, as scan and serve print them; - for standard
input; or capture.pcap:17, the hello that packet 17 of a capture completed. Rules that
read keys of full Events need those: scan --full.

The verdict at the end is that for the first time such a client comes: a limit is not
reached.`,
		Example: `  tlspeek policy explain policy.yaml capture.pcap:17
  tlspeek scan --full capture.pcap | tlspeek policy explain policy.yaml -`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			database, err := clientfile.Database(*clients)
			if err != nil {
				return err
			}
			p, err := loadFor(cmd, args[0], *clients, nil)
			if err != nil {
				return err
			}
			if usesAgg(p) {
				fmt.Fprintln(cmd.ErrOrStderr(), "tlspeek: an Event alone has no signals: agg is 0 in all rules")
			}
			x := policyExplainer{policy: p, json: asJSON}
			return eventsFor(p, database).argument(cmd.Context(), args[1], cmd.InOrStdin(), func(e *event.Event) error {
				if x.events > 0 && !asJSON {
					x.out.WriteByte('\n')
				}
				err := x.explain(cmd.Context(), e)
				if err == nil {
					_, err = cmd.OutOrStdout().Write(x.out.Bytes())
				}
				x.out.Reset()
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object for each Event, one a line")
	return cmd
}

// A policyExplainer prints what a policy says of Events.
type policyExplainer struct {
	policy *policy.Policy
	json   bool
	events int
	input  policy.Input
	out    bytes.Buffer
}

// explain appends what the policy says of e to out.
func (x *policyExplainer) explain(ctx context.Context, e *event.Event) error {
	x.events++
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	now := e.Time
	if now.IsZero() {
		now = time.Now()
	}
	x.input.Reset(e, nil)
	said := x.policy.Explain(ctx, &x.input, now)
	if x.json {
		return x.appendJSON(e, &said)
	}
	fmt.Fprintf(&x.out, "%s\n", eventTitle(e))
	for _, stage := range []policy.StageExplanation{said.Hello, said.Request} {
		if len(stage.Rules) == 0 {
			continue
		}
		fmt.Fprintf(&x.out, "\nstage %s\n", stage.Stage)
		for i := range stage.Rules {
			r := &stage.Rules[i]
			fmt.Fprintf(&x.out, "  %s: %s\n", r.Rule.Name, r.Outcome)
			x.appendPart(&r.Part, 2)
		}
	}
	fmt.Fprintf(&x.out, "\nverdict: %s\n", verdictText(said.Verdict))
	if said.Hello.Verdict.Ends() && len(said.Request.Rules) > 0 {
		fmt.Fprintf(&x.out, "  at the stage hello: no request comes\n")
	}
	return nil
}

// maxPartText is how many bytes of a part are shown.
const maxPartText = 120

func (x *policyExplainer) appendPart(p *policy.Part, depth int) {
	text := strings.Join(strings.Fields(p.Text), " ")
	if len(text) > maxPartText {
		text = text[:maxPartText] + "..."
	}
	fmt.Fprintf(&x.out, "%*s%s", 2*depth, "", printable(text))
	switch {
	case p.Error != "":
		fmt.Fprintf(&x.out, "  error: %s", printable(p.Error))
	case p.Value != "":
		fmt.Fprintf(&x.out, "  %s", printable(p.Value))
	}
	x.out.WriteByte('\n')
	for i := range p.Parts {
		x.appendPart(&p.Parts[i], depth+1)
	}
}

// printable returns s without characters that a terminal does not show.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// eventTitle says which Event it is.
func eventTitle(e *event.Event) string {
	var b strings.Builder
	if e.Packet > 0 {
		fmt.Fprintf(&b, "%s:%d ", e.File, e.Packet)
	}
	if !e.Time.IsZero() {
		fmt.Fprintf(&b, "%s ", e.Time.UTC().Format(time.RFC3339Nano))
	}
	if e.SrcIP.IsValid() {
		fmt.Fprintf(&b, "from %s ", e.SrcIP)
	}
	if e.SNI != nil {
		fmt.Fprintf(&b, "for %q ", *e.SNI)
	}
	fmt.Fprintf(&b, "%s", cmp.Or(e.JA4(), e.Error, e.Transport, "an Event"))
	return b.String()
}

// verdictText says what a policy decides.
func verdictText(v policy.Verdict) string {
	if v.Action == "" {
		return "none: no rule matches"
	}
	text := fmt.Sprintf("%s, by %s", v.Action, v.Rule)
	if v.DryRun {
		text = fmt.Sprintf("would be %s, by %s", v.Action, v.Rule)
	}
	if len(v.Tags) > 0 {
		text += ", with the tags " + strings.Join(v.Tags, ", ")
	}
	return text
}

// A verdictJSON is the JSON form of a verdict.
type verdictJSON struct {
	Rule   string        `json:"rule,omitempty"`
	Action policy.Action `json:"action,omitempty"`
	Tags   []string      `json:"tags,omitempty"`
	DryRun bool          `json:"dry_run,omitempty"`
}

// A ruleJSON is the JSON form of what a rule says.
type ruleJSON struct {
	Rule    string        `json:"rule"`
	Line    int           `json:"line,omitempty"`
	Stage   string        `json:"stage"`
	Do      policy.Action `json:"do"`
	Mode    policy.Mode   `json:"mode,omitempty"`
	Matched bool          `json:"matched"`
	Error   string        `json:"error,omitempty"`
	Outcome string        `json:"outcome"`
	When    policy.Part   `json:"when"`
}

func (x *policyExplainer) appendJSON(e *event.Event, said *policy.Explanation) error {
	v := said.Verdict
	o := struct {
		File    string      `json:"file,omitempty"`
		Packet  int64       `json:"packet,omitempty"`
		ID      event.ID    `json:"id,omitzero"`
		Rules   []ruleJSON  `json:"rules"`
		Verdict verdictJSON `json:"verdict"`
	}{e.File, e.Packet, e.ID, []ruleJSON{}, verdictJSON{v.Rule, v.Action, v.Tags, v.DryRun}}
	for _, stage := range []policy.StageExplanation{said.Hello, said.Request} {
		for i := range stage.Rules {
			r := &stage.Rules[i]
			j := ruleJSON{r.Rule.Name, r.Rule.Line, stage.Stage.String(), r.Rule.Do, r.Rule.Mode, r.Matched, "", r.Outcome, r.Part}
			if r.Err != nil {
				j.Error = r.Err.Error()
			}
			o.Rules = append(o.Rules, j)
		}
	}
	enc := json.NewEncoder(&x.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(o)
}
