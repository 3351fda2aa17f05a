package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tlspeek/tlspeek/capture"
)

// A summary is what scan prints to standard error at its end: what was read, and
// what was not.
type summary struct {
	stats       capture.Stats // of all files
	files       int           // files begun
	failures    int           // errors that were printed
	skipped     []skippedFile
	interrupted bool
	took        time.Duration
}

// maxSkipped is how many skipped files a summary names.
const maxSkipped = 10

// write prints the summary: a line of totals, and one for each thing that did not
// go well.
func (s *summary) write(w io.Writer) {
	if s.interrupted {
		fmt.Fprint(w, "interrupted: ")
	}
	t := &s.stats
	fmt.Fprintf(w, "%s, %s, %s in %.1f s: %s, %s\n",
		count(int64(s.files), "file"), count(t.Packets, "packet"), size(float64(t.Bytes)), s.took.Seconds(),
		count(t.Hellos, "hello"), count(t.Errors+int64(s.failures), "error"))
	s.line(w, t.Errors, "malformed, with an error in the results")
	s.line(w, t.Overlaps, "with parts that came twice and differ: the first copy was taken")
	s.line(w, t.Incomplete, "begun and not whole")
	s.writeLinks(w)
	s.line(w, t.TooDeep, "in more than 16 wrappings: not read")
	s.line(w, t.DroppedStreams, "connections given up for want of memory (--max-memory)")
	s.line(w, t.DroppedHellos, "of them with a hello that was not whole")
	s.line(w, t.DroppedFlows, "QUIC and DTLS flows given up for want of memory")
	s.line(w, t.DroppedFragments, "IP packets given up of which fragments were missing")
	s.writeSkipped(w)
}

// line prints how often something happened, unless that is never.
func (s *summary) line(w io.Writer, n int64, what string) {
	if n > 0 {
		fmt.Fprintf(w, "%12s %s\n", group(n), what)
	}
}

// writeLinks names the link types that cannot be read, the most frequent first.
func (s *summary) writeLinks(w io.Writer) {
	links := s.stats.UnknownLinks
	types := slices.SortedFunc(maps.Keys(links), func(a, b capture.LinkType) int {
		return cmp.Or(cmp.Compare(links[b], links[a]), cmp.Compare(a, b))
	})
	for _, t := range types {
		what := "packets"
		if links[t] == 1 {
			what = "packet"
		}
		s.line(w, links[t], fmt.Sprintf("%s of link type %v: not read", what, t))
	}
}

// writeSkipped names files in directories that were not read.
func (s *summary) writeSkipped(w io.Writer) {
	what := "files in directories passed over"
	if len(s.skipped) == 1 {
		what = "file in a directory passed over"
	}
	s.line(w, int64(len(s.skipped)), what)
	for i, f := range s.skipped {
		if i == maxSkipped {
			fmt.Fprintf(w, "%15sand %s more\n", "", group(int64(len(s.skipped)-i)))
			break
		}
		fmt.Fprintf(w, "%15s%s: %s\n", "", f.name, f.reason)
	}
}

// add adds the statistics of a file to those of all files.
func add(total, s *capture.Stats) {
	total.Packets += s.Packets
	total.Bytes += s.Bytes
	total.Hellos += s.Hellos
	total.Errors += s.Errors
	total.Unknown += s.Unknown
	total.TooDeep += s.TooDeep
	total.Overlaps += s.Overlaps
	total.Incomplete += s.Incomplete
	total.DroppedStreams += s.DroppedStreams
	total.DroppedHellos += s.DroppedHellos
	total.DroppedFragments += s.DroppedFragments
	total.DroppedFlows += s.DroppedFlows
	if total.UnknownLinks == nil {
		total.UnknownLinks = make(map[capture.LinkType]int64)
	}
	for t, n := range s.UnknownLinks {
		total.UnknownLinks[t] += n
	}
}
