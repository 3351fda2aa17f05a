package capture

// branch has a second stream begin in a connection, behind a hole, where a hello
// begins: what was to come before may be lost. But if it is only late, what looks
// like a hello here may be a part of one that begins in the hole, and was put there
// to be taken for it. So the first stream goes on to wait. It returns its slot.
func (s *scanner) branch(sl *slot, sequence uint32) *slot {
	ss := &s.streams
	again := sl.state&slotBranch != 0
	if again && ss.find(s.branchKey()) != nil {
		return sl
	}
	if old := ss.find(s.branchKey()); old != nil {
		s.forget(old)
	}
	ss.insert(s.branchKey(), sequence)
	if sl = ss.find(s.key); sl == nil { // dropped for it
		return ss.insert(s.key, sequence)
	}
	second := ss.find(s.branchKey())
	second.state = sl.state & (slotAfter | slotEarly)
	if t := ss.stream(sl); t != nil {
		if t.begun {
			second.state |= slotAfter
		}
		// Bytes behind the hole are copied for the first branch only. Otherwise a
		// peer that provokes many branches would have them copied many times.
		if again {
			return sl
		}
		if behind := t.behind.from(sequence); len(behind.list) > 0 {
			s.looked += behind.memory
			ss.attach(second).behind = behind
		}
	}
	sl.state |= slotBranch
	return sl
}

// follow takes the payload of a segment for the second stream of a connection. It
// returns the slot of the first, or nil if it was dropped.
func (s *scanner) follow(sequence uint32, p []byte, fresh bool) *slot {
	ss := &s.streams
	key := s.key
	s.key = s.branchKey()
	if sl := ss.find(s.key); sl != nil {
		if fresh && elsewhere(sl, ss.stream(sl), sequence) {
			s.restart(sl, sequence)
		}
		s.advance(sl, sequence, p)
	}
	s.key = key
	return ss.find(key)
}

// branchKey returns the key of the second stream of the connection.
func (s *scanner) branchKey() uint64 { return fold(s.connection, s.streams.hasher[3]) | 1 }

// elsewhere reports whether a segment that begins a hello begins another than
// the one at hand: what was to come before it is lost, or what came before was
// not what the server saw.
func elsewhere(sl *slot, t *stream, sequence uint32) bool {
	switch ahead := int32(sequence - sl.next); {
	case ahead >= 0:
		return ahead > 0
	case t != nil && len(t.head) > 0:
		return !t.begun && t.start != sequence
	}
	return sl.state&slotAfter == 0
}

// restart goes on in a stream at another place.
func (s *scanner) restart(sl *slot, sequence uint32) {
	sl.next = sequence
	t := s.streams.stream(sl)
	if t == nil {
		return
	}
	if t.begun {
		s.streams.incomplete++
		sl.state |= slotAfter
	}
	t.clear()
	t.tried, t.dead = sequence, nil
	t.behind.skip(sequence)
}
