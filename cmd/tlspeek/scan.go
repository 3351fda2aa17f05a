package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/captureinput"
	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/filter"
	"github.com/tlspeek/tlspeek/internal/ordered"
	"github.com/tlspeek/tlspeek/output"
)

// A scan is the scan command with its flags.
type scan struct {
	output      scanOutput
	filterFlags filterFlags
	whereFlags  whereFlags
	recent      recentSignals // for agg in --where
	jobs        int
	memory      int64 // MiB
	expand      int64 // GiB
	quiet       bool
	verbose     bool
	clients     string // a file

	paths    []string
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	reader   capture.Reader
	filter   *filter.Filter
	where    *filter.Where
	progress progress

	selected  atomic.Int64 // hellos that pass the filter
	times     times
	forgotten atomic.Int64 // clients of which several connections were compared
}

func scanCommand() *cobra.Command {
	s := new(scan)
	cmd := &cobra.Command{
		Use:   "scan PATH...",
		Short: "Print the ClientHellos in captures",
		Long: `Scan prints each ClientHello in captures as a JSON object, one per line. It finds
hellos over TCP, QUIC, DTLS and SCTP, and in EAP, on any port, in up to 16 layers of
encapsulation, in any number of fragments and in any order.

A PATH is a pcap, pcapng or snoop file, which may be compressed with gzip, zstd, xz,
bzip2 or lz4; a directory, in which scan reads all captures; a pattern like
'day*.pcap'; or - for standard input, which scan can read while it is written:
tcpdump -U -w - | tlspeek scan -

Some tells need several connections of one client address, over TCP: an order of
extensions or GREASE values that never change. Scan compares the connections in each
file, in the order of the packets. To compare those of several files, merge them.

If a file is damaged, scan prints the hellos before the damage, reports the error
and reads the other files. The exit status is 1 then, and also if a file or a
directory cannot be opened, or a file is a capture in a format that scan does not
read. Files in directories that are no captures are passed over.

A summary on standard error counts what was read and what was not: errors, packets
of unknown link types, EtherTypes and IP protocols, encrypted packets, packets that
were cut short, and files in directories that were passed over, by reason. With
filters it also counts the hellos that were selected.

Of a filter that is given several times, or with commas, one value must match; different
filters must all match. Client, family and kind are those of the best candidates.
--where takes an expression in CEL over the keys of the JSON form: sni == "" or
client.exists(c, c.kind == "tool") && !cidr("192.0.2.0/24").containsIP(src_ip).
Write it in single quotes, so that the shell leaves its double quotes alone.`,
		Example: `  tlspeek scan --full trace.pcapng
  tlspeek scan --csv --fields time,src_ip,sni,ja4 captures/
  tlspeek scan --sni '*.example.com' --transport quic trace.pcap
  tlspeek scan --where 'tells.exists(t, !t.novel && !t.lead) && sni.endsWith(".example")' trace.pcap
  tlspeek scan --tell --not-client unknown --since 1d trace.pcap
  tlspeek scan --top ja4 --limit 10 trace.pcap
  tlspeek scan --signals=client --tsv trace.pcap`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.paths, s.stdin, s.stdout, s.stderr = args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return s.run(cmd.Context())
		},
	}
	cmd.SetFlagErrorFunc(scanFlagError)
	f := cmd.Flags()
	s.output.addFlags(f)
	s.filterFlags.add(f)
	s.whereFlags.add(f)
	f.StringVar(&s.clients, "clients", "", clientsHelp)
	f.IntVarP(&s.jobs, "jobs", "j", runtime.NumCPU(), "`number` of files to read at once")
	f.Int64Var(&s.memory, "max-memory", capture.DefaultMaxMemory>>20, "`MiB` of memory for incomplete hellos and for the table of --top and --unique, for each job")
	f.Int64Var(&s.expand, "max-expanded", capture.DefaultMaxExpanded>>30, "maximum `GiB` of an expanded compressed file")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "print neither progress nor summary")
	f.BoolVarP(&s.verbose, "verbose", "v", false, "name all files in directories that were passed over, not only the first ten")
	s.filterFlags.suggest(cmd)
	s.whereFlags.suggest(cmd)
	suggestList(cmd, "fields", output.ColumnNames()...)
	suggestList(cmd, "top", output.ColumnNames()...)
	suggest(cmd, "unique", output.ColumnNames()...)
	suggest(cmd, "signals", "ja4", "stable", "client", "prefix")
	return cmd
}

// gcPercent is how much a scan of one file lets the heap grow before a collection. A
// few MB are live, and collecting each time that they double took a tenth of the CPU
// time. Scans of several files have more that is live, and use less.
const gcPercent = 300

func (s *scan) run(ctx context.Context) (err error) {
	if s.output.clients, err = clientfile.Database(s.clients); err != nil {
		return err
	}
	if s.filter, err = s.filterFlags.filter(time.Now(), &clientNames{s.output.clients, s.clients}); err != nil {
		return err
	}
	s.whereFlags.options.Agg = s.recent.agg
	if s.where, err = s.whereFlags.compile(s.paths); err != nil {
		return err
	}
	if err := s.output.check(s.where.Uses("agg")); err != nil {
		return err
	}
	if err := cmp.Or(s.checkUnique(), s.filterFlags.checkPaths(s.paths)); err != nil {
		return err
	}
	if s.memory < 1 || s.expand < 1 || s.jobs < 1 {
		return errors.New("--max-memory, --max-expanded and --jobs must be 1 or more")
	}
	if s.where.Uses("agg") {
		s.recent.begin(int64(s.output.signals.memory))
		s.recent.observer = event.Observer{Clients: s.output.clients, Memo: &s.output.memo}
		s.jobs = 1
	}
	files, skipped, failed := captureinput.Expand(s.paths)
	s.reader.MaxExpanded = s.expand << 30
	defer s.divideMemory(max(1, min(s.jobs, len(files))))()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(max(100, gcPercent/max(1, min(s.jobs, len(files)))))
	}
	for _, err := range failed {
		fmt.Fprintln(s.stderr, "tlspeek:", err)
	}
	if !s.quiet {
		s.whereFlags.writeWarnings(s.stderr)
		writeLiveKeys(s.stderr, s.where.LiveKeys())
	}
	s.progress.begin(s.stderr, files, s.quiet)
	s.stdout, s.stderr = s.progress.over(s.stdout), s.progress.over(s.stderr)
	total, read, errs := s.files(ctx, files)
	s.progress.end()
	failed = append(failed, errs...)
	if !s.quiet {
		sum := summary{
			stats:       total,
			files:       read,
			failures:    len(failed),
			skipped:     skipped,
			verbose:     s.verbose,
			filtered:    s.filterFlags.isSet() || s.where.IsSet(),
			selected:    s.selected.Load(),
			times:       s.times.all,
			forgotten:   s.forgotten.Load(),
			uncounted:   s.output.uncounted(),
			interrupted: ctx.Err() != nil,
			took:        time.Since(s.progress.start),
		}
		sum.unjudged, sum.firstUnjudged = s.where.Failed()
		sum.write(s.stderr)
	}
	if len(failed) > 0 || ctx.Err() != nil {
		return errReported
	}
	return nil
}

// checkUnique explains what to write instead of "--unique sni", which reads a file
// named sni.
func (s *scan) checkUnique() error {
	if err := s.output.signals.checkPaths(s.paths); err != nil {
		return err
	}
	for _, path := range s.paths {
		if _, err := output.ColumnOf(path); err != nil || s.output.unique == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("no file %s; for the field, write --unique=%s", path, path)
		}
	}
	return nil
}

// errOutput marks errors of writing, which end a scan.
var errOutput = errors.New("writing the results")

// outputError marks err, if it is not nil.
func outputError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errOutput, err)
}

// files scans all files and prints their hellos in the order of the files. It reports
// errors of files and goes on. An error of the output ends the scan. It returns how
// many files were begun.
func (s *scan) files(ctx context.Context, files []string) (total capture.Stats, begun int, failed []error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	report := func(err error) {
		fmt.Fprintln(s.stderr, "tlspeek:", err)
		failed = append(failed, err)
	}
	out := ordered.NewWriter(s.stdout)
	s.output.begin(out)
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	for range min(s.jobs, len(files)) {
		wg.Go(func() {
			p := s.output.printer(s.filter, s.where, &s.recent)
			for {
				mu.Lock()
				i := begun
				if i == len(files) || ctx.Err() != nil {
					mu.Unlock()
					return
				}
				begun++
				mu.Unlock()
				stats, err := s.file(ctx, files[i], p, out.Part(i))
				mu.Lock()
				total.Add(&stats)
				if err != nil && ctx.Err() == nil {
					report(err)
					if errors.Is(err, errOutput) {
						cancel()
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := outputError(s.output.end(out)); err != nil && !slices.ContainsFunc(failed, func(e error) bool { return errors.Is(e, errOutput) }) {
		report(err)
	}
	if err := s.output.incomplete(); err != nil {
		report(err)
	}
	return total, begun, failed
}

// file scans one file, prints its hellos to part, and closes part.
func (s *scan) file(ctx context.Context, name string, p *printer, part *ordered.Part) (capture.Stats, error) {
	w := p.format.Open(part, p.options)
	p.newFile()
	stats, err := s.readFile(ctx, name, p, w, part)
	s.forgotten.Add(p.forgotten())
	s.selected.Add(p.selected)
	s.times.add(&p.times)
	if flushed := outputError(w.Flush()); flushed != nil {
		err = flushed
	}
	if closed := outputError(part.Close()); closed != nil {
		err = closed
	}
	return stats, err
}

// readFile reads one file, and prints its hellos to w, which writes to part.
func (s *scan) readFile(ctx context.Context, name string, p *printer, w *output.Writer, part *ordered.Part) (capture.Stats, error) {
	flush := func() error {
		if err := w.Flush(); err != nil {
			return outputError(err)
		}
		return outputError(part.Flush())
	}
	var r io.Reader
	if name == "-" {
		r = captureinput.NewLiveReader(ctx, s.stdin, flush)
	} else {
		f, err := os.Open(name)
		if err != nil {
			return capture.Stats{}, err
		}
		defer f.Close()
		r = f
		if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
			r = captureinput.NewLiveReader(ctx, f, flush)
		}
	}
	stats, err := s.reader.Read(ctx, &countingReader{r, &s.progress}, func(h *capture.Hello) error {
		s.progress.hellos.Add(1)
		return outputError(p.print(w, name, h))
	})
	if name == "-" {
		name = "standard input"
	}
	if err != nil && !errors.Is(err, errOutput) {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return stats, err
}
