package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/internal/captureinput"
	"github.com/tlspeek/tlspeek/internal/filter"
)

// A summary is what scan prints to standard error at its end.
type summary struct {
	stats       capture.Stats // of all files
	files       int           // that were begun
	failures    int           // errors that were reported
	skipped     []captureinput.Skipped
	verbose     bool  // name all of skipped
	filtered    bool  // hellos were selected
	selected    int64 // hellos
	times       timeRange
	forgotten   int64 // clients, by known.Trackers
	uncounted   int64 // hellos that are in no row of a full table
	unjudged    int64 // hellos of which --where could not be told
	interrupted bool
	took        time.Duration

	firstUnjudged filter.WhereError
}

// maxSkipped is how many skipped files a summary names unless it is verbose.
const maxSkipped = 10

// write prints the totals, and a line for each kind of input that was not read.
func (s *summary) write(w io.Writer) {
	if s.interrupted {
		fmt.Fprint(w, "interrupted: ")
	}
	t := &s.stats
	hellos := count(t.Hellos, "hello")
	if s.filtered {
		hellos += fmt.Sprintf(" found, %s selected", group(s.selected))
	}
	fmt.Fprintf(w, "%s, %s, %s in %.1f s: %s, %s\n",
		count(int64(s.files), "file"), count(t.Packets, "packet"), size(float64(t.Bytes)), s.took.Seconds(),
		hellos, count(t.Errors+int64(s.failures), "error"))
	s.times.write(w)
	for _, n := range t.Notes() {
		s.line(w, n.Count, strings.ReplaceAll(n.Text, "(MaxMemory)", "(--max-memory)"))
	}
	what := "clients forgotten for lack of memory: their later hellos may lack the tells of several connections"
	if s.forgotten == 1 {
		what = "client forgotten for lack of memory: its later hellos may lack the tells of several connections"
	}
	s.line(w, s.forgotten, what)
	what = "hellos with values that the table has no row for, for lack of memory (--max-memory)"
	if s.uncounted == 1 {
		what = "hello with a value that the table has no row for, for lack of memory (--max-memory)"
	}
	s.line(w, s.uncounted, what)
	what = "hellos not selected, because --where failed; the first: "
	if s.unjudged == 1 {
		what = "hello not selected, because --where failed: "
	}
	s.line(w, s.unjudged, what+s.firstUnjudged.Error())
	s.writeSkipped(w)
}

// line prints a count unless it is 0.
func (s *summary) line(w io.Writer, n int64, what string) {
	if n > 0 {
		fmt.Fprintf(w, "%12s %s\n", group(n), what)
	}
}

// writeSkipped counts the files in directories that were not read by reason, and lists
// them.
func (s *summary) writeSkipped(w io.Writer) {
	what := "files in directories passed over: "
	if len(s.skipped) == 1 {
		what = "file in a directory passed over: "
	}
	s.line(w, int64(len(s.skipped)), what+s.reasons())
	for i, f := range s.skipped {
		if i == maxSkipped && !s.verbose {
			fmt.Fprintf(w, "%15sand %s more\n", "", group(int64(len(s.skipped)-i)))
			break
		}
		fmt.Fprintf(w, "%15s%s: %s\n", "", f.Name, f.Reason)
	}
}

// reasons returns how many files were skipped for each kind of reason, the most
// frequent first: "10 neither pcap, pcapng nor snoop, 1 empty".
func (s *summary) reasons() string {
	counts := make(map[string]int64)
	for _, f := range s.skipped {
		counts[f.Kind]++
	}
	var b strings.Builder
	for i, kind := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	}) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", group(counts[kind]), kind)
	}
	return b.String()
}
