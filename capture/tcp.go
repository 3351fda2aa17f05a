package capture

import (
	"bytes"
	"encoding/binary"
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

	// maxPreface is how many bytes of a connection are searched for a hello at any
	// offset. Beyond that, a hello is found only at the start of a segment.
	maxPreface = 16 << 10

	// maxEarly is how many bytes of early data may come between two hellos.
	maxEarly = 64 << 10

	// maxHead is how many bytes of records a hello may have: 64 KiB of message in
	// records of one byte.
	maxHead = 6 * (maxMessage + messageHeader)

	// maxLate is how far a connection may go on after a hole behind which a hello
	// was found. It is more than a usual window, and a client that waits for an
	// answer sends no more: the missing segments were not captured.
	maxLate = 128 << 10

	// maxHoles is how many holes a stream may have. No client makes that many, and
	// each one makes it slower to insert a segment.
	maxHoles = 1024

	// minStart is how many bytes a segment of an unknown connection must have to
	// start a hello.
	minStart = recordHeader + messageHeader + 2

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
	// Most segments without data are acknowledgments and end here.
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
		s.openConnection(sequence)
	}
	if len(payload) > 0 {
		s.segment(sequence, payload)
		if s.cut {
			s.countCutSegment()
		}
	}
	if flags&tcpFIN != 0 {
		s.finished(sequence + uint32(len(payload)))
	}
}

// openConnection starts a connection, unless its SYN is a retransmission.
func (s *scanner) openConnection(next uint32) {
	ss := &s.streams
	if sl := ss.find(s.key); sl != nil {
		if received := sl.next - next; received < 1<<16 && sl.state&slotClosed == 0 {
			return
		}
		s.dropConnection(sl)
	}
	s.copies.remove(s.key)
	ss.insert(s.key, next).state = slotFromSYN
}

// finished closes a connection whose client sends nothing from a sequence number on,
// once all bytes before that have come.
func (s *scanner) finished(end uint32) {
	sl := s.streams.find(s.key)
	switch {
	case sl == nil:
	case sl.state&slotTransfer != 0:
		s.dropConnection(sl)
	case sl.next == end:
		s.closeConnection(sl)
	}
}

// reset closes a connection that either side has reset. The sequence number must be
// exactly the one that the receiver expects: other resets are forged or late.
func (s *scanner) reset(sequence, acknowledgment uint32) {
	if sl := s.streams.find(s.key); sl != nil {
		if sl.next == sequence {
			s.closeConnection(sl)
		}
		return
	}
	key := s.reverseKey()
	if sl := s.streams.find(key); sl != nil && sl.next == acknowledgment {
		s.closeConnection(sl)
	}
}

// closeConnection drops a connection unless it has a part of a hello. Then it may go
// on, as a FIN or RST may be forged by one who sees the connection. A second hello is
// recognized without a slot, by the bytes before it.
func (s *scanner) closeConnection(sl *slot) {
	if sl.state&slotHasStream == 0 {
		s.dropConnection(sl)
		return
	}
	sl.state |= slotClosed
}

// dropConnection removes the slot of a connection. A hello that has begun counts as
// incomplete.
func (s *scanner) dropConnection(sl *slot) {
	if t := s.streams.streamOf(sl); t != nil && t.incomplete() {
		s.streams.incomplete++
	}
	s.streams.remove(sl)
}

// segment reads the payload of a segment.
func (s *scanner) segment(sequence uint32, p []byte) {
	ss := &s.streams
	s.sequence, s.overlaps = sequence, false
	sl := ss.find(s.key)
	if sl != nil && sl.state&slotTransfer != 0 {
		n := s.skipTransferred(sl, sequence, len(p))
		if n == len(p) {
			return
		}
		sequence, p = sequence+uint32(n), p[n:]
		sl = ss.find(s.key)
	}
	starts := mayBeRecord(p[0]) && len(p) >= minStart && s.startsNewHello(sequence, p)
	if starts || mayBeFramed(p[0]) {
		starts = s.startsNewFraming(sl, sequence, p, starts)
	}
	adopted := sl == nil
	if adopted {
		if !starts && !s.adopts(sequence, p) || s.isResponse() {
			return
		}
		sl = ss.insert(s.key, sequence)
		if isChangeCipherSpec(p) {
			sl.state = slotHelloSeen // as none comes before the first hello
		}
	}
	if before := int32(sl.next - sequence); before > 0 && before <= maxHead && ss.isAtStart(sl) {
		// Bytes before the first one of a stream, which the server discards.
		if int(before) >= len(p) {
			return
		}
		sequence, p = sl.next, p[before:]
		starts = startsHello(p)
		s.overlaps = true
	}
	if c := s.copiesOf(sl, sequence, p); c != nil {
		s.placeCopy(c, sl, sequence, p, starts)
	} else {
		s.place(sl, sequence, p, starts)
	}
	if adopted {
		if sl = ss.find(s.key); sl != nil && sl.state&slotHasStream != 0 {
			s.lookBack()
		}
	}
}

// place gives the payload of a segment to its connection.
func (s *scanner) place(sl *slot, sequence uint32, p []byte, starts bool) {
	ss := &s.streams
	if sl.state&slotRestarted != 0 || sl.state&slotHelloSeen != 0 && int32(sequence-sl.next) < 0 {
		sequence, p = s.receiveAgain(sl, sequence, p, starts)
		if sl = ss.find(s.key); sl == nil || len(p) == 0 {
			return
		}
	}
	switch ahead := int(int32(sequence - sl.next)); {
	case sl.state&slotClosed != 0 && ahead == 0:
		sl.state &^= slotClosed // the FIN or RST was forged
	case !starts:
	case ahead < -maxHead || ahead > maxHead, sl.state&slotClosed != 0 && s.isAnother(sl, sequence): // another connection, whose SYN is lost
		s.dropConnection(sl)
		sl = ss.insert(s.key, sequence)
	case ahead > 0:
		sl = s.forkStream(sl, sequence)
	case s.isNewStart(sl, ss.streamOf(sl), sequence, p):
		s.overlaps = s.overlaps || ahead < 0
		s.restart(sl, sequence)
	}
	if sl.state&slotForked != 0 {
		sl = s.receiveAlternate(sequence, p, starts)
	}
	if sl != nil {
		s.receive(sl, sequence, p)
	}
}

// startsNewHello is startsHello for payloads of at least minStart bytes. It reports
// false if the hello has been emitted.
func (s *scanner) startsNewHello(sequence uint32, p []byte) bool {
	n := 0
	switch p[0] {
	case recordAlert:
		n = skipAlerts(p)
		s.examined += n
		if n > 0 && isPartOfAlert(p[n:]) {
			return true
		}
	case recordChangeCipherSpec:
		if !isChangeCipherSpec(p) {
			return false
		}
		n = changeCipherSpecLen
	}
	hello := p[n:]
	start := sequence + uint32(n)
	return s.sniff(hello) != noHello &&
		(!s.streams.hellos.has(s.helloKey(start, hello[min(recordHeader, len(hello)):])) || s.replaces(start, hello))
}

// startsHello reports whether the payload of a segment may start a hello, also after
// warning alerts or a ChangeCipherSpec, or consists of warning alerts after which one
// may start.
func startsHello(p []byte) bool {
	if len(p) < minStart {
		return false
	}
	switch p[0] {
	case recordAlert:
		n := skipAlerts(p)
		if p = p[n:]; n > 0 && isPartOfAlert(p) {
			return true
		}
	case recordChangeCipherSpec:
		if !isChangeCipherSpec(p) {
			return false
		}
		p = p[changeCipherSpecLen:]
	}
	return sniff(p) != noHello
}

// mayBeRecord reports whether a segment that begins with b may pass startsHello.
func mayBeRecord(b byte) bool { return recordChangeCipherSpec <= b && b <= recordHandshake }

// isAnother reports whether a hello at a sequence number is of another connection
// than that of sl, which a FIN or RST has closed.
func (s *scanner) isAnother(sl *slot, sequence uint32) bool {
	if t := s.streams.streamOf(sl); t != nil && len(t.head) > 0 {
		return sequence != t.start
	}
	return sequence-sl.next > maxBetween
}

// receive puts the payload of a segment at its place in the stream of sl.
func (s *scanner) receive(sl *slot, sequence uint32, p []byte) {
	ss := &s.streams
	t := ss.streamOf(sl)
	switch ahead := int(int32(sequence - sl.next)); {
	case ahead > 0:
		s.keepOutOfOrder(sl, sequence, ahead, p)
		return
	case ahead < 0:
		// The byte of a keep-alive is arbitrary (RFC 9293, section 3.8.4).
		if keepAlive := ahead == -1 && len(p) == 1; t != nil && !keepAlive {
			s.examined += len(p)
			t.compare(sequence, p)
		}
		if len(p) <= -ahead {
			return
		}
		p = p[-ahead:]
	}
	if t != nil {
		t.segmentCount++
		if len(t.outOfOrder.list) > 0 { // its bytes came first, so they are kept
			s.examined += len(p)
			t.outOfOrder.add(sl.next, p)
			p = t.outOfOrder.takeFirst()
		}
	}
	if alive := s.consume(sl, p); !alive {
		return
	}
	if t = ss.streamOf(sl); t == nil {
		return
	}
	t.outOfOrder.conflict = t.outOfOrder.conflict || s.overlaps
	if len(t.head) == 0 && t.framed == nil {
		if t.deadEnds = nil; len(t.outOfOrder.list) == 0 {
			ss.detach(sl, t)
			return
		}
	}
	ss.account(t)
}

// helloKey returns a key by which to recognize a hello that comes again in the same
// connection: a hash of its sequence number and its random.
func (s *scanner) helloKey(sequence uint32, message []byte) uint64 {
	const random = messageHeader + 2
	key := mulFold(s.connection, uint64(sequence)^s.streams.hasher[1])
	if len(message) >= random+8 {
		key = mulFold(key, binary.LittleEndian.Uint64(message[random:])^s.streams.hasher[2])
	}
	return key | 1
}

// keepOutOfOrder keeps the payload of a segment that is ahead of the next byte.
func (s *scanner) keepOutOfOrder(sl *slot, sequence uint32, ahead int, p []byte) {
	switch {
	case ahead+len(p) > maxHead:
		return
	case ahead > maxLate && sl.state&slotForked != 0:
		s.dropConnection(sl)
		return
	}
	if sl.state&(slotHelloSeen|slotEarlyData) == slotHelloSeen && len(p) > 2 && p[0] == recordApplicationData && p[1] == 3 && p[2] <= 3 {
		s.dropConnection(sl) // the handshake went on without a second hello
		return
	}
	t := s.streams.attach(sl)
	if len(t.outOfOrder.list) >= maxHoles {
		return
	}
	t.segmentCount++
	s.examined += len(p)
	t.outOfOrder.add(sequence, p)
	s.streams.account(t)
}

// compare records whether p, at its sequence number, differs from the head.
func (t *stream) compare(sequence uint32, p []byte) {
	from := int(int32(sequence - t.start))
	if from < 0 {
		p = p[min(-from, len(p)):]
		from = 0
	}
	if from < len(t.head) {
		n := min(len(p), len(t.head)-from)
		t.outOfOrder.conflict = t.outOfOrder.conflict || !bytes.Equal(p[:n], t.head[from:from+n])
	}
}

// consume reads p, the next bytes of a stream. It reports whether the connection
// still has its slot and is searched.
func (s *scanner) consume(sl *slot, p []byte) (alive bool) {
	t := s.streams.streamOf(sl)
	if t != nil && t.framed != nil {
		sl.next += uint32(len(p))
		if len(t.head) == 0 {
			return s.readFramed(sl, t, p)
		}
		t.append(p)
		s.examined += len(p)
		return s.readFramed(sl, t, t.head)
	}
	preface := sl.state&slotHelloSeen == 0 && (p[0] != recordHandshake || s.streams.nonHello(sl) > 0) &&
		(t == nil || !t.confirmed && t.vpn == nil)
	if preface {
		n, alive := s.searchTransfer(sl, t, p)
		if p = p[n:]; !alive || len(p) == 0 {
			return alive
		}
	}
	sl.next += uint32(len(p))
	if t == nil || len(t.head) == 0 {
		alive = s.search(sl, p, true)
	} else {
		t.append(p)
		s.examined += len(p)
		alive = s.readHead(sl, t)
	}
	if alive && preface && sl.state&slotHelloSeen == 0 {
		s.examined += s.tails.keep(sl.key, sl.next, p)
	}
	return alive
}
