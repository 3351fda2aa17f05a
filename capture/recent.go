package capture

import "bytes"

// recentHellos are the last hellos over TCP, with the bytes of their records. What
// comes again at their place is compared with them. A retransmission has the same
// bytes. A client that hides its hello sends another one at the same place, which the
// server does not accept, as its TTL is too low or its checksum is wrong.
type recentHellos struct {
	buf     []byte        // a ring, which grows to recentBytes
	written int64         // bytes ever put into the ring, with those left free at its end
	entries []recentHello // a ring, which grows to recentEntries
	count   int64         // entries ever added
	newest  [recentEntries]int64
}

const (
	recentEntries = 1 << 7
	recentBytes   = 64 << 10
	maxRecent     = 16 << 10 // longer hellos are not remembered
	maxSame       = 8        // hellos of a connection that are compared

	// maxBetween is how many bytes of records may come between two hellos unless there
	// is early data: a ChangeCipherSpec and some alerts.
	maxBetween = 64
)

// A recentHello is a hello that was emitted.
type recentHello struct {
	connection  uint64
	older       int64  // number of the entry before it with the same index in newest
	position    int64  // of its bytes in the ring
	start       uint32 // sequence number of the first byte
	length      uint32 // of its records
	lastSegment uint32 // offset of the segment that completed it
	from, to    uint32 // offsets of a part that was retransmitted
	segments    int    // in which it came
	spliced     bool   // its other segments were joined with another last one
	index       int
	prefix      int64
}

// end returns the sequence number after the hello.
func (e *recentHello) end() uint32 { return e.start + e.length }

// isFollowedBy reports whether the next hello of the connection may start at a
// sequence number.
func (e *recentHello) isFollowedBy(sequence uint32) bool { return sequence-e.end() <= maxBetween }

// add remembers a hello of a connection. stream has the bytes of its records.
func (r *recentHellos) add(connection uint64, stream []byte) *recentHello {
	n := len(stream)
	at := int(r.written % recentBytes)
	if at+n > recentBytes {
		r.written += int64(recentBytes - at)
		at = 0
	}
	if at+n > len(r.buf) {
		r.buf = append(r.buf[:at], stream...)
	} else {
		copy(r.buf[at:], stream)
	}
	if len(r.entries) < recentEntries {
		r.entries = append(r.entries, recentHello{})
	}
	newest := &r.newest[connection>>1%recentEntries]
	e := &r.entries[r.count%recentEntries]
	r.count++
	*e = recentHello{connection: connection, older: *newest, position: r.written, length: uint32(n)}
	*newest = r.count
	r.written += int64(n)
	return e
}

// of appends the hellos of a connection to list, the newest first.
func (r *recentHellos) of(connection uint64, list []*recentHello) []*recentHello {
	n := r.newest[connection>>1%recentEntries]
	for n > 0 && n > r.count-recentEntries && len(list) < cap(list) {
		e := &r.entries[(n-1)%recentEntries]
		if e.position < r.written-recentBytes {
			break
		}
		if e.connection == connection {
			list = append(list, e)
		}
		n = e.older
	}
	return list
}

// stream returns the bytes of a hello's records, until the next hello is added.
func (r *recentHellos) stream(e *recentHello) []byte {
	at := e.position % recentBytes
	return r.buf[at : at+int64(e.length)]
}

// remember adds a hello at a sequence number to the recent ones.
func (s *scanner) remember(start uint32, how *arrival, index int, prefix int64) {
	if len(how.stream) == 0 || len(how.stream) > maxRecent {
		return
	}
	e := s.streams.recent.add(s.connection, how.stream)
	e.start, e.segments, e.index, e.prefix = start, how.segments, index, prefix
	if offset := s.sequence - start; offset < e.length {
		e.lastSegment = offset
	}
}

// common returns the part of p, at a sequence number, that is at the place of e, and
// the offset of that part in e.
func (e *recentHello) common(sequence uint32, p []byte) (part []byte, from uint32) {
	offset := int(int32(sequence - e.start))
	if offset < 0 {
		p = p[min(-offset, len(p)):]
		offset = 0
	}
	return p[:max(0, min(len(p), int(e.length)-offset))], uint32(offset)
}

// addRetransmitted records that a part of e came again.
func (e *recentHello) addRetransmitted(from, to uint32) {
	if e.from == e.to || from > e.to || to < e.from {
		e.from, e.to = from, to
		return
	}
	e.from, e.to = min(e.from, from), max(e.to, to)
}

// replaces reports whether p, which starts a hello at a sequence number, differs from
// all hellos that are known to have started there.
func (s *scanner) replaces(sequence uint32, p []byte) bool {
	var memory [maxSame]*recentHello
	found := false
	for _, e := range s.streams.recent.of(s.connection, memory[:0]) {
		if e.start != sequence {
			continue
		}
		part, _ := e.common(sequence, p)
		s.examined += len(part)
		if bytes.HasPrefix(s.streams.recent.stream(e), part) {
			return false
		}
		found = true
	}
	return found
}

// receiveAgain compares a segment with the hellos that were emitted. If it differs
// from a hello that was at its place, the stream restarts there. It returns what the
// stream is to receive.
func (s *scanner) receiveAgain(sl *slot, sequence uint32, p []byte, starts bool) (uint32, []byte) {
	if len(p) == 1 && sequence == sl.next-1 {
		return sequence, p // a keep-alive
	}
	recent := &s.streams.recent
	var memory [maxSame]*recentHello
	var other *recentHello
	follows := false
	for _, e := range recent.of(s.connection, memory[:0]) {
		part, from := e.common(sequence, p)
		if len(part) == 0 {
			follows = follows || e.isFollowedBy(sequence) && (starts || isChangeCipherSpec(p))
			continue
		}
		s.examined += len(part)
		if !bytes.Equal(part, recent.stream(e)[from:from+uint32(len(part))]) {
			if other == nil {
				other = e
			}
			continue
		}
		if len(part) == int(e.length) {
			return e.end(), p[e.end()-sequence:]
		}
		e.addRetransmitted(from, from+uint32(len(part)))
		return sequence, p
	}
	switch {
	case other == nil || sl.state&slotHelloSeen == 0:
		return sequence, p
	case follows: // the server has taken a hello that ends before the other one
		s.restart(sl, sequence)
		return sequence, p
	}
	return s.restartAt(sl, other, sequence, p)
}

// restartAt moves a stream back to the start of a hello, as p differs from it. It
// returns what the stream is still to receive.
func (s *scanner) restartAt(sl *slot, e *recentHello, sequence uint32, p []byte) (uint32, []byte) {
	ss := &s.streams
	s.restart(sl, e.start)
	sl.state = sl.state&^(slotHelloSeen|slotEarlyData) | slotRestarted
	s.clearNonHello(sl)
	if before := int32(e.start - sequence); before > 0 {
		sequence, p = e.start, p[before:]
	}
	stream := ss.recent.stream(e)
	from, to := e.from, e.to
	if from == to && !e.spliced && sequence == e.start+e.lastSegment {
		// Either the first segments are the same, or those behind this one came first
		// also of the other hello.
		e.spliced = true
		switch {
		case e.lastSegment > 0:
			to = e.lastSegment
		case e.segments > 1:
			from, to = min(uint32(len(p)), e.length), e.length
		}
	}
	e.from, e.to = 0, 0
	if from < to {
		s.receive(sl, e.start+from, stream[from:to])
	}
	return sequence, p
}

// isChangeCipherSpec reports whether p begins with a ChangeCipherSpec.
func isChangeCipherSpec(p []byte) bool {
	return len(p) >= changeCipherSpecLen && p[0] == recordChangeCipherSpec && p[3] == 0 && p[4] == 1 && p[5] == 1
}
