package capture

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// Flags of a TCP header.
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	_
	tcpACK
)

const (
	tcpMinHeader = 20

	// maxPreface is how far into a connection a hello is looked for at any byte.
	// Beyond it one is still found if a segment begins with it.
	maxPreface = 16 << 10

	// maxEarly is how much early data may stand between two hellos.
	maxEarly = 64 << 10

	// maxHead is how much of a hello is put together: 64 KiB of message in
	// records of one byte.
	maxHead = 6 * (maxMessage + messageHeader)

	// maxLate is how far a connection may go on after a hole behind which a hello
	// was found. More than a usual window has no client sent that has an answer to
	// wait for: what is missing was not captured.
	maxLate = 128 << 10

	// maxHoles is how many holes a stream may have. No client makes as many, and
	// each makes it slower to put a segment in its place.
	maxHoles = 1024

	// minFresh is how many bytes a segment must have to begin a hello in a
	// connection that is not known.
	minFresh = recordHeader + messageHeader + 2

	changeCipherSpecLen = recordHeader + 1
)

// tcp reads a TCP segment (RFC 9293, section 3.1).
func (s *scanner) tcp(addrs, b []byte) {
	if len(b) < tcpMinHeader {
		return
	}
	n := int(b[12]>>4) * 4
	flags := b[13]
	if n < tcpMinHeader || n > len(b) {
		return
	}
	payload := b[n:]
	// Most acknowledgements end here.
	if len(payload) == 0 && flags&(tcpSYN|tcpFIN|tcpRST) == 0 {
		return
	}
	s.addrs, s.ports = addrs, portsOf(b)
	s.key = s.streams.hasher.key(addrs, s.ports)
	s.connection = s.key
	sequence := binary.BigEndian.Uint32(b[4:])
	switch {
	case flags&tcpRST != 0:
		s.reset(sequence, binary.BigEndian.Uint32(b[8:]))
		return
	case flags&tcpSYN != 0:
		if flags&tcpACK != 0 {
			return
		}
		sequence++
		s.connect(sequence)
	}
	if len(payload) > 0 {
		s.segment(sequence, payload)
	}
	if flags&tcpFIN != 0 {
		s.close(sequence + uint32(len(payload)))
	}
}

// connect begins a connection, unless the SYN is one that came before.
func (s *scanner) connect(next uint32) {
	ss := &s.streams
	if sl := ss.find(s.key); sl != nil {
		if behind := sl.next - next; behind < 1<<16 {
			return
		}
		s.forget(sl)
	}
	ss.insert(s.key, next)
}

// forget ends a connection.
func (s *scanner) forget(sl *slot) {
	if t := s.streams.stream(sl); t != nil && t.begun {
		s.streams.incomplete++
	}
	s.streams.remove(sl)
}

// close ends a connection that sends no more from a sequence number on.
func (s *scanner) close(end uint32) {
	sl := s.streams.find(s.key)
	if sl == nil || sl.next != end {
		return
	}
	s.forget(sl)
}

// reset ends a connection that either side breaks off. A reset is believed only
// if it has the very number that its receiver would ask for: others come from
// elsewhere, or late.
func (s *scanner) reset(sequence, acknowledgement uint32) {
	if sl := s.streams.find(s.key); sl != nil {
		if sl.next == sequence {
			s.forget(sl)
		}
		return
	}
	key := s.reverseKey()
	if sl := s.streams.find(key); sl != nil && sl.next == acknowledgement {
		s.forget(sl)
	}
}

// segment takes the payload of a segment, at its place in the stream.
func (s *scanner) segment(sequence uint32, p []byte) {
	ss := &s.streams
	fresh := p[0] == recordHandshake && beginsHello(p) &&
		!ss.hellos.seen(s.helloKey(sequence, p[recordHeader:]))
	sl := ss.find(s.key)
	if sl == nil {
		if !fresh {
			return
		}
		sl = ss.insert(s.key, sequence)
	}
	switch ahead := int(int32(sequence - sl.next)); {
	case !fresh:
	case ahead < -maxHead || ahead > maxHead: // another connection, whose SYN is lost
		s.forget(sl)
		sl = ss.insert(s.key, sequence)
	case ahead > 0:
		sl = s.branch(sl, sequence)
	case elsewhere(sl, ss.stream(sl), sequence):
		s.restart(sl, sequence)
	}
	if sl.state&slotBranch != 0 {
		sl = s.follow(sequence, p, fresh)
	}
	if sl != nil {
		s.advance(sl, sequence, p)
	}
}

// beginsHello reports whether a segment may be the beginning of a hello.
func beginsHello(p []byte) bool { return len(p) >= minFresh && sniff(p) != noHello }

// advance takes the payload of a segment of the connection that sl is.
func (s *scanner) advance(sl *slot, sequence uint32, p []byte) {
	ss := &s.streams
	t := ss.stream(sl)
	switch ahead := int(int32(sequence - sl.next)); {
	case ahead > 0:
		s.stash(sl, sequence, ahead, p)
		return
	case ahead < 0:
		if keepAlive := ahead == -1 && len(p) == 1; t != nil && !keepAlive { // whose byte is any (RFC 9293, section 3.8.4)
			t.compare(sequence, p)
		}
		if len(p) <= -ahead {
			return
		}
		p = p[-ahead:]
	}
	if t != nil {
		t.segments++
		if len(t.behind.list) > 0 { // which came first, and so holds
			t.behind.add(sl.next, p)
			p = t.behind.pop()
		}
	}
	if !s.take(sl, p) {
		return
	}
	if t = ss.stream(sl); t == nil {
		return
	}
	if len(t.head) == 0 && len(t.behind.list) == 0 {
		ss.detach(sl, t)
		return
	}
	ss.account(t)
}

// helloKey returns what a hello of this connection is known by, for the case
// that it comes again: where it begins, and its random.
func (s *scanner) helloKey(sequence uint32, message []byte) uint64 {
	const random = messageHeader + 2
	key := fold(s.connection, uint64(sequence)^s.streams.hasher[1])
	if len(message) >= random+8 {
		key = fold(key, binary.LittleEndian.Uint64(message[random:])^s.streams.hasher[2])
	}
	return key | 1
}

// stash keeps a segment that came too early.
func (s *scanner) stash(sl *slot, sequence uint32, ahead int, p []byte) {
	switch {
	case ahead+len(p) > maxHead:
		return
	case ahead > maxLate && sl.state&slotBranch != 0:
		s.forget(sl)
		return
	}
	if sl.state&(slotAfter|slotEarly) == slotAfter && len(p) > 2 && p[0] == recordApplicationData && p[1] == 3 && p[2] <= 3 {
		s.forget(sl) // the handshake went on without a second hello
		return
	}
	t := s.streams.attach(sl)
	if len(t.behind.list) >= maxHoles {
		return
	}
	t.segments++
	t.behind.add(sequence, p)
	s.streams.account(t)
}

// compare notes whether p, at its sequence number, differs from what came before.
func (t *stream) compare(sequence uint32, p []byte) {
	from := int(int32(sequence - t.start))
	if from < 0 {
		p = p[min(-from, len(p)):]
		from = 0
	}
	if from < len(t.head) {
		n := min(len(p), len(t.head)-from)
		t.behind.differ = t.behind.differ || !bytes.Equal(p[:n], t.head[from:from+n])
	}
}

// take goes on in the stream with p. It reports whether the connection still has
// its slot.
func (s *scanner) take(sl *slot, p []byte) bool {
	sl.next += uint32(len(p))
	t := s.streams.stream(sl)
	if t == nil || len(t.head) == 0 {
		return s.search(sl, p, true)
	}
	t.head = append(t.head, p...)
	return s.collect(sl, t)
}

// search looks for a hello in p, which ends where the next byte is awaited, and
// is the whole of a segment or not. It reports whether the connection still has
// its slot.
func (s *scanner) search(sl *slot, p []byte, whole bool) bool {
	if whole && sl.state&(slotAfter|slotNumber) == 0 {
		if vpn := streamOpenVPN(p); vpn != nil {
			t := s.hold(sl, p, 0)
			t.vpn = vpn
			return s.collect(sl, t)
		}
		if message := sslv2Hello(p); message != nil {
			return s.found(sl, sl.next-uint32(len(p)), message, carrier{segments: 1, aligned: true}) && s.search(sl, p[len(message):], true)
		}
	}
	for len(p) > 0 {
		if sl.state&slotAfter != 0 {
			switch p[0] {
			case recordChangeCipherSpec:
				if len(p) < changeCipherSpecLen {
					s.hold(sl, p, 0)
					return true
				}
				p = p[changeCipherSpecLen:]
				continue
			case recordHandshake:
			default:
				if sl.state&slotEarly == 0 {
					s.forget(sl)
					return false
				}
				return s.pass(sl, len(p), maxEarly)
			}
		}
		i := bytes.IndexByte(p, recordHandshake)
		if i < 0 {
			return s.pass(sl, len(p), maxPreface)
		}
		verdict := sniff(p[i:])
		switch {
		case verdict == noHello && sl.state&slotAfter != 0:
			s.forget(sl)
			return false
		case verdict == noHello:
			if !s.pass(sl, i+1, maxPreface) {
				return false
			}
			p, whole = p[i+1:], false
			continue
		}
		p, whole = p[i:], whole && i == 0
		message, length := wholeHello(p)
		if message == nil {
			t := s.hold(sl, p, length)
			t.aligned = whole
			t.expected = whole && (t.passed == 0 || len(p) >= minFresh)
			return s.collect(sl, t)
		}
		segments, differ := 1, false
		if t := s.streams.stream(sl); t != nil {
			segments, differ = max(t.segments, 1), t.behind.differ
			t.segments = 0
		}
		if !s.found(sl, sl.next-uint32(len(p)), message, carrier{recordVersion(p), 1, segments, differ, whole}) {
			return false
		}
		p, whole = p[length:], true
	}
	return true
}

// hold keeps p, which is not yet enough, until more comes: n bytes in all, as far
// as is known.
func (s *scanner) hold(sl *slot, p []byte, n int) *stream {
	t := s.streams.attach(sl)
	t.head = append(slices.Grow(t.head[:0], min(n, maxPooledHead)), p...)
	t.start = sl.next - uint32(len(p))
	t.segments = max(t.segments, 1)
	return t
}

// pass counts n bytes that are no hello. Beyond the limit the connection is
// given up, which it reports.
func (s *scanner) pass(sl *slot, n int, limit uint32) bool {
	var passed uint32
	if t := s.streams.stream(sl); t != nil {
		t.passed += uint32(n)
		t.segments = 0
		passed = t.passed
	} else {
		sl.state += uint32(n)
		passed = sl.state & slotNumber
	}
	if passed > limit {
		s.forget(sl)
		return false
	}
	return true
}

// collect sees whether the head of a stream is a whole hello. It reports whether
// the connection still has its slot.
func (s *scanner) collect(sl *slot, t *stream) bool {
	if t.vpn != nil {
		return s.collectVPN(sl, t)
	}
	if t.head[0] == recordChangeCipherSpec {
		head := t.head
		t.clear()
		return s.search(sl, head, true)
	}
	if !t.begun {
		switch sniff(t.head) {
		case noHello:
			return s.resume(sl, t, 1)
		case unusual:
			if t.expected {
				break
			}
			// By chance, the end of a preface and the first bytes of a hello can
			// look like an unusual hello.
			at, found := usualBeginning(t.head, max(t.tried, 1))
			if found {
				return s.resume(sl, t, at)
			}
			t.tried = at
		case isHello:
			t.begun = true
		}
	}
	var message []byte
	length, records := t.need, 1
	switch {
	case !t.begun:
	case t.records != nil:
		message, length, records = t.assemble()
		if length < 0 {
			return s.resume(sl, t, 1)
		}
	case t.need == 0:
		if message, t.need = wholeHello(t.head); t.need == 0 {
			t.records = new(parser.RecordAssembler)
			return s.collect(sl, t)
		}
		length = t.need
	case t.need <= len(t.head):
		message = t.head[recordHeader:t.need]
	}
	if message == nil {
		if len(t.head) > maxHead {
			s.forget(sl)
			return false
		}
		return true
	}
	head := t.head
	how := carrier{recordVersion(head), records, t.segments, t.behind.differ, t.aligned}
	start := t.start
	t.clear()
	return s.found(sl, start, message, how) && s.search(sl, head[length:], true)
}

// assemble gives what is new of the head to the assembler. It returns the
// message if it is whole, how many bytes of head it took, and in how many
// records; a length below 0 says that it is no hello.
func (t *stream) assemble() (message []byte, length, records int) {
	message, used, err := t.records.Next(t.head[t.fed:])
	t.fed += used
	if err != nil {
		return nil, -1, 0
	}
	return message, t.fed, t.records.Records()
}

// resume continues the search after the first n bytes of a head that is no hello.
func (s *scanner) resume(sl *slot, t *stream, n int) bool {
	head, segments := t.head, t.segments
	t.clear()
	t.segments = segments
	return s.pass(sl, n, maxPreface) && s.search(sl, head[n:], false)
}

// A carrier is how a message came.
type carrier struct {
	version           parser.Version // of the first record
	records, segments int
	differ            bool
	aligned           bool // whether a segment, or what is behind a hello, begins with it
}

// recordVersion returns the version of the record that b begins with.
func recordVersion(b []byte) parser.Version { return parser.Version(b[1])<<8 | parser.Version(b[2]) }

// found hands over a hello that began at a sequence number. It reports whether
// the connection still has its slot: it is kept until the client's next record
// tells whether there is another hello.
func (s *scanner) found(sl *slot, start uint32, message []byte, how carrier) bool {
	ss := &s.streams
	err := s.decode(parser.TLS, message)
	if err != nil && !how.aligned || !acceptable(&s.clientHello, err) {
		// What only looked like a hello, or is one in pieces between other bytes.
		return s.pass(sl, len(message), maxPreface)
	}
	key := s.helloKey(start, message)
	known := ss.hellos.seen(key) // by a second stream, or of a connection that was captured twice
	ss.hellos.add(key)
	index := 1
	if sl.state&slotAfter != 0 {
		index = 2
	}
	s.hello = Hello{
		Transport:     parser.TLS,
		Index:         index,
		RecordVersion: how.version,
		Records:       how.records,
		Segments:      how.segments,
		Overlap:       how.differ,
	}
	if !known {
		s.emitDecoded(err)
	}
	if index == 2 {
		s.forget(sl)
		return false
	}
	sl.state |= slotAfter
	if s.clientHello.HasExtension(parser.ExtEarlyData) {
		sl.state |= slotEarly
	}
	if t := ss.stream(sl); t != nil {
		t.passed = 0
	} else {
		sl.state &^= slotNumber
	}
	return true
}
