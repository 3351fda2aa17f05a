package capture

import (
	"bytes"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// An sctpPart is what one chunk has of a message.
type sctpPart struct {
	begins, ends bool   // the message
	message      uint32 // stream sequence number, or message identifier
	order        uint32 // transmission sequence number, or number in the message
	data         []byte
}

// Limits on the parts that a stream holds because others are missing, and what a part
// takes besides its data.
const (
	sctpMaxHeld      = 128
	sctpMaxHeldBytes = 128 << 10
	sctpPartOverhead = 64
)

// An sctpOrder says how the parts of a stream are ordered.
type sctpOrder struct {
	interleaved bool // by I-DATA chunks, which number the messages and the parts of each (RFC 8260)
	unordered   bool // the messages
}

// before reports whether a was sent before b.
func (o sctpOrder) before(a, b *sctpPart) bool {
	if o.interleaved && a.message != b.message {
		return int32(a.message-b.message) < 0
	}
	return int32(a.order-b.order) < 0
}

// follows reports whether b is the part after a.
func (o sctpOrder) follows(a, b *sctpPart) bool {
	switch {
	case b.begins != a.ends:
		return false
	case a.ends && o.interleaved:
		return b.message == a.message+1
	case a.ends && !o.unordered:
		return uint16(b.message) == uint16(a.message+1) && o.before(a, b)
	}
	return b.order == a.order+1 && (!o.interleaved || a.message == b.message)
}

// An sctpStream is a stream of an association in one direction, from the first part of
// a message that may be a hello on. Parts come in any order.
type sctpStream struct {
	order sctpOrder
	held  []sctpPart // by order
	bytes int        // of the TLS stream since the hello before
	taken int        // bytes that held takes

	last     sctpPart // without data
	reading  bool     // last is of a TLS stream
	skipping bool     // last is of a message of another protocol, which goes on
	done     bool     // no more hellos are expected
	lost     bool     // a hello has begun and cannot be completed

	records parser.RecordAssembler
	parts   int // that carried the next hello so far
	hellos  int

	// What advance has found: one of them.
	piece    []byte
	datagram []byte
}

// size returns about how many bytes of memory st takes.
func (st *sctpStream) size() int { return st.taken + st.records.Buffered() }

// isEmpty reports whether nothing is known of the stream.
func (st *sctpStream) isEmpty() bool {
	return len(st.held) == 0 && !st.reading && !st.skipping && !st.done
}

// incomplete reports whether a part of a hello is held.
func (st *sctpStream) incomplete() bool { return st.reading && st.records.Buffered() > 0 }

// finish drops what is held.
func (st *sctpStream) finish() { *st = sctpStream{order: st.order, hellos: st.hellos, done: true} }

// keep holds a copy of a part that has not come before.
func (st *sctpStream) keep(p *sctpPart) {
	if st.done {
		if !p.begins || !startsHello(p.data) {
			return
		}
		*st = sctpStream{order: st.order}
	}
	if st.reading && !st.order.before(&st.last, p) {
		return
	}
	i, found := slices.BinarySearchFunc(st.held, p, func(a sctpPart, p *sctpPart) int {
		switch {
		case st.order.before(&a, p):
			return -1
		case st.order.before(p, &a):
			return 1
		}
		return 0
	})
	if found {
		return
	}
	kept := *p
	kept.data = bytes.Clone(p.data)
	st.held = slices.Insert(st.held, i, kept)
	st.taken += len(p.data) + sctpPartOverhead
	for len(st.held) > sctpMaxHeld || st.taken > sctpMaxHeldBytes {
		st.lost = st.lost || st.incomplete()
		st.reading = false
		st.drop(0, 1)
	}
}

// drop drops the parts from i to j.
func (st *sctpStream) drop(i, j int) {
	for _, p := range st.held[i:j] {
		st.taken -= len(p.data) + sctpPartOverhead
	}
	st.held = slices.Delete(st.held, i, j)
}

// take removes part i, as the last one that was read, and returns its data.
func (st *sctpStream) take(i int) []byte {
	st.last = st.held[i]
	data := st.last.data
	st.last.data = nil
	st.drop(i, i+1)
	return data
}

// advance looks for the next piece of a TLS stream, or for a DTLS record, in the parts
// that are held. It drops those of other protocols.
func (st *sctpStream) advance() bool {
	st.piece, st.datagram = nil, nil
	if st.reading {
		if len(st.held) == 0 || !st.order.follows(&st.last, &st.held[0]) {
			return false
		}
		st.piece = st.take(0)
		st.parts++
		return true
	}
	for i := 0; i < len(st.held); {
		if st.skipping && st.order.follows(&st.last, &st.held[i]) {
			st.take(i)
			st.skipping = !st.last.ends
			continue
		}
		if !st.held[i].begins {
			i++
			continue
		}
		j := i + 1
		for j < len(st.held) && !st.held[j-1].ends && st.order.follows(&st.held[j-1], &st.held[j]) {
			j++
		}
		whole := st.held[j-1].ends
		head := st.head(i, j)
		if whole && len(head) < sctpHead && mayBeTLSMessage(head) {
			head = st.head(i, len(st.held)) // a hello may be in several messages
		}
		switch {
		case !whole && len(head) < sctpHead: // too short to tell
			i = j
		case isDTLSHandshake(head):
			if !whole {
				i = j
				continue
			}
			for _, p := range st.held[i:j] {
				st.datagram = append(st.datagram, p.data...)
			}
			st.drop(i, j)
			return true
		case mayBeTLSMessage(head) && !startsHello(head) && whole: // of a hello whose beginning is missing
			i = j
		case startsHello(head):
			st.drop(0, i)
			st.reading, st.skipping = true, false
			st.records, st.hellos = parser.RecordAssembler{}, 0
			st.piece, st.bytes, st.parts = st.take(0), 0, 1
			return true
		default:
			st.drop(i, j-1)
			st.take(i)
			st.skipping = !whole
		}
	}
	return false
}

// sctpHead is how many bytes of a message tell whether it is a hello.
const sctpHead = 16

// head returns the first sctpHead bytes or more of the parts from i to j that follow
// each other, or all of them.
func (st *sctpStream) head(i, j int) []byte {
	head := st.held[i].data
	for i++; i < j && len(head) < sctpHead && st.order.follows(&st.held[i-1], &st.held[i]); i++ {
		head = append(head[:len(head):len(head)], st.held[i].data...)
	}
	return head
}

// mayBeTLSMessage reports whether a message may be a part of a TLS stream up to its
// second hello.
func mayBeTLSMessage(p []byte) bool {
	if p[0] == recordHandshake || p[0] == recordChangeCipherSpec {
		return len(p) < 2 || p[1] == 3
	}
	return startsHello(p)
}
