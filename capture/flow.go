package capture

import (
	"hash/maphash"

	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A flow is the state of the datagrams from one client to one server, over QUIC,
// DTLS or OpenVPN, of one login over EAP, or of one stream over SCTP. It has at most 512
// bytes: what the garbage collector scans fast.
type flow struct {
	key  uint64
	node lru.Node[flow] // in flows.awaited or flows.done; the size is about the bytes held

	quic quichello.Assembler
	scid quichello.ConnectionID // the client's source connection id

	partial uint64   // the key in flows.partial, or 0
	moved   []uint64 // further keys in flows.byKey, of the ports that the client has changed to
	dtls    *parser.DTLSAssembler
	vpn     *openVPN
	eap     *eapStream // nil unless a hello has begun
	login   uint64     // tells apart the logins with this key over EAP
	sctp    *sctpStream
}

// flowOverhead is how many bytes a flow takes besides its data.
const flowOverhead = 2 << 10

// flows are the flows whose hello is awaited, and those from which one has come and
// another one may follow.
type flows struct {
	byKey      map[uint64]*flow
	awaited    lru.List[flow] // no hello has come
	done       lru.List[flow] // a hello has come
	maxAwaited int            // bytes
	maxDone    int            // bytes
	unusedFlow *flow          // memory for the next flow
	unusedDTLS *parser.DTLSAssembler

	// partial has the flows with a part of a hello over QUIC, by the key of what tells
	// a connection apart besides the address of the client.
	partial map[uint64]*flow

	opener quichello.Opener
	seed   maphash.Seed

	incomplete, dropped int64
}

func (fs *flows) init(maxMemory int64) {
	fs.byKey = make(map[uint64]*flow)
	fs.maxAwaited = int(maxMemory / 16)
	fs.maxDone = int(maxMemory / 64)
	fs.seed = maphash.MakeSeed()
}

// newFlow returns a flow that is not in flows until it is tracked.
func (fs *flows) newFlow(key uint64) *flow {
	f := fs.unusedFlow
	if fs.unusedFlow = nil; f == nil {
		f = new(flow)
	}
	*f = flow{key: key, quic: quichello.Assembler{Opener: &fs.opener}}
	return f
}

// setPartial sets the key of a flow in partial, or removes the flow from there.
func (fs *flows) setPartial(f *flow, key uint64) {
	if f.partial == key {
		return
	}
	if fs.partial[f.partial] == f {
		delete(fs.partial, f.partial)
	}
	if f.partial = key; key == 0 {
		return
	}
	if fs.partial == nil {
		fs.partial = make(map[uint64]*flow)
	}
	fs.partial[key] = f
}

// track keeps a flow, which holds n bytes more than before.
func (fs *flows) track(f *flow, n int) {
	list := f.node.List()
	if list == nil {
		list = &fs.awaited
		fs.byKey[f.key] = f
		list.Add(&f.node, f, flowOverhead)
	}
	list.Resize(&f.node, f.node.Size()+n)
	fs.evict()
}

// moveToDone moves a flow from awaited to done.
func (fs *flows) moveToDone(f *flow) {
	size := f.node.Size()
	if fs.awaited.Remove(&f.node) {
		fs.done.Add(&f.node, f, size)
		fs.evict()
	}
}

// evict drops the oldest flows of each list that takes too much memory.
func (fs *flows) evict() {
	for f := fs.awaited.Evict(fs.maxAwaited); f != nil; f = fs.awaited.Evict(fs.maxAwaited) {
		fs.dropped++
		fs.drop(f)
	}
	for f := fs.done.Evict(fs.maxDone); f != nil; f = fs.done.Evict(fs.maxDone) {
		fs.incomplete += f.incomplete() // of connections after the first
		fs.drop(f)
	}
}

// drop removes a flow. A caller may still use it until the next call of newFlow.
func (fs *flows) drop(f *flow) {
	fs.dropped += int64(f.quic.Dropped())
	delete(fs.byKey, f.key)
	for _, key := range f.moved {
		delete(fs.byKey, key)
	}
	fs.setPartial(f, 0)
	fs.unusedFlow = f
}

// end counts the hellos that are incomplete at the end of the capture.
func (fs *flows) end() {
	for key, f := range fs.byKey {
		if key != f.key {
			continue // it has several
		}
		fs.dropped += int64(f.quic.Dropped())
		fs.incomplete += f.incomplete()
	}
}

// incomplete returns how many hellos have begun in the flow and are not whole.
func (f *flow) incomplete() int64 {
	n := int64(len(f.quic.Pending()))
	if f.dtls != nil && f.dtls.Buffered() > 0 || f.eap != nil || f.vpn != nil && f.vpn.incomplete() || f.sctp != nil && f.sctp.incomplete() {
		n++
	}
	return n
}

// isRepeated reports whether a message came before in the flow with the given key,
// and remembers it.
func (s *scanner) isRepeated(key uint64, message []byte) bool {
	sum := mulFold(key, maphash.Bytes(s.flows.seed, message)) | 1
	if s.streams.hellos.has(sum) {
		return true
	}
	s.streams.hellos.add(sum)
	return false
}
