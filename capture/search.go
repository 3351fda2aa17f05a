package capture

import (
	"bytes"

	"github.com/tlspeek/tlspeek/parser"
)

// search looks for a hello in p, the last bytes of the stream that have come. If p
// is aligned, it is the payload of a whole segment, or what follows a hello.
func (s *scanner) search(sl *slot, p []byte, aligned bool) (alive bool) {
	if aligned && len(p) > 0 && mayBeFramed(p[0]) {
		if handled, alive := s.searchFraming(sl, p); handled {
			return alive
		}
	}
	if aligned && len(p) > 0 && p[0] != recordHandshake && sl.state&slotHelloSeen == 0 {
		if s.streams.nonHello(sl) == 0 {
			if handled, alive := s.searchStart(sl, p); handled {
				return alive
			}
		}
		if p[0] == recordAlert {
			n := skipAlerts(p)
			s.examined += n
			// Otherwise the last byte of an alert may be the first one of a hello.
			if n < len(p) && s.sniff(p[n:]) != noHello {
				if !s.skipNonHello(sl, n, maxPreface) {
					return false
				}
				p = p[n:]
			}
		}
	}
	whole := p
	for len(p) > 0 {
		if sl.state&slotHelloSeen != 0 && p[0] != recordHandshake {
			switch n, state := ignoredRecord(p); {
			case state == recordIncomplete:
				s.keepHead(sl, p, 0)
				return true
			case state == recordValid:
				p = p[n:]
				continue
			case sl.state&slotEarlyData == 0:
				s.dropConnection(sl)
				return false
			}
			return s.skipNonHello(sl, len(p), maxEarly)
		}
		i := bytes.IndexByte(p, recordHandshake)
		if i < 0 {
			s.examined += len(p)
			return s.skipNonHello(sl, len(p), maxPreface)
		}
		s.examined += i + 1
		mayStart := s.mayStartHello(sl, p[i:])
		switch {
		case !mayStart && sl.state&slotHelloSeen != 0:
			s.dropConnection(sl)
			return false
		case !mayStart:
			if !s.skipNonHello(sl, i+1, maxPreface) {
				return false
			}
			p, aligned = p[i+1:], false
			continue
		}
		captured := notCaptured
		if sl.state&slotHelloSeen == 0 && (i > 0 || len(p) < len(whole) || s.streams.nonHello(sl) > 0) {
			captured = s.precedingEvidence(sl, whole, p[i:])
		}
		switch captured {
		case afterTCPAndIP:
			s.transfer(sl)
			return false
		case afterTCP:
			if !s.skipNonHello(sl, i+1, maxPreface) {
				return false
			}
			p, aligned = p[i+1:], false
			continue
		}
		s.countNonHello(sl, i)
		p, aligned = p[i:], aligned && i == 0
		message, length := singleRecordHello(p)
		before := whole[:len(whole)-len(p)]
		onlyRecords := s.onlyRecordsFollow(sl, before)
		if message == nil {
			if sl.state&slotHelloSeen == 0 && s.insidePacket(sl, sl.next-uint32(len(p)), before) {
				s.transfer(sl)
				return false
			}
			t := s.keepHead(sl, p, length)
			t.onlyRecords = onlyRecords
			if s.sniffer.used > 0 {
				t.sniffer = new(sniffer)
				*t.sniffer = s.sniffer
			}
			t.aligned = aligned
			t.expected = aligned && (t.nonHello == 0 || len(p) >= minStart)
			return s.readHead(sl, t)
		}
		segments, conflict := 1, false
		if t := s.streams.streamOf(sl); t != nil {
			segments, conflict = max(t.segmentCount, 1), t.outOfOrder.conflict
			t.segmentCount = 0
		}
		if !s.emitHello(sl, sl.next-uint32(len(p)), message, arrival{recordVersion(p), length, p[:length], 1, segments, conflict, aligned, onlyRecords, before, p[length:]}) {
			return false
		}
		p, aligned = p[length:], sl.state&slotHelloSeen != 0
	}
	return true
}

// searchStart looks for OpenVPN and for a hello in SSLv2 format, which are found only
// at the start of a connection. handled is false if p starts with neither.
func (s *scanner) searchStart(sl *slot, p []byte) (handled, alive bool) {
	if vpn := streamOpenVPN(p); vpn != nil {
		t := s.keepHead(sl, p, 0)
		t.vpn = vpn
		return true, s.readHead(sl, t)
	}
	message, state := sslv2Hello(p)
	switch {
	case state == recordValid:
		how := arrival{length: len(message), stream: message, segments: 1, aligned: true}
		if t := s.streams.streamOf(sl); t != nil {
			how.segments = max(t.segmentCount, 1)
			t.segmentCount = 0
		}
		alive = s.emitHello(sl, sl.next-uint32(len(p)), message, how)
		return true, alive && s.search(sl, p[len(message):], true)
	case state == recordIncomplete, isPartOfStreamOpenVPN(p):
		s.keepHead(sl, p, 0)
		return true, true
	}
	return false, true
}

// ignoredRecord returns the length of the record at the start of b, if it is one
// that servers ignore between two hellos: a ChangeCipherSpec (RFC 8446, appendix
// D.4) or a warning alert.
func ignoredRecord(b []byte) (n int, state recordState) {
	switch b[0] {
	case recordChangeCipherSpec:
		n = changeCipherSpecLen
	case recordAlert:
		if _, state := recordLength(b); state == recordInvalid {
			return 0, recordInvalid
		}
		n = alertRecord
	default:
		return 0, recordInvalid
	}
	if len(b) < n {
		return 0, recordIncomplete
	}
	return n, recordValid
}

// mayStartHello reports whether p may start a hello. The end of p is the end of
// what has come of the stream.
func (s *scanner) mayStartHello(sl *slot, p []byte) bool {
	if s.sniff(p) == noHello {
		return false
	}
	t := s.streams.streamOf(sl)
	if t == nil || t.deadEnds == nil {
		return true
	}
	if _, length := singleRecordHello(p); length > 0 {
		return true
	}
	ends, headers := t.deadEnds.follow(p, sl.next-uint32(len(p)), messageSize(p))
	s.examined += headers * recordHeader
	return !ends
}

// sniffExamines is how many bytes sniffRecord examines at most.
const sniffExamines = 16

// sniff calls the function sniff, counts the bytes that it examines, and leaves the
// state for short records in s.sniffer.
func (s *scanner) sniff(p []byte) verdict {
	v, more := sniffRecord(p)
	s.examined += min(sniffExamines, len(p))
	s.sniffer.reset()
	if more {
		v = s.sniffer.sniff(p)
		s.examined += s.sniffer.used
	}
	return v
}

// findUsual returns the first offset in b, not before from, at which a hello with a
// usual legacy_version starts. If there is none, it returns false and the offset
// before which none can start, whatever bytes follow b.
func (s *scanner) findUsual(b []byte, from int) (int, bool) {
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

// keepHead keeps p as the head of the stream until more bytes come. size is the
// length that the head will have, or 0 if it is unknown.
func (s *scanner) keepHead(sl *slot, p []byte, size int) *stream {
	t := s.streams.attach(sl)
	s.examined += t.setHead(p, min(size, maxPooledHead))
	t.start = sl.next - uint32(len(p))
	t.segmentCount = max(t.segmentCount, 1)
	return t
}

// skipNonHello counts n bytes that are no hello. Beyond the limit it drops the
// connection.
func (s *scanner) skipNonHello(sl *slot, n int, limit uint32) (alive bool) {
	s.countNonHello(sl, n)
	if t := s.streams.streamOf(sl); t != nil {
		t.segmentCount = 0
	}
	if s.streams.nonHello(sl) > limit {
		s.dropConnection(sl)
		return false
	}
	return true
}

// countNonHello counts n bytes that are no hello, without a limit.
func (s *scanner) countNonHello(sl *slot, n int) {
	if t := s.streams.streamOf(sl); t != nil {
		t.nonHello += uint32(n)
	} else {
		sl.state += uint32(n)
	}
}

// readHead looks for a whole hello in the head of a stream.
func (s *scanner) readHead(sl *slot, t *stream) (alive bool) {
	if t.vpn != nil {
		return s.readVPNHead(sl, t)
	}
	if t.head[0] != recordHandshake { // a part of an ignoredRecord, or of OpenVPN or SSLv2 at the start
		head, segments := t.head, t.segmentCount
		t.clear()
		if sl.state&slotHelloSeen == 0 {
			t.segmentCount = segments
		}
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
			at, found := s.findUsual(t.head, from)
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
		if _, t.helloLen = singleRecordHello(t.head); t.helloLen == 0 && !s.readChain(t) {
			return s.searchAfter(sl, t, 1)
		}
	}
	if t.helloLen == 0 || t.helloLen > len(t.head) {
		if len(t.head) > maxHead {
			s.dropConnection(sl)
			return false
		}
		return true
	}
	head, length := t.head, t.helloLen
	message, records := s.message(head[:length])
	if message == nil {
		return s.searchAfter(sl, t, 1)
	}
	how := arrival{recordVersion(head), length, head[:length], records, t.segmentCount, t.outOfOrder.conflict, t.aligned, t.onlyRecords, nil, head[length:]}
	start := t.start
	t.clear()
	return s.emitHello(sl, start, message, how) && s.search(sl, head[length:], sl.state&slotHelloSeen != 0)
}

// sniffHead is sniff for the head of a stream. Of short records it reads only what
// is new.
func (s *scanner) sniffHead(t *stream) verdict {
	v, more := sniffRecord(t.head)
	s.examined += min(sniffExamines, len(t.head))
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

// readChain reads the new record headers of a confirmed hello. It reports whether
// the head may still be a hello.
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
	if message, _ := singleRecordHello(b); message != nil {
		return message, 1
	}
	s.assembler.Reset()
	message, _, _ = s.assembler.Next(b)
	return message, s.assembler.Records()
}

// searchAfter continues the search after the first n bytes of a head that is no
// hello.
func (s *scanner) searchAfter(sl *slot, t *stream, n int) (alive bool) {
	head, segments := t.head, t.segmentCount
	if t.aligned {
		s.keepFailed(sl, t)
	}
	t.clear()
	t.segmentCount = segments
	return s.skipNonHello(sl, n, maxPreface) && s.search(sl, head[n:], false)
}

// An arrival says how a message came.
type arrival struct {
	version           parser.Version // of the first record
	length            int            // of its records, in bytes
	stream            []byte         // its records, or nil if they are in packets of OpenVPN or TDS
	records, segments int
	conflict          bool // parts came twice with different bytes
	aligned           bool // the message is at the start of a segment, or follows a hello

	onlyRecords   bool   // only TLS records may follow in the same segment
	before, after []byte // what the search has passed on its way to the message, and what follows it
}

// recordVersion returns the version of the record at the start of b.
func recordVersion(b []byte) parser.Version { return parser.Version(b[1])<<8 | parser.Version(b[2]) }

// emitHello emits the hello that starts at a sequence number. The connection keeps
// its slot until the client's next record tells whether there is another hello.
func (s *scanner) emitHello(sl *slot, start uint32, message []byte, how arrival) (alive bool) {
	ss := &s.streams
	s.examined += len(message)
	err := s.decode(parser.TLS, message)
	if err != nil && (!how.aligned || s.key == s.altKey()) || !acceptable(&s.clientHello, err) {
		// It only resembles a hello, as a part of another one behind a hole may, or it is a
		// hello in pieces between other bytes.
		return s.skipNonHello(sl, how.length, maxPreface)
	}
	if sl.state&slotHelloSeen == 0 && ss.nonHello(sl) > 0 && s.insidePacket(sl, start, how.before) {
		s.transfer(sl)
		return false
	}
	if how.onlyRecords && !s.mayFollowHello(how.after) {
		if sl.state&slotFromSYN != 0 {
			return s.skipNonHello(sl, how.length, maxPreface)
		}
		s.dropConnection(sl)
		return false
	}
	key := s.helloKey(start, message)
	repeated := ss.hellos.has(key) // by the alternate stream, or of a connection that was captured twice
	index, prefix := 1, int64(ss.nonHello(sl))
	if sl.state&slotHelloSeen != 0 {
		index, prefix = 2, 0
	}
	var memory [maxSame]*recentHello
	same, differs := false, false
	for _, e := range ss.recent.of(s.connection, memory[:0]) {
		switch {
		case how.stream == nil:
		case e.start != start:
			if e.index == 1 && e.isFollowedBy(start) && sl.state&slotFromSYN == 0 {
				index = 2
			}
		case bytes.Equal(ss.recent.stream(e), how.stream):
			same = true
		default:
			differs = true
			index, prefix = e.index, e.prefix
		}
	}
	repeated = same || repeated && !differs
	how.conflict = how.conflict || differs || s.overlaps
	if err != nil && how.conflict && !repeated {
		return s.skipNonHello(sl, how.length, maxPreface) // parts of several hellos
	}
	ss.hellos.add(key)
	s.hello = Hello{
		Transport:     parser.TLS,
		Index:         index,
		RecordVersion: how.version,
		Records:       how.records,
		Segments:      how.segments,
		Overlap:       how.conflict,
		Prefix:        prefix,
	}
	if !repeated {
		s.emitted++
		s.remember(start, &how, index, prefix)
		s.emitDecoded(err)
	}
	if index == 2 {
		s.dropConnection(sl)
		return false
	}
	sl.state |= slotHelloSeen
	if s.clientHello.HasExtension(parser.ExtEarlyData) {
		sl.state |= slotEarlyData
	}
	s.clearNonHello(sl)
	return true
}

// clearNonHello starts to count bytes that are no hello anew.
func (s *scanner) clearNonHello(sl *slot) {
	if t := s.streams.streamOf(sl); t != nil {
		t.nonHello, t.deadEnds = 0, nil
	} else {
		sl.state &^= slotNumber
	}
}
