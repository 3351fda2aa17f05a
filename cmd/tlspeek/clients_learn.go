package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/internal/atomicfile"
	"github.com/tlspeek/tlspeek/internal/captureinput"
	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/learn"
	"github.com/tlspeek/tlspeek/known"
)

// A clientsLearn is the verb clients learn with its flags.
type clientsLearn struct {
	clients string // a file
	output  string // a file
	all     bool
	quiet   bool
	memory  int64 // MiB
	learner learn.Learner

	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	reader   capture.Reader
	progress progress
	events   learn.EventCounts // of all files
	failed   bool
}

// maxLearnAddresses bounds --addresses and --prefixes: so many hashes are kept of a shape.
const maxLearnAddresses = 10_000

func clientsLearnCommand(file *string) *cobra.Command {
	l := new(clientsLearn)
	cmd := &cobra.Command{
		Use:   "learn -o FILE PATH...",
		Short: "Find clients that are not known yet in captures or Events",
		Long: `Read captures, or Events as JSON lines, and write to a file the hellos that no known
client sends, built in or in --clients, and that many addresses have sent: candidates
for your clients file.

A PATH is a capture or a directory, as for scan; a file of Events that have the key
raw, such as those of scan --detail; or - for standard input.

A candidate was seen from at least 20 addresses, in at least 5 prefixes: a /24 of IPv4
or a /48 of IPv6. All addresses in a /64 of IPv6 count as one. Each line has one
hello, of the shape that its clients have in common, and under "seen" how often it
came, first and last, the nearest known client, tells, and of Events the User-Agents
and the verdicts on claims. The server's name in the hello is blanked, and so are
session id and tickets.

Nothing uses the file before you have reviewed it: --clients refuses lines without a
name. Give a name to those that you know, and version, family, library and kind if
you can, and delete the others. A learned client only adds its name to answers, for
exactly its shape; claims and tells are those without it. When you know for certain
who sends a hello, remove "learned".

The memory is bounded: the shapes that fewest addresses send are forgotten beyond
that, which the file says.`,
		Example: `  tlspeek clients learn -o candidates.jsonl captures/
  tlspeek scan --detail captures/ | tlspeek clients learn -o candidates.jsonl -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l.clients = *file
			l.stdin, l.stdout, l.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return l.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&l.output, "output", "o", "", "write the candidates to this `file`, which is replaced unless it has names; - is standard output")
	f.IntVar(&l.learner.Addresses, "addresses", learn.DefaultAddresses, "least `number` of addresses")
	f.IntVar(&l.learner.Prefixes, "prefixes", learn.DefaultPrefixes, "least `number` of prefixes that these are in")
	f.BoolVar(&l.all, "all", false, "also write hellos that a known client sends")
	f.Int64Var(&l.memory, "max-memory", capture.DefaultMaxMemory>>20, "`MiB` of memory for incomplete hellos and for what was seen of each shape")
	f.BoolVarP(&l.quiet, "quiet", "q", false, "print neither progress nor summary")
	return cmd
}

func (l *clientsLearn) run(ctx context.Context, paths []string) error {
	switch {
	case l.output == "":
		return errors.New("-o FILE is required: where to write the candidates; - is standard output")
	case min(l.learner.Addresses, l.learner.Prefixes) < 1 || max(l.learner.Addresses, l.learner.Prefixes) > maxLearnAddresses:
		return fmt.Errorf("--addresses and --prefixes must be 1 to %s", group(maxLearnAddresses))
	case l.memory < 1:
		return errors.New("--max-memory must be 1 or more")
	}
	if err := l.checkOutput(); err != nil {
		return err
	}
	users, err := clientfile.Database(l.clients)
	if err != nil {
		return err
	}
	// The garbage collector lets the heap grow to twice what is live.
	l.reader.MaxMemory, l.learner.MaxBytes = l.memory<<20/4, l.memory<<20/4
	files, skipped, failed := captureinput.Expand(paths)
	for _, err := range failed {
		l.report(err)
	}
	l.progress.begin(l.stderr, files, l.quiet)
	l.stderr = l.progress.over(l.stderr)
	for _, name := range files {
		if ctx.Err() != nil {
			break
		}
		if err := l.file(ctx, name); err != nil && ctx.Err() == nil {
			l.report(fmt.Errorf("%s: %w", orStdin(name), err))
		}
	}
	l.progress.end()
	res, err := l.learner.Result(users, l.all)
	if err != nil {
		return err
	}
	summary := l.summary(&res, len(skipped), ctx.Err() != nil)
	if err := l.write(&res, summary); err != nil {
		return err
	}
	if !l.quiet {
		fmt.Fprintln(l.stderr, strings.Join(summary, "\n"))
	}
	if l.failed || ctx.Err() != nil {
		return errReported
	}
	return nil
}

func orStdin(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

func (l *clientsLearn) report(err error) {
	fmt.Fprintln(l.stderr, "tlspeek:", err)
	l.failed = true
}

// checkOutput returns an error if the output would replace what somebody has reviewed, or
// something else than candidates.
func (l *clientsLearn) checkOutput() error {
	if l.output == "-" {
		return nil
	}
	f, err := os.Open(l.output)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("-o %s: not a regular file; use - for standard output", l.output)
	}
	if err := learn.CheckUnreviewed(f); err != nil {
		return fmt.Errorf("%s would be replaced, but %w: choose another file", l.output, err)
	}
	return nil
}

// file reads a capture or Events.
func (l *clientsLearn) file(ctx context.Context, name string) error {
	var r io.Reader
	idle := func() error { return nil }
	if name == "-" {
		r = captureinput.NewLiveReader(ctx, l.stdin, idle)
	} else {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		r = f
		if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
			r = captureinput.NewLiveReader(ctx, f, idle)
		}
	}
	source := filepath.Base(orStdin(name))
	format, r, err := l.reader.Detect(&countingReader{r, &l.progress})
	if err != nil && errors.Is(err, capture.ErrFormat) && format == capture.FormatUnknown {
		b := bufio.NewReader(r)
		if first, peekErr := b.Peek(1); peekErr == nil && (first[0] == '{' || first[0] == '\n') {
			return l.readEvents(ctx, b, source)
		}
		return fmt.Errorf("neither a capture nor Events as JSON lines: %w", err)
	}
	_, err = l.reader.Read(ctx, r, func(h *capture.Hello) error {
		l.progress.hellos.Add(1)
		l.add(h, source)
		return nil
	})
	return err
}

func (l *clientsLearn) readEvents(ctx context.Context, r io.Reader, source string) error {
	c, err := l.learner.Events(ctx, r, source, func() { l.progress.hellos.Add(1) })
	l.events.Lines += c.Lines
	l.events.NoRaw += c.NoRaw
	l.events.Broken += c.Broken
	switch {
	case err != nil:
		return err
	case c.Broken > 0:
		return fmt.Errorf("%s of %s left out as no Event: %w", group(c.Broken), count(c.Lines, "line"), c.First)
	case c.NoRaw == c.Lines && c.Lines > 0:
		return errors.New("no Event has the key raw, with the hello: scan --detail writes such Events")
	}
	return nil
}

// add adds a hello of a capture.
func (l *clientsLearn) add(h *capture.Hello, source string) {
	s := learn.Sighting{Time: h.Time, Addr: h.Src.Addr(), Index: h.Index, Source: source}
	if h.Err == nil {
		s.Hello = h.ClientHello
		o := known.Observation{Hello: h.ClientHello, Index: h.Index, RecordVersion: h.RecordVersion, Time: h.Time}
		s.AddTells(known.AppendTells(nil, &o))
	}
	l.learner.Add(&s)
}

// summary returns what was read and found, and what was not, a line each.
func (l *clientsLearn) summary(res *learn.Result, skipped int, interrupted bool) []string {
	c := &l.learner.Counts
	found := fmt.Sprintf("%s, %s: %s (--addresses %d --prefixes %d)", count(c.Hellos, "hello"), count(int64(res.Shapes), "shape"),
		count(int64(len(res.Candidates)), "candidate"), l.learner.Addresses, l.learner.Prefixes)
	if interrupted {
		found = "interrupted: " + found
	}
	lines := []string{found}
	line := func(n int64, format string, args ...any) {
		if n > 0 {
			lines = append(lines, "  "+group(n)+" "+fmt.Sprintf(format, args...))
		}
	}
	if !l.all {
		line(int64(res.Known), "seen as often, but of known clients (--all writes them, too)")
	}
	line(int64(res.Rare), "seen from fewer addresses or prefixes")
	line(c.Forgotten, "hellos of %s forgotten for lack of memory (--max-memory), each seen from %s at most", count(c.ForgottenShapes, "shape"), countAddresses(res.Floor))
	line(c.Second, "left out: the second hello of a connection")
	line(c.Unverified, "left out: over QUIC, from an address that may be forged")
	line(c.NoAddress, "left out: without an IP address")
	line(c.Malformed, "left out: malformed, or in SSLv2 format")
	line(l.events.NoRaw, "left out: Events without the key raw")
	line(l.events.Broken, "left out: lines that are no Events")
	line(int64(skipped), "passed over: files in directories that are no captures")
	return lines
}

func countAddresses(n int64) string {
	if n == 1 {
		return "1 address"
	}
	return group(n) + " addresses"
}

// learnHeader is at the beginning of a file of candidates.
const learnHeader = `# Candidates for a clients file, found by tlspeek clients learn. Nobody has reviewed them.
# Give a name to those that you know, also version, family, library and kind, and delete the
# other lines: --clients takes no line without a name. docs/clients.md says what "learned" means.
`

// write writes the candidates.
func (l *clientsLearn) write(res *learn.Result, summary []string) error {
	b := []byte(learnHeader)
	for _, line := range summary {
		b = append(b, "# "+strings.TrimSpace(line)+"\n"...)
	}
	for i := range res.Candidates {
		var err error
		if b, err = res.Candidates[i].AppendLine(b); err != nil {
			return err
		}
	}
	if l.output == "-" {
		_, err := l.stdout.Write(b)
		return err
	}
	const mode = 0o600 // User-Agents are those of others
	return atomicfile.Write(l.output, mode, func(w *bufio.Writer) { w.Write(b) })
}
