package capture

// Stats counts what was read, and what was dropped or could not be read.
type Stats struct {
	Packets int64 // packets read
	Bytes   int64 // captured bytes of these packets, without the headers of the file
	Hellos  int64 // hellos found
	Errors  int64 // hellos that could not be decoded to their end

	Unknown   int64 // packets of a link type, an EtherType or an IP protocol that cannot be read
	NotIP     int64 // packets that should begin with an IP header, and do not
	Encrypted int64 // packets that IEEE 802.11, MACsec or PPP encrypts
	TooNested int64 // packets with more than 16 encapsulations

	// The packets of each link type, EtherType and IP protocol that cannot be read.
	// They are nil if there are none. Those that never carry a hello, such as ARP and
	// ICMP, are not counted.
	UnknownLinks      map[LinkType]int64
	UnknownEtherTypes map[EtherType]int64
	UnknownProtocols  map[Protocol]int64

	// UnknownBlocks counts the blocks of a pcapng file that are neither packets nor of
	// another type that is known to have none, and those of a section of another
	// version than 1.
	UnknownBlocks int64

	// Cut counts the packets that were captured only in part, in connections whose
	// hello was awaited, and in QUIC and DTLS handshakes.
	Cut int64

	// Overlaps counts the hellos with parts that came twice with different bytes.
	Overlaps int64

	// Incomplete counts the hellos that had begun and were incomplete at the end of
	// the stream or of the capture.
	Incomplete int64

	// What was dropped, oldest first, because it took too much memory: TCP streams
	// whose hello was awaited; those of them in which a hello had begun; incomplete
	// IP packets; and flows over QUIC, DTLS, OpenVPN, SCTP and EAP.
	DroppedStreams, DroppedHellos, DroppedFragments, DroppedFlows int64
}

// A counter is a field of Stats. If notes is nil and text is not empty, the count
// with the text is a note.
type counter struct {
	field func(*Stats) *int64
	text  string
	notes func(*Stats) []Note
}

// counters has each field of Stats that is a number. Notes are in this order.
var counters = []counter{
	{field: func(s *Stats) *int64 { return &s.Packets }},
	{field: func(s *Stats) *int64 { return &s.Bytes }},
	{field: func(s *Stats) *int64 { return &s.Hellos }},
	{field: func(s *Stats) *int64 { return &s.Errors }, text: "malformed, with an error in the results"},
	{field: func(s *Stats) *int64 { return &s.Overlaps }, text: "with parts that arrived twice and differ: the first copy counts"},
	{field: func(s *Stats) *int64 { return &s.Incomplete }, text: "incomplete: the rest is not in the capture"},
	{field: func(s *Stats) *int64 { return &s.Cut }, text: "packets cut short by the capture (snap length) where a hello may be"},
	{field: func(s *Stats) *int64 { return &s.Unknown }, notes: (*Stats).unknownNotes},
	{field: func(s *Stats) *int64 { return &s.UnknownBlocks }, text: "pcapng blocks of unknown type or version: skipped"},
	{field: func(s *Stats) *int64 { return &s.NotIP }, text: "packets that do not begin with an IP header, against their link type: not read"},
	{field: func(s *Stats) *int64 { return &s.Encrypted }, text: "packets encrypted by IEEE 802.11, MACsec or PPP: not read"},
	{field: func(s *Stats) *int64 { return &s.TooNested }, text: "in more than 16 encapsulations: not read"},
	{field: func(s *Stats) *int64 { return &s.DroppedStreams }, text: "connections dropped for lack of memory (MaxMemory)"},
	{field: func(s *Stats) *int64 { return &s.DroppedHellos }, text: "of them in the middle of a hello"},
	{field: func(s *Stats) *int64 { return &s.DroppedFlows }, text: "flows over UDP, SCTP and EAP dropped for lack of memory (MaxMemory)"},
	{field: func(s *Stats) *int64 { return &s.DroppedFragments }, text: "IP packets dropped because fragments are missing"},
}

// Add adds the counts of other to s.
func (s *Stats) Add(other *Stats) {
	for _, c := range counters {
		*c.field(s) += *c.field(other)
	}
	for t, n := range other.UnknownLinks {
		increment(&s.UnknownLinks, t, n)
	}
	for t, n := range other.UnknownEtherTypes {
		increment(&s.UnknownEtherTypes, t, n)
	}
	for p, n := range other.UnknownProtocols {
		increment(&s.UnknownProtocols, p, n)
	}
}

// A Note says what was malformed, dropped or not read, and how many there were.
// Text follows the number in a sentence: "packets of link type 147 (USER0): not
// read". A field of Reader that would have to be larger stands in parentheses.
type Note struct {
	Count int64  // never 0
	Text  string // plural, without the count
}

// Notes returns what was malformed, dropped or not read, in the order in which to
// print it. The counts are not 0.
func (s *Stats) Notes() []Note {
	var notes []Note
	for _, c := range counters {
		switch n := *c.field(s); {
		case c.notes != nil:
			notes = append(notes, c.notes(s)...)
		case c.text != "" && n > 0:
			notes = append(notes, Note{n, c.text})
		}
	}
	return notes
}

// unknownNotes returns notes of what cannot be read.
func (s *Stats) unknownNotes() []Note {
	notes := typeNotes(s.UnknownLinks, "link type")
	notes = append(notes, typeNotes(s.UnknownEtherTypes, "EtherType")...)
	return append(notes, typeNotes(s.UnknownProtocols, "IP protocol")...)
}
