package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
)

// A scan is the scan command with its flags.
type scan struct {
	output  scanOutput
	filter  scanFilter
	workers int
	limits  capture.Reader
	memory  int64 // MiB
	expand  int64 // GiB
	quiet   bool
	clients string // a file

	paths    []string
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	progress progress
}

func scanCommand() *cobra.Command {
	s := new(scan)
	cmd := &cobra.Command{
		Use:   "scan PATH...",
		Short: "Print the hellos in captures",
		Long: `Scan prints one JSON object a line for each ClientHello in captures: over TCP,
QUIC and DTLS, on any port, in tunnels up to 16 deep, and however it is cut.

A PATH is a pcap or pcapng file, also compressed by gzip or zstd; a directory,
of which all captures are read; a pattern like 'day*.pcap'; or - for standard
input, which may still be written: tcpdump -U -w - | tlspeek scan -

A damaged file gives its hellos up to the damage, and an error. The other files
are still read, and the exit status is 1.

A summary on standard error counts what was read and what could not be: errors,
packets of unknown link types, and files in directories that are no captures.`,
		Example: `  tlspeek scan --full trace.pcapng
  tlspeek scan --csv --fields time,src_ip,sni,ja4 captures/
  tlspeek scan --sni '*.example.com' --transport quic trace.pcap
  tlspeek scan --top ja4 --limit 10 trace.pcap`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.paths, s.stdin, s.stdout, s.stderr = args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	s.output.addFlags(f)
	s.filter.addFlags(f)
	f.StringVar(&s.clients, "clients", "", clientsHelp)
	f.IntVarP(&s.workers, "jobs", "j", runtime.NumCPU(), "`number` of files to read at the same time")
	f.Int64Var(&s.memory, "max-memory", capture.DefaultMaxMemory>>20, "`MiB` of memory for hellos that are not whole, for each job")
	f.Int64Var(&s.expand, "max-expanded", capture.DefaultMaxExpanded>>30, "`GiB` that a compressed file may expand to")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "print neither progress nor summary")
	suggest(cmd, "transport", "tls", "quic", "dtls")
	for _, flag := range []string{"fields", "top", "unique"} {
		suggest(cmd, flag, event.ColumnNames()...)
	}
	return cmd
}

// gcPercent has a scan of one file collect its garbage less often than Go would:
// what lives is a few MB, and to collect at each doubling of it took a tenth of
// the time. Of several at a time more lives.
const gcPercent = 300

func (s *scan) run(ctx context.Context) error {
	if err := s.filter.check(); err != nil {
		return err
	}
	if err := s.output.check(); err != nil {
		return err
	}
	if err := s.checkUnique(); err != nil {
		return err
	}
	if s.memory < 1 || s.expand < 1 || s.workers < 1 {
		return errors.New("--max-memory, --max-expanded and --jobs want a number above 0")
	}
	users, err := usersDatabase(s.clients)
	if err != nil {
		return err
	}
	s.output.users = users
	s.limits = capture.Reader{MaxMemory: s.memory << 20, MaxExpanded: s.expand << 30}
	files, skipped, failed := expand(s.paths)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(max(100, gcPercent/max(1, min(s.workers, len(files)))))
	}
	for _, err := range failed {
		fmt.Fprintln(s.stderr, "tlspeek:", err)
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
			interrupted: ctx.Err() != nil,
			took:        time.Since(s.progress.start),
		}
		sum.write(s.stderr)
	}
	if len(failed) > 0 || ctx.Err() != nil {
		return errReported
	}
	return nil
}

// checkUnique says what to write to one who wrote "--unique sni", where sni is
// not taken for its value but for a file.
func (s *scan) checkUnique() error {
	for _, path := range s.paths {
		if _, err := event.ColumnOf(path); err != nil || s.output.unique == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("no file %s: if it is the field, write --unique=%s", path, path)
		}
	}
	return nil
}

// files scans all files and prints their hellos in order. What is wrong with a
// file is reported; what is wrong with the output ends the scan. It returns how
// many files were begun.
func (s *scan) files(ctx context.Context, files []string) (total capture.Stats, begun int, failed []error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := newOrderedWriter(s.stdout)
	s.output.begin(out)
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	for range min(s.workers, len(files)) {
		wg.Go(func() {
			c := s.output.encoder(&s.filter)
			for {
				mu.Lock()
				i := begun
				if i == len(files) || ctx.Err() != nil {
					mu.Unlock()
					return
				}
				begun++
				mu.Unlock()
				w := out.turn(i)
				stats, err := s.file(ctx, files[i], c, w)
				if closed := w.close(); closed != nil {
					err = closed
				}
				mu.Lock()
				total.Add(&stats)
				if err != nil && ctx.Err() == nil {
					fmt.Fprintln(s.stderr, "tlspeek:", err)
					failed = append(failed, err)
					if errors.Is(err, errOutput) {
						cancel()
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := s.output.end(out); err != nil && !slices.ContainsFunc(failed, func(e error) bool { return errors.Is(e, errOutput) }) {
		fmt.Fprintln(s.stderr, "tlspeek:", err)
		failed = append(failed, err)
	}
	return total, begun, failed
}

// file scans one file, and prints its hellos.
func (s *scan) file(ctx context.Context, name string, c *encoder, w *turn) (capture.Stats, error) {
	var r io.Reader
	if name == "-" {
		r = newLiveReader(ctx, s.stdin, w.flush)
	} else {
		f, err := os.Open(name)
		if err != nil {
			return capture.Stats{}, err
		}
		defer f.Close()
		r = f
		if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
			r = newLiveReader(ctx, f, w.flush)
		}
	}
	c.file = name
	if name == "-" {
		name = "standard input"
	}
	stats, err := s.limits.Read(ctx, &countingReader{r, &s.progress}, func(h *capture.Hello) error {
		s.progress.hellos.Add(1)
		switch {
		case !s.filter.matchHello(h):
			return nil
		case s.output.count && !s.filter.wantsEvent():
			s.output.table.addOne()
			return nil
		}
		return c.print(w, h)
	})
	if err != nil && !errors.Is(err, errOutput) {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return stats, err
}
