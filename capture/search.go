package capture

import (
	"bytes"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

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
