package capture

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/parser"
)

// A client that hides its hello sends other bytes at the same place before and after each
// part of it, which the server does not accept. Which ones count cannot be told from one
// segment. So once bytes of a connection without a hello come twice and may differ, its
// segments are kept in all their copies, and a hello is looked for in any choice among
// them. It must be well-formed: most mixtures of a hello with other bytes are not.

// A copiedPart is the payload of a segment, or what had come of the stream before.
type copiedPart struct {
	start uint32 // sequence number
	rank  int    // how many other parts with the same start came before
	order int    // how many parts of the connection came before
	data  []byte
}

func (p *copiedPart) end() uint32 { return p.start + uint32(len(p.data)) }

// copies are the parts of a connection, sorted by start.
type copies struct {
	key   uint64
	node  lru.Node[copies] // in allCopies.byAge; the size is about the bytes held
	parts []copiedPart
	bytes int // of all parts
	added int // parts

	// budget is how much work may still be done. So the work for all choices is linear
	// in the bytes that came.
	budget int
}

const (
	maxCopiedParts = 128
	maxCopiedBytes = 64 << 10 // of a connection
	maxCopies      = 2 << 20  // bytes of all connections
	copiesOverhead = 512      // bytes that the copies of a connection take besides the data
	workPerByte    = 64       // that is added to the budget
)

// allCopies are the connections with copies.
type allCopies struct {
	byKey map[uint64]*copies
	byAge lru.List[copies]
}

func (a *allCopies) add(key uint64) *copies {
	if a.byKey == nil {
		a.byKey = make(map[uint64]*copies)
	}
	c := &copies{key: key}
	a.byKey[key] = c
	a.byAge.Add(&c.node, c, copiesOverhead)
	return c
}

func (a *allCopies) remove(key uint64) {
	if len(a.byKey) == 0 {
		return
	}
	if c := a.byKey[key]; c != nil {
		a.byAge.Remove(&c.node)
		delete(a.byKey, key)
	}
}

// add adds a copy of data, unless it is there or there is no room.
func (c *copies) add(start uint32, data []byte) (added bool) {
	if len(data) == 0 || len(c.parts) >= maxCopiedParts || c.bytes+len(data) > maxCopiedBytes {
		return false
	}
	if len(c.parts) > 0 {
		if apart := int32(start - c.parts[0].start); apart > maxCopiedBytes || apart < -maxCopiedBytes {
			return false
		}
	}
	at, rank := 0, 0
	for i := range c.parts {
		switch p := &c.parts[i]; {
		case int32(p.start-start) > 0:
			continue
		case p.start == start && bytes.Equal(p.data, data):
			return false
		case p.start == start:
			rank++
		}
		at = i + 1
	}
	c.parts = slices.Insert(c.parts, at, copiedPart{start, rank, c.added, bytes.Clone(data)})
	c.added++
	c.bytes += len(data)
	c.budget += workPerByte * len(data)
	return true
}

// differs reports whether data, at a position, differs from a part that is there.
func (s *segments) differs(position uint32, data []byte) bool {
	for i := range s.list {
		g := &s.list[i]
		from := int(int32(g.start - position))
		if from >= len(data) {
			return false
		}
		have, other := g.data(), data
		if from >= 0 {
			other = data[from:]
		} else {
			have = have[min(-from, len(have)):]
		}
		if n := min(len(have), len(other)); !bytes.Equal(have[:n], other[:n]) {
			return true
		}
	}
	return false
}

// isOtherCopy reports whether p, at a sequence number, may differ from what has come
// there. No byte of a hello that was found is asked for.
func (s *scanner) isOtherCopy(sl *slot, sequence uint32, p []byte) bool {
	t := s.streams.streamOf(sl)
	ahead := int(int32(sequence - sl.next))
	switch {
	case t == nil:
		return ahead < 0 && ahead >= -maxHead
	case t.framed != nil || t.vpn != nil || ahead < -maxHead:
		return false
	case ahead < 0:
		from := int(int32(sequence - t.start))
		if len(t.head) == 0 || from < 0 {
			return true // the bytes there are not kept
		}
		n := min(len(p), len(t.head)-from)
		s.examined += n
		if !bytes.Equal(p[:n], t.head[from:from+n]) {
			return true
		}
	}
	if len(t.outOfOrder.list) == 0 {
		return false
	}
	s.examined += len(p)
	return t.outOfOrder.differs(sequence, p)
}

// copiesOf returns the copies of the connection, or nil if all segments agree, which is
// the usual case.
func (s *scanner) copiesOf(sl *slot, sequence uint32, p []byte) *copies {
	if len(s.copies.byKey) > 0 {
		if c := s.copies.byKey[s.key]; c != nil {
			return c
		}
	}
	// What comes after a hello is compared with that: see receiveAgain.
	if sl.state&(slotHelloSeen|slotRestarted) != 0 || !s.isOtherCopy(sl, sequence, p) {
		return nil
	}
	c := s.copies.add(s.key)
	if t := s.streams.streamOf(sl); t != nil {
		c.add(t.start, t.head)
		for i := range t.outOfOrder.list {
			c.add(t.outOfOrder.list[i].start, t.outOfOrder.list[i].data())
		}
		s.examined += c.bytes
	}
	s.resizeCopies(c)
	return c
}

// keepFailed keeps the head of a stream that turned out to be no hello. It may have begun
// as one, and its other parts may still come.
func (s *scanner) keepFailed(sl *slot, t *stream) {
	if s.key != s.connection || sl.state&(slotHelloSeen|slotRestarted) != 0 || s.copies.byKey[s.key] != nil {
		return
	}
	c := s.copies.add(s.key)
	c.add(t.start, t.head)
	s.examined += len(t.head)
	s.resizeCopies(c)
}

// resizeCopies records how much memory the copies of a connection take, and drops the
// oldest ones if all take too much.
func (s *scanner) resizeCopies(c *copies) {
	a := &s.copies
	a.byAge.Resize(&c.node, copiesOverhead+c.bytes)
	for o := a.byAge.Evict(maxCopies); o != nil; o = a.byAge.Evict(maxCopies) {
		delete(a.byKey, o.key)
	}
}

// placeCopy places a segment of a connection with copies.
func (s *scanner) placeCopy(c *copies, sl *slot, sequence uint32, p []byte, starts bool) {
	added := c.add(sequence, p)
	if added {
		s.examined += len(p)
		s.resizeCopies(c)
	}
	order := c.added - 1
	seen := sl.state&slotHelloSeen != 0
	if added && seen && int32(sequence-sl.next) < 0 && s.findInCopies(c, order) {
		return
	}
	before := s.emitted
	s.place(sl, sequence, p, starts)
	switch {
	case s.emitted == before:
		if added && !seen {
			s.findInCopies(c, order)
		}
	case !s.hello.Overlap:
		s.copies.remove(c.key)
	}
}

// findInCopies looks for a hello with a new part in it. If there is one, the stream
// restarts with it.
func (s *scanner) findInCopies(c *copies, order int) (found bool) {
	i := slices.IndexFunc(c.parts, func(p copiedPart) bool { return p.order == order })
	search := copySearch{s: s, c: c, with: &c.parts[i]}
	before := c.budget
	for i := range c.parts {
		p := &c.parts[i]
		if int32(p.start-search.with.end()) >= 0 {
			break
		}
		if p.data[0] != recordHandshake || i > 0 && c.parts[i-1].start == p.start && c.parts[i-1].data[0] == recordHandshake {
			continue
		}
		search.start, search.end = p.start, c.reach(i)
		if int32(search.end-search.with.start) <= 0 {
			continue
		}
		search.parts = 0
		if found = search.from(nil, nil, false); found {
			break
		}
	}
	s.examined += before - c.budget
	if !found {
		return false
	}
	s.restartWith(&search)
	return true
}

// reach returns the end of the bytes without a hole from the start of a part on.
func (c *copies) reach(i int) uint32 {
	end := c.parts[i].start
	for _, p := range c.parts[i:] {
		if int32(p.start-end) > 0 {
			break
		}
		if int32(p.end()-end) > 0 {
			end = p.end()
		}
	}
	return end
}

// A copySearch looks for a hello in any choice among copies.
type copySearch struct {
	s          *scanner
	c          *copies
	with       *copiedPart // which must be a part of the hello
	start, end uint32      // sequence numbers between which there is no hole
	stream     []byte      // the records of the hello that was found
	parts      int         // of which it consists
}

// from tries all ways to go on after the bytes in b. last is the part that the last of
// them are from. has reports whether with is in b.
func (f *copySearch) from(b []byte, last *copiedPart, has bool) (found bool) {
	var tried [][]byte
	at := f.start + uint32(len(b))
	candidates, end := f.c.at(at)
	if last != nil {
		slices.SortStableFunc(candidates, func(p, q *copiedPart) int {
			return cmp.Compare(p.distance(last), q.distance(last))
		})
	}
	for _, p := range candidates {
		data := p.data[at-p.start : end-p.start]
		f.c.budget -= len(f.c.parts) + len(data) + recordHeader
		if f.c.budget < 0 {
			return false
		}
		if slices.ContainsFunc(tried, func(t []byte) bool { return bytes.Equal(t, data) }) {
			continue
		}
		tried = append(tried, data)
		if f.try(append(b, data...), p, has || f.includes(at, data)) {
			if p != last {
				f.parts++
			}
			return true
		}
	}
	return false
}

// try checks whether b is a hello, or may become one.
func (f *copySearch) try(b []byte, last *copiedPart, has bool) (found bool) {
	if v, more := sniffRecord(b); v == noHello && !more {
		return false
	}
	_, length := singleRecordHello(b)
	if length == 0 && len(b) >= recordHeader+messageHeader {
		var ok bool
		var records chain
		length, ok = records.extend(b, messageSize(b))
		if f.c.budget -= records.records * recordHeader; !ok {
			return false
		}
	}
	switch {
	case length == 0 || length > len(b):
		need := max(length, recordHeader+messageSize(b))
		return need <= int(f.end-f.start) && len(b) < int(f.end-f.start) && f.from(b, last, has)
	case !has:
		return false
	}
	message, _ := f.s.message(b[:length])
	f.c.budget -= 2 * length
	if message == nil || f.s.isRecent(f.start, b[:length]) {
		return false
	}
	if err := f.s.decode(parser.TLS, message); err != nil || !acceptable(&f.s.clientHello, nil) {
		return false
	}
	f.stream = b[:length]
	return true
}

// includes reports whether data, at a sequence number, is of the part that must be in
// the hello.
func (f *copySearch) includes(at uint32, data []byte) bool {
	from := int(int32(at - f.with.start))
	return from >= 0 && from+len(data) <= len(f.with.data) && bytes.Equal(f.with.data[from:from+len(data)], data)
}

// at returns the parts at a sequence number, the newest first, and where the next part
// begins or one of them ends.
func (c *copies) at(sequence uint32) (list []*copiedPart, end uint32) {
	end = sequence + maxCopiedBytes
	for i := range c.parts {
		p := &c.parts[i]
		next := p.end()
		switch {
		case int32(next-sequence) <= 0:
			continue
		case int32(p.start-sequence) > 0:
			next = p.start
		default:
			list = append(list, p)
		}
		if int32(next-end) < 0 {
			end = next
		}
	}
	slices.SortFunc(list, func(p, q *copiedPart) int { return q.order - p.order })
	return list, end
}

// distance says how little a part resembles the last one: all parts of a fake hello come
// at the same place among the copies.
func (p *copiedPart) distance(last *copiedPart) int {
	switch {
	case p == last:
		return -1
	case p.rank < last.rank:
		return last.rank - p.rank
	}
	return p.rank - last.rank
}

// isRecent reports whether a hello that starts at a sequence number was emitted.
func (s *scanner) isRecent(start uint32, stream []byte) bool {
	var memory [maxSame]*recentHello
	for _, e := range s.streams.recent.of(s.connection, memory[:0]) {
		if e.start == start && bytes.Equal(s.streams.recent.stream(e), stream) {
			return true
		}
	}
	return false
}

// restartWith moves the stream back to the start of the hello that was found.
func (s *scanner) restartWith(f *copySearch) {
	ss := &s.streams
	sl := ss.find(s.key)
	if sl == nil {
		sl = ss.insert(s.key, f.start)
	}
	before := int(ss.nonHello(sl)) - int(int32(sl.next-f.start))
	if t := ss.streamOf(sl); t != nil {
		before += len(t.head)
		t.clear()
		t.outOfOrder = segments{}
	}
	s.restart(sl, f.start)
	sl.state = sl.state&^(slotHelloSeen|slotEarlyData) | slotRestarted
	s.clearNonHello(sl)
	if 0 < before && before <= maxPreface {
		s.countNonHello(sl, before)
	}
	ss.attach(sl).segmentCount = f.parts - 1
	s.overlaps = true
	s.receive(sl, f.start, f.stream)
}
