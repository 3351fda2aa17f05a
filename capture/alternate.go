package capture

// forkStream has a second stream begin in a connection, behind a hole, where a hello
// begins: what was to come before may be lost. But if it is only late, what looks
// like a hello here may be a part of one that begins in the hole, and was put there
// to be taken for it. So the first stream goes on to wait. It returns its slot.
func (s *scanner) forkStream(sl *slot, sequence uint32) *slot {
	ss := &s.streams
	again := sl.state&slotForked != 0
	if again && ss.find(s.altKey()) != nil {
		return sl
	}
	if old := ss.find(s.altKey()); old != nil {
		s.endConnection(old)
	}
	ss.insert(s.altKey(), sequence)
	if sl = ss.find(s.key); sl == nil { // dropped for it
		return ss.insert(s.key, sequence)
	}
	second := ss.find(s.altKey())
	second.state = sl.state & (slotHelloSeen | slotEarlyData)
	if t := ss.streamOf(sl); t != nil {
		if t.confirmed {
			second.state |= slotHelloSeen
		}
		// Bytes behind the hole are copied for the first branch only. Otherwise a
		// peer that provokes many branches would have them copied many times.
		if again {
			return sl
		}
		if behind := t.outOfOrder.copyFrom(sequence); len(behind.list) > 0 {
			s.examined += behind.memory
			ss.attach(second).outOfOrder = behind
		}
	}
	sl.state |= slotForked
	return sl
}

// receiveFork takes the payload of a segment for the second stream of a connection. It
// returns the slot of the first, or nil if it was dropped.
func (s *scanner) receiveFork(sequence uint32, p []byte, fresh bool) *slot {
	ss := &s.streams
	key := s.key
	s.key = s.altKey()
	if sl := ss.find(s.key); sl != nil {
		if fresh && isNewStart(sl, ss.streamOf(sl), sequence) {
			s.restart(sl, sequence)
		}
		s.receive(sl, sequence, p)
	}
	s.key = key
	return ss.find(key)
}

// altKey returns the key of the second stream of the connection.
func (s *scanner) altKey() uint64 { return mulFold(s.connection, s.streams.hasher[3]) | 1 }

// isNewStart reports whether a segment that begins a hello begins another than
// the one at hand: what was to come before it is lost, or what came before was
// not what the server saw.
func isNewStart(sl *slot, t *stream, sequence uint32) bool {
	switch ahead := int32(sequence - sl.next); {
	case ahead >= 0:
		return ahead > 0
	case t != nil && len(t.head) > 0:
		return !t.confirmed && t.start != sequence
	}
	return sl.state&slotHelloSeen == 0
}

// restart goes on in a stream at another place.
func (s *scanner) restart(sl *slot, sequence uint32) {
	sl.next = sequence
	t := s.streams.streamOf(sl)
	if t == nil {
		return
	}
	if t.confirmed {
		s.streams.incomplete++
		sl.state |= slotHelloSeen
	}
	t.clear()
	t.usualFrom, t.deadEnds = sequence, nil
	t.outOfOrder.discardBefore(sequence)
}
