package capture

import (
	"bytes"

	"github.com/tlspeek/tlspeek/parser"
)

// search looks for a hello in p, which ends where the next byte is awaited, and
// is the whole of a segment or not. It reports whether the connection still has
// its slot.
func (s *scanner) search(sl *slot, p []byte, whole bool) bool {
	if whole && sl.state&(slotHelloSeen|slotNumber) == 0 {
		if vpn := streamOpenVPN(p); vpn != nil {
			t := s.keepHead(sl, p, 0)
			t.vpn = vpn
			return s.readHead(sl, t)
		}
		if message := sslv2Hello(p); message != nil {
			return s.emitHello(sl, sl.next-uint32(len(p)), message, arrival{segments: 1, aligned: true}) && s.search(sl, p[len(message):], true)
		}
	}
	for len(p) > 0 {
		if sl.state&slotHelloSeen != 0 {
			switch p[0] {
			case recordChangeCipherSpec:
				if len(p) < changeCipherSpecLen {
					s.keepHead(sl, p, 0)
					return true
				}
				p = p[changeCipherSpecLen:]
				continue
			case recordHandshake:
			default:
				if sl.state&slotEarlyData == 0 {
					s.endConnection(sl)
					return false
				}
				return s.skipNonHello(sl, len(p), maxEarly)
			}
		}
		i := bytes.IndexByte(p, recordHandshake)
		if i < 0 {
			s.examined += len(p)
			return s.skipNonHello(sl, len(p), maxPreface)
		}
		s.examined += i + 1
		beginning := s.mayStartHello(sl, p[i:])
		switch {
		case !beginning && sl.state&slotHelloSeen != 0:
			s.endConnection(sl)
			return false
		case !beginning:
			if !s.skipNonHello(sl, i+1, maxPreface) {
				return false
			}
			p, whole = p[i+1:], false
			continue
		}
		p, whole = p[i:], whole && i == 0
		message, length := wholeHello(p)
		if message == nil {
			t := s.keepHead(sl, p, length)
			if s.sniffer.used > 0 {
				t.sniffer = new(sniffer)
				*t.sniffer = s.sniffer
			}
			t.aligned = whole
			t.expected = whole && (t.nonHello == 0 || len(p) >= minFresh)
			return s.readHead(sl, t)
		}
		segments, differ := 1, false
		if t := s.streams.streamOf(sl); t != nil {
			segments, differ = max(t.segmentCount, 1), t.outOfOrder.conflict
			t.segmentCount = 0
		}
		if !s.emitHello(sl, sl.next-uint32(len(p)), message, arrival{recordVersion(p), 1, segments, differ, whole}) {
			return false
		}
		p, whole = p[length:], sl.state&slotHelloSeen != 0
	}
	return true
}

// mayStartHello reports whether p may begin a hello. The end of p is the end of what has
// arrived of the stream.
func (s *scanner) mayStartHello(sl *slot, p []byte) bool {
	if s.sniff(p) == noHello {
		return false
	}
	t := s.streams.streamOf(sl)
	if t == nil || t.deadEnds == nil {
		return true
	}
	if _, length := wholeHello(p); length > 0 {
		return true
	}
	ends, headers := t.deadEnds.follow(p, sl.next-uint32(len(p)), messageSize(p))
	s.examined += headers * recordHeader
	return !ends
}

// sniffLooks is how many bytes sniffRecord looks at, at most.
const sniffLooks = 16

// sniff calls the function sniff, counts the bytes it looks at, and leaves the
// state for short records in s.sniffer.
func (s *scanner) sniff(p []byte) verdict {
	v, more := sniffRecord(p)
	s.examined += min(sniffLooks, len(p))
	s.sniffer.reset()
	if more {
		v = s.sniffer.sniff(p)
		s.examined += s.sniffer.used
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
			s.examined += len(b) - from
			return len(b), false
		}
		s.examined += i + 1
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

// keepHead keeps p, which is not yet enough, until more comes: n bytes in all, as far
// as is known.
func (s *scanner) keepHead(sl *slot, p []byte, n int) *stream {
	t := s.streams.attach(sl)
	s.examined += t.setHead(p, min(n, maxPooledHead))
	t.start = sl.next - uint32(len(p))
	t.segmentCount = max(t.segmentCount, 1)
	return t
}

// skipNonHello counts n bytes that are no hello. Beyond the limit the connection is
// given up, which it reports.
func (s *scanner) skipNonHello(sl *slot, n int, limit uint32) bool {
	var passed uint32
	if t := s.streams.streamOf(sl); t != nil {
		t.nonHello += uint32(n)
		t.segmentCount = 0
		passed = t.nonHello
	} else {
		sl.state += uint32(n)
		passed = sl.state & slotNumber
	}
	if passed > limit {
		s.endConnection(sl)
		return false
	}
	return true
}

// readHead sees whether the head of a stream is a whole hello. It reports whether
// the connection still has its slot.
func (s *scanner) readHead(sl *slot, t *stream) bool {
	if t.vpn != nil {
		return s.collectVPN(sl, t)
	}
	if t.head[0] == recordChangeCipherSpec {
		head := t.head
		t.clear()
		return s.search(sl, head, true)
	}
	if !t.confirmed {
		switch s.sniffHead(t) {
		case noHello:
			return s.searchAfter(sl, t, 1)
		case unusual:
			if t.expected {
				break
			}
			// By chance, the end of a preface and the first bytes of a hello can
			// look like an unusual hello.
			from := min(max(int(int32(t.usualFrom-t.start)), 1), len(t.head))
			at, found := s.usualBeginning(t.head, from)
			t.usualFrom = t.start + uint32(at)
			if found {
				return s.searchAfter(sl, t, at)
			}
		case isHello:
			t.confirmed = true
			t.messageLen = messageSize(t.head)
		}
	}
	if t.confirmed && t.helloLen == 0 {
		if _, t.helloLen = wholeHello(t.head); t.helloLen == 0 && !s.readChain(t) {
			return s.searchAfter(sl, t, 1)
		}
	}
	if t.helloLen == 0 || t.helloLen > len(t.head) {
		if len(t.head) > maxHead {
			s.endConnection(sl)
			return false
		}
		return true
	}
	head, length := t.head, t.helloLen
	message, records := s.message(head[:length])
	if message == nil {
		return s.searchAfter(sl, t, 1)
	}
	how := arrival{recordVersion(head), records, t.segmentCount, t.outOfOrder.conflict, t.aligned}
	start := t.start
	t.clear()
	return s.emitHello(sl, start, message, how) && s.search(sl, head[length:], sl.state&slotHelloSeen != 0)
}

// sniffHead is sniff for the head of a stream. Of short records it reads only what
// is new.
func (s *scanner) sniffHead(t *stream) verdict {
	v, more := sniffRecord(t.head)
	s.examined += min(sniffLooks, len(t.head))
	if !more {
		return v
	}
	if t.sniffer == nil {
		t.sniffer = new(sniffer)
	}
	before := t.sniffer.used
	v = t.sniffer.sniff(t.head)
	s.examined += t.sniffer.used - before
	return v
}

// readChain reads the new record headers of a hello that has begun. It reports
// whether the head may still be a hello.
func (s *scanner) readChain(t *stream) bool {
	before := t.chain.records
	end, ok := t.chain.extend(t.head, t.messageLen)
	s.examined += (t.chain.records - before + 1) * recordHeader
	t.helloLen = end
	if ok {
		return true
	}
	if t.deadEnds == nil {
		t.deadEnds = make(deadEnds)
	}
	_, headers := t.deadEnds.follow(t.head, t.start, t.messageLen)
	s.examined += headers * recordHeader
	return false
}

// message returns the handshake message in the records of b, and the number of
// records that hold it. The message is valid until the next call.
func (s *scanner) message(b []byte) (message []byte, records int) {
	s.examined += len(b)
	if message, _ := wholeHello(b); message != nil {
		return message, 1
	}
	s.assembler.Reset()
	message, _, _ = s.assembler.Next(b)
	return message, s.assembler.Records()
}

// searchAfter continues the search after the first n bytes of a head that is no hello.
func (s *scanner) searchAfter(sl *slot, t *stream, n int) bool {
	head, segments := t.head, t.segmentCount
	t.clear()
	t.segmentCount = segments
	return s.skipNonHello(sl, n, maxPreface) && s.search(sl, head[n:], false)
}

// A arrival is how a message came.
type arrival struct {
	version           parser.Version // of the first record
	records, segments int
	conflict          bool
	aligned           bool // whether a segment, or what is behind a hello, begins with it
}

// recordVersion returns the version of the record that b begins with.
func recordVersion(b []byte) parser.Version { return parser.Version(b[1])<<8 | parser.Version(b[2]) }

// emitHello hands over a hello that began at a sequence number. It reports whether
// the connection still has its slot: it is kept until the client's next record
// tells whether there is another hello.
func (s *scanner) emitHello(sl *slot, start uint32, message []byte, how arrival) bool {
	ss := &s.streams
	s.examined += len(message)
	err := s.decode(parser.TLS, message)
	if err != nil && !how.aligned || !acceptable(&s.clientHello, err) {
		// What only looked like a hello, or is one in pieces between other bytes.
		return s.skipNonHello(sl, len(message), maxPreface)
	}
	key := s.helloKey(start, message)
	known := ss.hellos.has(key) // by a second stream, or of a connection that was captured twice
	ss.hellos.add(key)
	index := 1
	if sl.state&slotHelloSeen != 0 {
		index = 2
	}
	s.hello = Hello{
		Transport:     parser.TLS,
		Index:         index,
		RecordVersion: how.version,
		Records:       how.records,
		Segments:      how.segments,
		Overlap:       how.conflict,
	}
	if !known {
		s.emitDecoded(err)
	}
	if index == 2 {
		s.endConnection(sl)
		return false
	}
	sl.state |= slotHelloSeen
	if s.clientHello.HasExtension(parser.ExtEarlyData) {
		sl.state |= slotEarlyData
	}
	if t := ss.streamOf(sl); t != nil {
		t.nonHello, t.deadEnds = 0, nil
	} else {
		sl.state &^= slotNumber
	}
	return true
}
