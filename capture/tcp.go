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
		s.openConnection(sequence)
	}
	if len(payload) > 0 {
		s.segment(sequence, payload)
	}
	if flags&tcpFIN != 0 {
		s.endAt(sequence + uint32(len(payload)))
	}
}

// openConnection begins a connection, unless the SYN is one that came before.
func (s *scanner) openConnection(next uint32) {
	ss := &s.streams
	if sl := ss.find(s.key); sl != nil {
		if behind := sl.next - next; behind < 1<<16 {
			return
		}
		s.endConnection(sl)
	}
	ss.insert(s.key, next)
}

// endConnection ends a connection.
func (s *scanner) endConnection(sl *slot) {
	if t := s.streams.streamOf(sl); t != nil && t.confirmed {
		s.streams.incomplete++
	}
	s.streams.remove(sl)
}

// endAt ends a connection that sends no more from a sequence number on.
func (s *scanner) endAt(end uint32) {
	sl := s.streams.find(s.key)
	if sl == nil || sl.next != end {
		return
	}
	s.endConnection(sl)
}

// reset ends a connection that either side breaks off. A reset is believed only
// if it has the very number that its receiver would ask for: others come from
// elsewhere, or late.
func (s *scanner) reset(sequence, acknowledgement uint32) {
	if sl := s.streams.find(s.key); sl != nil {
		if sl.next == sequence {
			s.endConnection(sl)
		}
		return
	}
	key := s.reverseKey()
	if sl := s.streams.find(key); sl != nil && sl.next == acknowledgement {
		s.endConnection(sl)
	}
}

// segment takes the payload of a segment, at its place in the stream.
func (s *scanner) segment(sequence uint32, p []byte) {
	ss := &s.streams
	fresh := p[0] == recordHandshake && len(p) >= minFresh && s.sniff(p) != noHello &&
		!ss.hellos.has(s.helloKey(sequence, p[recordHeader:]))
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
		s.endConnection(sl)
		sl = ss.insert(s.key, sequence)
	case ahead > 0:
		sl = s.forkStream(sl, sequence)
	case isNewStart(sl, ss.streamOf(sl), sequence):
		s.restart(sl, sequence)
	}
	if sl.state&slotForked != 0 {
		sl = s.receiveFork(sequence, p, fresh)
	}
	if sl != nil {
		s.receive(sl, sequence, p)
	}
}

// startsHello reports whether a segment may be the beginning of a hello.
func startsHello(p []byte) bool { return len(p) >= minFresh && sniff(p) != noHello }

// receive takes the payload of a segment of the connection that sl is.
func (s *scanner) receive(sl *slot, sequence uint32, p []byte) {
	ss := &s.streams
	t := ss.streamOf(sl)
	switch ahead := int(int32(sequence - sl.next)); {
	case ahead > 0:
		s.keepOutOfOrder(sl, sequence, ahead, p)
		return
	case ahead < 0:
		if keepAlive := ahead == -1 && len(p) == 1; t != nil && !keepAlive { // whose byte is any (RFC 9293, section 3.8.4)
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
		if len(t.outOfOrder.list) > 0 { // which came first, and so holds
			s.examined += len(p)
			t.outOfOrder.add(sl.next, p)
			p = t.outOfOrder.takeFirst()
		}
	}
	if !s.consume(sl, p) {
		return
	}
	if t = ss.streamOf(sl); t == nil {
		return
	}
	if len(t.head) == 0 {
		if t.deadEnds = nil; len(t.outOfOrder.list) == 0 {
			ss.detach(sl, t)
			return
		}
	}
	ss.account(t)
}

// helloKey returns what a hello of this connection is known by, for the case
// that it comes again: where it begins, and its random.
func (s *scanner) helloKey(sequence uint32, message []byte) uint64 {
	const random = messageHeader + 2
	key := mulFold(s.connection, uint64(sequence)^s.streams.hasher[1])
	if len(message) >= random+8 {
		key = mulFold(key, binary.LittleEndian.Uint64(message[random:])^s.streams.hasher[2])
	}
	return key | 1
}

// keepOutOfOrder keeps a segment that came too early.
func (s *scanner) keepOutOfOrder(sl *slot, sequence uint32, ahead int, p []byte) {
	switch {
	case ahead+len(p) > maxHead:
		return
	case ahead > maxLate && sl.state&slotForked != 0:
		s.endConnection(sl)
		return
	}
	if sl.state&(slotHelloSeen|slotEarlyData) == slotHelloSeen && len(p) > 2 && p[0] == recordApplicationData && p[1] == 3 && p[2] <= 3 {
		s.endConnection(sl) // the handshake went on without a second hello
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

// compare notes whether p, at its sequence number, differs from what came before.
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

// consume goes on in the stream with p. It reports whether the connection still has
// its slot.
func (s *scanner) consume(sl *slot, p []byte) bool {
	sl.next += uint32(len(p))
	t := s.streams.streamOf(sl)
	if t == nil || len(t.head) == 0 {
		return s.search(sl, p, true)
	}
	t.append(p)
	s.examined += len(p)
	return s.readHead(sl, t)
}
