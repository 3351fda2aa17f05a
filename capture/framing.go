package capture

// A framing is a protocol whose messages follow each other in a TCP stream. They carry
// datagrams with hellos, or another stream with one.
type framing interface {
	// next returns how many bytes the message at the start of b has, which is not empty,
	// without and with its padding. They are unknown unless the state is recordValid.
	next(b []byte) (length, padded int, state recordState)

	// read reads a message without its padding, whose first byte has the given
	// sequence number.
	read(s *scanner, sl *slot, t *stream, message []byte, sequence uint32) framingState

	// hasHello reports whether b, an incomplete message, has the beginning of a hello.
	hasHello(b []byte) bool

	// heldBytes returns the bytes from the beginning of an incomplete hello to the end
	// of the last message that was read.
	heldBytes() []byte
}

// A framingState says what may follow a message.
type framingState int

const (
	framingGoesOn  framingState = iota // more messages
	framingEnded                       // no hello
	framingBroken                      // something else: it was not this protocol
	framingRemoved                     // nothing: the connection has no slot any more
)

// A framingKind is a framing that is recognized by the first bytes of a segment.
type framingKind struct {
	first, last byte // range of the first byte

	// starts reports whether p, the payload of a segment, begins with messages of
	// this framing. It is recordIncomplete if p is too short to tell.
	starts func(p []byte) recordState

	layer LayerKind // of its hellos
	begin func() framing
}

// framingKinds must agree with mayBeFramed. To read another protocol, add its row
// here, its reader in a file of its own, and a line in docs/capture.md.
var framingKinds = []framingKind{
	{0x00, 0x01, startsTURN, LayerSTUN, func() framing { return new(turnStream) }},
	{0x40, 0x4f, startsTURN, LayerSTUN, func() framing { return new(turnStream) }},
	{0x00, maxFrameHigh, startsFrames, LayerRFC4571, func() framing { return new(frameStream) }},
	{tdsPrelogin, tdsPrelogin, startsTDS, LayerTDS, func() framing { return new(tdsStream) }},
}

// mayBeFramed reports whether a segment that begins with b may pass startsFraming.
func mayBeFramed(b byte) bool { return b <= maxFrameHigh || b>>4 == 4 || b == tdsPrelogin }

// startsFraming returns the kind of the messages that the payload of a segment begins
// with, or nil. Fewer than one random segment in 2^32 begins with any.
func startsFraming(p []byte) *framingKind {
	if kind, state := framingOf(p); state == recordValid {
		return kind
	}
	return nil
}

// framingOf returns the kind of the messages that p begins with. The state is
// recordIncomplete if p is too short to tell.
func framingOf(p []byte) (*framingKind, recordState) {
	state := recordInvalid
	for i := range framingKinds {
		if k := &framingKinds[i]; k.first <= p[0] && p[0] <= k.last {
			switch k.starts(p) {
			case recordValid:
				return k, recordValid
			case recordIncomplete:
				state = recordIncomplete
			}
		}
	}
	return nil, state
}

// A framedStream is the state of a stream that consists of messages of a framing.
// The head of the stream is an incomplete message.
type framedStream struct {
	framing
	layer   LayerKind
	from    uint32 // sequence number of the first message
	padding int    // bytes of padding that have not come
}

// incomplete reports whether there is a part of a hello, in earlier messages or in head.
func (f *framedStream) incomplete(head []byte) bool {
	return len(f.heldBytes()) > 0 || len(head) > 0 && f.hasHello(head)
}

const framedOverhead = 256 // bytes

// framingExamines is how many bytes framing.next examines at most.
const framingExamines = 8

// searchFraming looks for a framing at the start of p, the last bytes of the stream
// that have come. It reports whether there is one, or may be one at the start of the
// connection.
func (s *scanner) searchFraming(sl *slot, p []byte) (handled, alive bool) {
	kind, state := framingOf(p)
	s.examined += min(len(p), 2*minDTLSHello)
	switch {
	case state == recordValid:
		t := s.streams.attach(sl)
		t.segmentCount = max(t.segmentCount, 1)
		t.framed = &framedStream{framing: kind.begin(), layer: kind.layer, from: sl.next - uint32(len(p))}
		return true, s.readFramed(sl, t, p)
	case state == recordIncomplete && (s.streams.nonHello(sl) == 0 || sl.state&slotHelloSeen != 0):
		s.keepHead(sl, p, 0)
		return true, true
	}
	return false, true
}

// readFramed reads the messages in b, the last bytes of the stream that have come. It
// keeps an incomplete one as the head of the stream.
func (s *scanner) readFramed(sl *slot, t *stream, b []byte) (alive bool) {
	f := t.framed
	aligned := len(t.head) == 0 && f.padding == 0
	for {
		n := min(f.padding, len(b))
		f.padding -= n
		if b = b[n:]; len(b) == 0 {
			t.head = t.head[:0]
			return true
		}
		length, padded, state := f.next(b)
		s.examined += min(framingExamines, len(b))
		if state == recordIncomplete || state == recordValid && length > len(b) {
			s.keepHead(sl, b, 0)
			return true
		}
		after := framingBroken
		if state == recordValid {
			s.examined += length
			aligned = false
			after = f.read(s, sl, t, b[:length], sl.next-uint32(len(b)))
		}
		switch after {
		case framingBroken:
			if held := f.heldBytes(); len(held) > 0 { // it may be a hello without this framing
				s.examined += len(held) + len(b)
				b, aligned = append(held, b...), false
			}
			segments := t.segmentCount
			t.clear()
			t.segmentCount = segments
			return s.skipNonHello(sl, 0, maxPreface) && s.search(sl, b, aligned)
		case framingEnded:
			s.dropConnection(sl)
			return false
		case framingRemoved:
			return false
		}
		f.padding = padded - length
		b = b[length:]
		if len(f.heldBytes()) == 0 {
			t.segmentCount = min(len(b), 1)
		}
	}
}

// startsNewFraming reports whether a segment starts messages of a framing, or a TLS hello
// if startsHello is true. If the stream of sl, which may be nil, has a framing already,
// beginnings of hellos and of other messages are in its messages.
func (s *scanner) startsNewFraming(sl *slot, sequence uint32, p []byte, startsHello bool) bool {
	var kind *framingKind
	if mayBeFramed(p[0]) {
		if kind = startsFraming(p); kind != nil {
			s.examined += len(p)
		}
	}
	f := s.framedOf(sl)
	if f == nil {
		return startsHello || kind != nil
	}
	ahead, offset := int(int32(sequence-sl.next)), int(int32(sequence-f.from))
	switch {
	case ahead < -maxHead || ahead > maxHead: // another connection
		return startsHello || kind != nil
	case kind != nil && kind.layer == f.layer:
		if offset < 0 {
			s.readEarlier(sl, kind, p)
		}
		return ahead > 0
	case startsHello && offset <= 0: // the server did not see the messages
		s.restart(sl, sequence)
	}
	return false
}

// framedOf returns the state of a stream of messages, or nil if the connection has
// another stream or none.
func (s *scanner) framedOf(sl *slot) *framedStream {
	if sl == nil {
		return nil
	}
	if t := s.streams.streamOf(sl); t != nil {
		return t.framed
	}
	return nil
}

// readEarlier reads the whole messages with datagrams in the payload of a segment that
// comes before those of the stream. The start of the connection is not in the capture,
// and its segments come in another order.
func (s *scanner) readEarlier(sl *slot, kind *framingKind, p []byte) {
	if kind.layer == LayerTDS {
		return
	}
	f, t := kind.begin(), s.streams.streamOf(sl)
	for len(p) > 0 {
		length, padded, state := f.next(p)
		s.examined += min(framingExamines, len(p))
		if state != recordValid || length > len(p) {
			return
		}
		s.examined += length
		if f.read(s, sl, t, p[:length], 0) != framingGoesOn {
			return
		}
		p = p[min(padded, len(p)):]
	}
}

// countFramed counts n bytes of messages without a hello. It counts no more than tells
// that they are too many for a preface.
func (t *stream) countFramed(n int) {
	t.nonHello = uint32(min(int(t.nonHello)+n, maxPreface+1))
}

// maxRelayed is how many bytes of media and other data messages with datagrams may
// have before a connection is dropped. A hello comes before them, after some STUN.
// Later ones are found if they are at the start of a segment.
const maxRelayed = 64 << 10

// overTCP is a bit in scanner.channel of datagrams that come in a TCP stream. It keeps
// their flows apart from those over UDP.
const overTCP = 1 << 16

// precedesHello reports whether a datagram is of a kind that comes before the end of
// a handshake: STUN, or DTLS that is not encrypted.
func precedesHello(p []byte) bool {
	switch {
	case len(p) == 0:
		return true
	case p[0] <= 1:
		return isSTUN(p)
	case recordChangeCipherSpec <= p[0] && p[0] <= recordHandshake:
		return len(p) > dtlsRecordHeader && p[3] == 0 && p[4] == 0
	}
	return false
}

// minDTLSHello is the length of the headers of a DTLS record and of a fragment.
const minDTLSHello = dtlsRecordHeader + 12

// startsDTLSHello reports whether p, the first bytes of a datagram of n bytes, begins
// with a DTLS record with a fragment of a ClientHello. All lengths must be consistent,
// so that no random bytes pass. It is recordIncomplete if p is too short to tell.
func startsDTLSHello(p []byte, n int) recordState {
	for i, want := range [...]byte{0: recordHandshake, 1: 0xfe, 3: 0, 8: 0} {
		if i != 2 && i < len(p) && p[i] != want {
			return recordInvalid
		}
	}
	switch {
	case n < minDTLSHello, len(p) > 2 && p[2] < 0xfc:
		return recordInvalid
	case len(p) < minDTLSHello:
		return recordIncomplete
	}
	record := int(p[11])<<8 | int(p[12])
	m := p[dtlsRecordHeader:]
	length := int(m[1])<<16 | int(m[2])<<8 | int(m[3])
	offset := int(m[6])<<16 | int(m[7])<<8 | int(m[8])
	fragment := int(m[9])<<16 | int(m[10])<<8 | int(m[11])
	rest := n - dtlsRecordHeader - record
	switch {
	case rest < 0, m[0] != handshakeClientHello, m[4] != 0 || m[5] > 2,
		length < shortestHello || length > maxMessage,
		fragment == 0, 12+fragment > record, offset+fragment > length:
		return recordInvalid
	}
	if p = p[min(dtlsRecordHeader+record, len(p)):]; rest > 0 && len(p) > 1 && (p[0]>>2 != recordChangeCipherSpec>>2 || p[1] != 0xfe) {
		return recordInvalid
	}
	return recordValid
}
