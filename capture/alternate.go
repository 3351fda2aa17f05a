package capture

import "bytes"

// A connection has an alternate stream when segments are missing and a hello seems
// to start behind the hole. If the missing segments are lost, the hello is real. If
// they are only late, it may be a part of a hello that starts in the hole, put
// there to be mistaken for one. So the first stream keeps waiting for the missing
// segments while the alternate one starts behind them.

// forkStream starts the alternate stream of a connection at a sequence number. It
// returns the slot of the first stream.
func (s *scanner) forkStream(sl *slot, sequence uint32) *slot {
	ss := &s.streams
	again := sl.state&slotForked != 0
	if again && ss.find(s.altKey()) != nil {
		return sl
	}
	if old := ss.find(s.altKey()); old != nil {
		s.dropConnection(old)
	}
	ss.insert(s.altKey(), sequence)
	if sl = ss.find(s.key); sl == nil { // insert has dropped it
		return ss.insert(s.key, sequence)
	}
	alternate := ss.find(s.altKey())
	alternate.state = sl.state & (slotHelloSeen | slotEarlyData)
	if t := ss.streamOf(sl); t != nil {
		if t.confirmed {
			alternate.state |= slotHelloSeen
		}
		// The bytes behind the hole are copied for the first fork only. Otherwise a
		// peer that provokes many forks would have them copied many times.
		if again {
			return sl
		}
		if rest := t.outOfOrder.copyFrom(sequence); len(rest.list) > 0 {
			s.examined += rest.memory
			ss.attach(alternate).outOfOrder = rest
		}
	}
	sl.state |= slotForked
	return sl
}

// receiveAlternate gives the payload of a segment to the alternate stream. It
// returns the slot of the first stream, or nil if that was dropped.
func (s *scanner) receiveAlternate(sequence uint32, p []byte, startsHello bool) *slot {
	ss := &s.streams
	key := s.key
	s.key = s.altKey()
	if sl := ss.find(s.key); sl != nil {
		if startsHello && s.isNewStart(sl, ss.streamOf(sl), sequence, p) {
			s.restart(sl, sequence)
		}
		s.receive(sl, sequence, p)
	}
	s.key = key
	return ss.find(key)
}

// altKey returns the key of the alternate stream of the connection.
func (s *scanner) altKey() uint64 { return mulFold(s.connection, s.streams.hasher[3]) | 1 }

// isNewStart reports whether a segment that starts a hello starts another one than
// the stream has: either the bytes before it are lost, or the server did not see
// the bytes that the stream has.
func (s *scanner) isNewStart(sl *slot, t *stream, sequence uint32, p []byte) bool {
	switch ahead := int32(sequence - sl.next); {
	case ahead >= 0:
		return ahead > 0
	case t != nil && t.framed != nil:
		return int32(sequence-t.framed.from) < 0
	case t != nil && len(t.head) > 0:
		return !t.confirmed && !s.isAgain(t, sequence, p)
	case p[0] == recordAlert && int(ahead)+len(p) <= 0:
		return false // sent again
	}
	return sl.state&slotHelloSeen == 0
}

// isAgain reports whether p, at a sequence number, begins in the head and agrees with
// it. Before the head there may be alerts or a ChangeCipherSpec.
func (s *scanner) isAgain(t *stream, sequence uint32, p []byte) bool {
	from := int(int32(sequence - t.start))
	if from < 0 {
		n := 0
		switch p[0] {
		case recordAlert:
			if n = skipAlerts(p); from+len(p) <= 0 {
				return true
			}
		case recordChangeCipherSpec:
			n = changeCipherSpecLen
		}
		from += n
		p = p[n:]
	}
	if from < 0 || from > len(t.head) {
		return false
	}
	n := min(len(p), len(t.head)-from)
	s.examined += n
	return bytes.Equal(p[:n], t.head[from:from+n])
}

// restart moves a stream to another sequence number.
func (s *scanner) restart(sl *slot, sequence uint32) {
	sl.next = sequence
	sl.state &^= slotFromSYN
	t := s.streams.streamOf(sl)
	if t == nil {
		sl.state &^= slotNumber
		return
	}
	t.nonHello = 0
	if t.confirmed {
		s.streams.incomplete++
		sl.state |= slotHelloSeen
	}
	t.clear()
	t.usualFrom, t.deadEnds = sequence, nil
	t.outOfOrder.discardBefore(sequence)
}
