package capture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// countUnknownLink counts a packet of a link type that cannot be read.
func (s *scanner) countUnknownLink(t LinkType) {
	s.stats.Unknown++
	increment(&s.stats.UnknownLinks, t, 1)
}

// countUnknownEtherType counts a packet of an EtherType that cannot be read, unless
// such packets never carry a hello.
func (s *scanner) countUnknownEtherType(t EtherType) {
	if i, found := slices.BinarySearchFunc(etherNames, t, compareEtherName); found && etherNames[i].quiet {
		return
	}
	s.stats.Unknown++
	increment(&s.stats.UnknownEtherTypes, t, 1)
}

// countUnknownProtocol counts a packet of an IP protocol that cannot be read, unless
// such packets never carry a hello.
func (s *scanner) countUnknownProtocol(p Protocol) {
	if p.isQuiet() {
		return
	}
	s.stats.Unknown++
	increment(&s.stats.UnknownProtocols, p, 1)
}

// increment adds n to the count of a key, in a map that may be nil.
func increment[K comparable](counts *map[K]int64, key K, n int64) {
	if *counts == nil {
		*counts = make(map[K]int64)
	}
	(*counts)[key] += n
}

// maxTypeNotes is how many types of a kind have a note of their own.
const maxTypeNotes = 5

// typeNotes returns a note for each type that cannot be read, the most frequent
// first, and one for all beyond maxTypeNotes.
func typeNotes[T interface {
	cmp.Ordered
	fmt.Stringer
}](counts map[T]int64, kind string) []Note {
	types := slices.SortedFunc(maps.Keys(counts), func(a, b T) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var notes []Note
	var rest int64
	for i, t := range types {
		if i >= maxTypeNotes && len(types) > maxTypeNotes+1 {
			rest += counts[t]
			continue
		}
		notes = append(notes, Note{counts[t], fmt.Sprintf("%s of %s %v: not read", packets(counts[t]), kind, t)})
	}
	if rest > 0 {
		notes = append(notes, Note{rest, fmt.Sprintf("%s of %d other %ss: not read", packets(rest), len(types)-maxTypeNotes, kind)})
	}
	return notes
}

func packets(n int64) string {
	if n == 1 {
		return "packet"
	}
	return "packets"
}

// countCutSegment counts a TCP segment of which a part was not captured, if a hello is
// awaited in its connection.
func (s *scanner) countCutSegment() {
	if sl := s.streams.find(s.key); sl != nil && sl.state&slotHelloSeen == 0 {
		s.stats.Cut++
	}
}
