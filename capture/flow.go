package capture

import (
	"bytes"
	"hash/maphash"

	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A flow is what has come of the datagrams of one client to one server, over
// QUIC or DTLS, or of TLS in EAP of one who logs in.
type flow struct {
	key  uint64
	node lru.Node[flow] // its place among the flows that are followed; its size is about the bytes held

	quic quichello.Assembler
	scid []byte // source connection id of the client
	dtls *parser.DTLSAssembler
	vpn  *openVPN
	eap  *eapStream // nil but while a hello comes
}

// flowOverhead is what a flow takes before anything is held of it.
const flowOverhead = 2 << 10

// flows are the flows whose hello is awaited, and the last of which one was
// found, for the hello that may follow.
type flows struct {
	byKey      map[uint64]*flow
	awaited    lru.List[flow] // a hello is awaited
	done       lru.List[flow] // a hello was found, and another one may follow
	maxAwaited int            // bytes
	maxDone    int            // bytes
	unusedFlow *flow          // memory for the next flow
	unusedDTLS *parser.DTLSAssembler

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

// newFlow returns a flow that is not yet followed.
func (fs *flows) newFlow(key uint64) *flow {
	f := fs.unusedFlow
	if fs.unusedFlow = nil; f == nil {
		f = new(flow)
	}
	*f = flow{key: key, scid: f.scid[:0], quic: quichello.Assembler{Opener: &fs.opener}}
	return f
}

// track keeps a flow of which n bytes more are held.
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

// moveToDone moves a flow to those that are done.
func (fs *flows) moveToDone(f *flow) {
	size := f.node.Size()
	if fs.awaited.Remove(&f.node) {
		fs.done.Add(&f.node, f, size)
		fs.evict()
	}
}

// evict drops the oldest flows if all take too much memory.
func (fs *flows) evict() {
	for f := fs.awaited.Evict(fs.maxAwaited); f != nil; f = fs.awaited.Evict(fs.maxAwaited) {
		fs.dropped++
		fs.drop(f)
	}
	for f := fs.done.Evict(fs.maxDone); f != nil; f = fs.done.Evict(fs.maxDone) {
		fs.drop(f)
	}
}

// drop forgets a flow. It may be the one at hand, so it stays as it is until the
// next call of blank.
func (fs *flows) drop(f *flow) {
	fs.dropped += int64(f.quic.Dropped())
	delete(fs.byKey, f.key)
	fs.unusedFlow = f
}

// end counts what is left.
func (fs *flows) end() {
	for _, f := range fs.byKey {
		fs.dropped += int64(f.quic.Dropped())
		fs.incomplete += int64(len(f.quic.Pending()))
		if f.dtls != nil && f.dtls.Buffered() > 0 || f.eap != nil || f.vpn != nil && f.vpn.incomplete() {
			fs.incomplete++
		}
	}
}

// quic reads a datagram that may hold a client's Initial.
func (s *scanner) quic(p []byte) {
	fs, key := &s.flows, s.flowKey()
	f := fs.byKey[key]
	known := f != nil
	if !known {
		if s.isReply(p) {
			return
		}
		f = fs.newFlow(key)
	}
	held := f.quic.Buffered()
	hello, err := f.quic.Next(p)
	switch {
	case !known && hello == nil && err == quichello.ErrAuthentication:
		fs.unusedFlow = f // nothing was kept
		return
	case !known:
		f.scid = append(f.scid[:0], sourceID(p)...)
	}
	fs.track(f, f.quic.Buffered()-held)
	for ; hello != nil; hello, _ = f.quic.Next(nil) {
		fs.moveToDone(f)
		if s.isRepeated(key, hello.Message) {
			continue
		}
		s.hello = Hello{Transport: parser.QUIC, Index: hello.Index, Datagrams: hello.Datagrams, QUIC: hello}
		s.emit(hello.Message)
		fs.opener.Reuse(hello)
	}
}

// isReply reports whether an Initial is a server's: its destination connection
// id is the source connection id of the client on the other end.
func (s *scanner) isReply(p []byte) bool {
	f := s.flows.byKey[s.reverseKey()]
	return f != nil && bytes.Equal(destinationID(p), f.scid)
}

// destinationID returns the destination connection id of a long header.
func destinationID(p []byte) []byte { return p[6 : 6+int(p[5])] }

// sourceID returns the source connection id of a long header.
func sourceID(p []byte) []byte {
	p = p[6+int(p[5]):]
	return p[1 : 1+int(p[0])]
}

// isDTLSHandshake reports whether p begins with a DTLS handshake record that is
// not encrypted, which means epoch 0 (RFC 9147, section 4).
func isDTLSHandshake(p []byte) bool {
	return len(p) > dtlsRecordHeader && p[0] == recordHandshake && (p[1] == 0xfe || p[1] == 1) && p[3] == 0 && p[4] == 0
}

const dtlsRecordHeader = 13

// dtls reads a datagram that begins with a DTLS handshake record.
func (s *scanner) dtls(p []byte) {
	fs, key := &s.flows, s.flowKey()
	f := fs.byKey[key]
	if f == nil && p[dtlsRecordHeader] != handshakeClientHello {
		return
	}
	if f == nil {
		f = fs.newFlow(key)
	}
	if f.dtls == nil {
		if f.dtls = fs.unusedDTLS; f.dtls == nil {
			f.dtls = new(parser.DTLSAssembler)
		}
		fs.unusedDTLS = nil
	}
	message, _ := f.dtls.Next(p)
	if message == nil && f.dtls.Buffered() == 0 {
		if fs.byKey[key] == nil {
			f.dtls.Reset()
			fs.unusedDTLS, fs.unusedFlow = f.dtls, f
		}
		return
	}
	fs.track(f, len(p))
	if message == nil {
		return
	}
	fs.moveToDone(f)
	if s.isRepeated(key, message) {
		return
	}
	s.hello = Hello{
		Transport:     parser.DTLS,
		Index:         int(f.dtls.MessageSeq()) + 1,
		RecordVersion: f.dtls.RecordVersion(),
		Records:       f.dtls.Records(),
		Datagrams:     f.dtls.Datagrams(),
	}
	s.emit(message)
}

// isRepeated reports whether the flow had the message before, and remembers it.
func (s *scanner) isRepeated(key uint64, message []byte) bool {
	sum := mulFold(key, maphash.Bytes(s.flows.seed, message)) | 1
	if s.streams.hellos.has(sum) {
		return true
	}
	s.streams.hellos.add(sum)
	return false
}
