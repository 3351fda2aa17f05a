package capture

import (
	"slices"

	"github.com/tlspeek/tlspeek/internal/lru"
)

// Parts of the state of a slot.
const (
	slotHasStream = 1 << 31   // the connection has a stream
	slotHelloSeen = 1 << 30   // a hello has come, and a second one may follow
	slotEarlyData = 1 << 29   // that hello offers early data, which comes before the second one
	slotForked    = 1 << 28   // the connection may have an alternate stream
	slotFromSYN   = 1 << 27   // no byte before the first hello is missing
	slotClosed    = 1 << 26   // a FIN or RST ended the connection, unless it was forged
	slotRestarted = 1 << 25   // the stream went back to where a hello had been
	slotTransfer  = 1 << 24   // a file is transferred: see transferEndless
	slotNumber    = 1<<24 - 1 // number of the stream, or bytes that were no hello if there is none

	slotFlags = slotHelloSeen | slotEarlyData | slotForked | slotFromSYN | slotClosed | slotRestarted
)

// A stream holds the bytes of an incomplete hello and what came out of order. Most
// connections never have one, as their hello comes in one segment.
type stream struct {
	key    uint64
	number uint32           // in streams.all
	node   lru.Node[stream] // in streams.byAge; the size is what account last found

	nonHello     uint32   // bytes of the connection that were no hello
	head         []byte   // the bytes from the start of the hello to the first hole
	headOffset   int      // bytes before head in its array
	start        uint32   // sequence number of head[0]
	sniffer      *sniffer // state of sniffing head, if its first records are short
	confirmed    bool     // head is certainly a hello
	expected     bool     // head is where hellos usually are: at the start of the connection or of a longer segment
	usualFrom    uint32   // no hello with a usual legacy_version starts before this sequence number
	chain        chain    // the records of a confirmed hello, if there are several
	messageLen   int      // length of the message of a confirmed hello
	helloLen     int      // length of all records of the hello; 0 if unknown
	assembled    int      // bytes of head that vpn has read
	segmentCount int      // TCP segments that head came in
	aligned      bool     // head starts at the start of a segment, or follows a hello
	onlyRecords  bool     // nothing but records may follow the hello in its segment
	vpn          *openVPN // not nil if head consists of OpenVPN packets
	outOfOrder   segments // what came after the first hole
	deadEnds     deadEnds // nil until records turn out to be no hello

	framed *framedStream // not nil if the stream consists of messages of a framing
}

// incomplete reports whether the stream has a part of a hello.
func (t *stream) incomplete() bool {
	return t.confirmed || t.vpn != nil && t.vpn.incomplete() || t.framed != nil && t.framed.incomplete(t.head)
}

// clear removes the head.
func (t *stream) clear() {
	t.head, t.sniffer, t.confirmed, t.expected = t.head[:0], nil, false, false
	t.chain, t.messageLen, t.helloLen, t.assembled, t.segmentCount, t.vpn = chain{}, 0, 0, 0, 0, nil
	t.framed = nil
}

// append appends p to the head.
func (t *stream) append(p []byte) {
	before := cap(t.head)
	if t.head = append(t.head, p...); cap(t.head) != before {
		t.headOffset = 0
	}
}

// setHead sets the head to p, with room to grow, and returns how many bytes it
// copied. If p is the end of the former head, it stays in place unless the bytes
// before it take more memory than p itself. So no more bytes are copied than
// received.
func (t *stream) setHead(p []byte, room int) (moved int) {
	front := cap(t.head) - cap(p)
	switch own := sameArray(t.head, p); {
	case own && len(p) > t.headOffset+front:
		t.headOffset += front
		t.head = p
		return 0
	case t.headOffset > 0:
		t.headOffset, t.head = 0, nil
	}
	t.head = append(slices.Grow(t.head[:0], room), p...)
	return len(p)
}

// sameArray reports whether a and b have the same array and the same end of their
// capacity.
func sameArray(a, b []byte) bool {
	return cap(a) > 0 && cap(b) > 0 && &a[:cap(a)][cap(a)-1] == &b[:cap(b)][cap(b)-1]
}

const (
	streamOverhead = 320 // bytes that a stream takes besides its data
	snifferSize    = 320 // bytes
	maxPool        = 256 // streams kept for reuse
	maxPooledHead  = 8 << 10
)

// memory returns about how many bytes the stream takes.
func (t *stream) memory() int {
	n := streamOverhead + t.headOffset + cap(t.head) + t.outOfOrder.memory + len(t.deadEnds)*deadEndSize
	if t.sniffer != nil {
		n += snifferSize
	}
	if t.framed != nil {
		n += framedOverhead + 2*cap(t.framed.heldBytes()) // records have the same bytes
	}
	return n
}

// streams are the TCP connections whose hello is awaited. They are in two tables:
// when the young one is full, the old one is dropped and the young one becomes the
// old one. So the oldest connections are dropped, and no ages are stored.
type streams struct {
	hasher     hasher
	young, old table
	maxSlots   int // of a table

	all       []*stream
	unused    []uint32 // free numbers in all
	pool      []*stream
	byAge     lru.List[stream]
	maxMemory int // bytes in all streams

	hellos seenSet      // keys of the hellos that were emitted
	recent recentHellos // the last ones of them

	incomplete, dropped, droppedHellos int64
}

// firstSlots is the number of slots in a new table: 1 KiB.
const firstSlots = 1 << 6

// init divides the memory: half is for the two tables, a quarter for the streams,
// and the rest for tables that grow and for the garbage collector.
func (ss *streams) init(maxMemory int64) {
	ss.hasher = newHasher()
	ss.maxSlots = firstSlots
	for int64(ss.maxSlots)*2*2*16 <= maxMemory/2 {
		ss.maxSlots *= 2
	}
	ss.maxMemory = int(min(maxMemory/4, slotNumber*streamOverhead))
	ss.young.slots = make([]slot, firstSlots)
}

// find returns the slot of a connection, or nil. The slot is valid until the next
// insert or remove.
func (ss *streams) find(key uint64) *slot {
	sl := ss.young.find(key)
	if sl == nil && ss.old.used > 0 {
		sl = ss.old.find(key)
	}
	return sl
}

// has reports whether a connection has a slot.
func (ss *streams) has(key uint64) bool {
	if slots := ss.young.slots; ss.old.used == 0 && slots[key>>1&uint64(len(slots)-1)].key == 0 {
		return false // the usual case
	}
	return ss.find(key) != nil
}

// insert adds a connection that has no slot.
func (ss *streams) insert(key uint64, next uint32) *slot {
	if ss.young.used >= ss.maxSlots/4*3 {
		ss.rotate()
	}
	sl := ss.young.insert(key, ss.maxSlots)
	sl.next, sl.state = next, 0
	return sl
}

// rotate drops the old table and makes the young one the old one.
func (ss *streams) rotate() {
	for i := range ss.old.slots {
		if sl := &ss.old.slots[i]; sl.key != 0 {
			ss.dropped++
			if t := ss.streamOf(sl); t != nil {
				ss.countDropped(t)
				ss.release(t)
			}
		}
	}
	free := ss.old.slots
	clear(free)
	ss.old = ss.young
	if free == nil {
		free = make([]slot, firstSlots)
	}
	ss.young = table{slots: free}
}

// remove removes a connection and its stream.
func (ss *streams) remove(sl *slot) {
	if t := ss.streamOf(sl); t != nil {
		ss.release(t)
	}
	if ss.young.find(sl.key) == sl {
		ss.young.remove(sl)
	} else {
		ss.old.remove(sl)
	}
}

// streamOf returns the stream of a connection, or nil.
func (ss *streams) streamOf(sl *slot) *stream {
	if sl.state&slotHasStream == 0 {
		return nil
	}
	return ss.all[sl.state&slotNumber]
}

// isAtStart reports whether no byte of a connection has come since its SYN.
func (ss *streams) isAtStart(sl *slot) bool {
	if sl.state&(slotFromSYN|slotHelloSeen) != slotFromSYN || ss.nonHello(sl) > 0 {
		return false
	}
	t := ss.streamOf(sl)
	return t == nil || len(t.head) == 0
}

// nonHello returns how many bytes of a connection were no hello.
func (ss *streams) nonHello(sl *slot) uint32 {
	if t := ss.streamOf(sl); t != nil {
		return t.nonHello
	}
	return sl.state & slotNumber
}

// attach returns the stream of a connection, after adding one if it has none.
func (ss *streams) attach(sl *slot) *stream {
	if t := ss.streamOf(sl); t != nil {
		return t
	}
	var t *stream
	if n := len(ss.pool); n > 0 {
		t = ss.pool[n-1]
		ss.pool = ss.pool[:n-1]
	} else {
		t = new(stream)
	}
	if n := len(ss.unused); n > 0 {
		t.number = ss.unused[n-1]
		ss.unused = ss.unused[:n-1]
		ss.all[t.number] = t
	} else {
		t.number = uint32(len(ss.all))
		ss.all = append(ss.all, t)
	}
	t.key = sl.key
	t.nonHello = sl.state & slotNumber
	t.usualFrom = sl.next - 1<<30 // before any head
	sl.state = sl.state&slotFlags | slotHasStream | t.number
	ss.byAge.Add(&t.node, t, 0)
	return t
}

// detach removes the stream of a connection.
func (ss *streams) detach(sl *slot, t *stream) {
	sl.state = sl.state&slotFlags | t.nonHello&slotNumber
	ss.release(t)
}

// release removes a stream and keeps its memory for another one.
func (ss *streams) release(t *stream) {
	ss.byAge.Remove(&t.node)
	ss.all[t.number] = nil
	ss.unused = append(ss.unused, t.number)
	head := t.head[:0]
	if t.headOffset > 0 {
		head = nil
	}
	*t = stream{}
	if cap(head) <= maxPooledHead && len(ss.pool) < maxPool {
		t.head = head
		ss.pool = append(ss.pool, t)
	}
}

// account records how much memory a stream takes now, and drops the oldest
// connections if all streams take too much.
func (ss *streams) account(t *stream) {
	ss.byAge.Resize(&t.node, t.memory())
	for o := ss.byAge.Evict(ss.maxMemory); o != nil; o = ss.byAge.Evict(ss.maxMemory) {
		ss.dropped++
		ss.countDropped(o)
		ss.remove(ss.find(o.key))
	}
}

func (ss *streams) countDropped(t *stream) {
	if t.incomplete() {
		ss.droppedHellos++
	}
}

// end counts the hellos that are incomplete at the end of the capture.
func (ss *streams) end() {
	for t := range ss.byAge.All() {
		if t.incomplete() {
			ss.incomplete++
		}
	}
}
