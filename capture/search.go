package capture

import (
	"bytes"

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
			s.looked += len(p)
			return s.pass(sl, len(p), maxPreface)
		}
		s.looked += i + 1
		beginning := s.begins(sl, p[i:])
		switch {
		case !beginning && sl.state&slotAfter != 0:
			s.forget(sl)
			return false
		case !beginning:
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
			if s.sniffer.used > 0 {
				t.sniffer = new(sniffer)
				*t.sniffer = s.sniffer
			}
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
		p, whole = p[length:], sl.state&slotAfter != 0
	}
	return true
}

// begins reports whether p may begin a hello. The end of p is the end of what has
// arrived of the stream.
func (s *scanner) begins(sl *slot, p []byte) bool {
	if s.sniff(p) == noHello {
		return false
	}
	t := s.streams.stream(sl)
	if t == nil || t.dead == nil {
		return true
	}
	if _, length := wholeHello(p); length > 0 {
		return true
	}
	ends, headers := t.dead.follow(p, sl.next-uint32(len(p)), messageSize(p))
	s.looked += headers * recordHeader
	return !ends
}

// sniffLooks is how many bytes sniffRecord looks at, at most.
const sniffLooks = 16

// sniff calls the function sniff, counts the bytes it looks at, and leaves the
// state for short records in s.sniffer.
func (s *scanner) sniff(p []byte) verdict {
	v, more := sniffRecord(p)
	s.looked += min(sniffLooks, len(p))
	s.sniffer.reset()
	if more {
		v = s.sniffer.sniff(p)
		s.looked += s.sniffer.used
	}
	return v
}

// usualBeginning returns the first offset in b, at or after from, at which a
// hello with a usual legacy_version begins. If there is none, it returns false
// and the offset before which none can begin, whatever bytes follow b.
func (s *scanner) usualBeginning(b []byte, from int) (int, bool) {
	for {
		i := bytes.IndexByte(b[from:], recordHandshake)
		if i < 0 {
			s.looked += len(b) - from
			return len(b), false
		}
		s.looked += i + 1
		from += i
		switch s.sniff(b[from:]) {
		case likely, isHello:
			return from, true
		case undecided:
			return from, false
		}
		from++
	}
}

// hold keeps p, which is not yet enough, until more comes: n bytes in all, as far
// as is known.
func (s *scanner) hold(sl *slot, p []byte, n int) *stream {
	t := s.streams.attach(sl)
	s.looked += t.setHead(p, min(n, maxPooledHead))
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
		switch s.sniffHead(t) {
		case noHello:
			return s.resume(sl, t, 1)
		case unusual:
			if t.expected {
				break
			}
			// By chance, the end of a preface and the first bytes of a hello can
			// look like an unusual hello.
			from := min(max(int(int32(t.tried-t.start)), 1), len(t.head))
			at, found := s.usualBeginning(t.head, from)
			t.tried = t.start + uint32(at)
			if found {
				return s.resume(sl, t, at)
			}
		case isHello:
			t.begun = true
			t.message = messageSize(t.head)
		}
	}
	if t.begun && t.need == 0 {
		if _, t.need = wholeHello(t.head); t.need == 0 && !s.readChain(t) {
			return s.resume(sl, t, 1)
		}
	}
	if t.need == 0 || t.need > len(t.head) {
		if len(t.head) > maxHead {
			s.forget(sl)
			return false
		}
		return true
	}
	head, length := t.head, t.need
	message, records := s.message(head[:length])
	if message == nil {
		return s.resume(sl, t, 1)
	}
	how := carrier{recordVersion(head), records, t.segments, t.behind.differ, t.aligned}
	start := t.start
	t.clear()
	return s.found(sl, start, message, how) && s.search(sl, head[length:], sl.state&slotAfter != 0)
}

// sniffHead is sniff for the head of a stream. Of short records it reads only what
// is new.
func (s *scanner) sniffHead(t *stream) verdict {
	v, more := sniffRecord(t.head)
	s.looked += min(sniffLooks, len(t.head))
	if !more {
		return v
	}
	if t.sniffer == nil {
		t.sniffer = new(sniffer)
	}
	before := t.sniffer.used
	v = t.sniffer.sniff(t.head)
	s.looked += t.sniffer.used - before
	return v
}

// readChain reads the new record headers of a hello that has begun. It reports
// whether the head may still be a hello.
func (s *scanner) readChain(t *stream) bool {
	before := t.chain.records
	end, ok := t.chain.extend(t.head, t.message)
	s.looked += (t.chain.records - before + 1) * recordHeader
	t.need = end
	if ok {
		return true
	}
	if t.dead == nil {
		t.dead = make(deadEnds)
	}
	_, headers := t.dead.follow(t.head, t.start, t.message)
	s.looked += headers * recordHeader
	return false
}

// message returns the handshake message in the records of b, and the number of
// records that hold it. The message is valid until the next call.
func (s *scanner) message(b []byte) (message []byte, records int) {
	s.looked += len(b)
	if message, _ := wholeHello(b); message != nil {
		return message, 1
	}
	s.assembler.Reset()
	message, _, _ = s.assembler.Next(b)
	return message, s.assembler.Records()
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
	s.looked += len(message)
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
		t.passed, t.dead = 0, nil
	} else {
		sl.state &^= slotNumber
	}
	return true
}
